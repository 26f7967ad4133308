-- The 30-day placement report recounted from raw rows, as somebody would who keeps no rollups: per placement and
-- Shanghai day the confirmed scans, their visitors, the orders, and the money of the last-touch model.
WITH scans AS (
    SELECT t.placement_id, (t.occurred_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
           count(*) AS scans, count(DISTINCT t.visitor_id) AS visitors
    FROM touches t JOIN touch_confirmations k ON k.touch_id = t.id
    WHERE t.occurred_at >= %(since)s AND t.occurred_at < %(until)s AND t.kind = 'scan' AND t.drop_reason IS NULL
    GROUP BY 1, 2
), orders AS (
    SELECT placement_id, (placed_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
           count(*) AS orders, count(paid_at) AS paid_orders
    FROM conversions WHERE placed_at >= %(since)s AND placed_at < %(until)s GROUP BY 1, 2
), money AS (
    SELECT placement_id, (cohort_at AT TIME ZONE 'Asia/Shanghai')::date AS day, sum(fen) AS net_fen
    FROM credits WHERE model = 'last' AND cohort_at >= %(since)s AND cohort_at < %(until)s GROUP BY 1, 2
)
SELECT p.number, sum(s.scans), sum(s.visitors), sum(o.orders), sum(o.paid_orders), sum(m.net_fen)
FROM scans s
FULL JOIN orders o USING (placement_id, day)
FULL JOIN money m USING (placement_id, day)
LEFT JOIN placements p ON p.id = placement_id
GROUP BY 1

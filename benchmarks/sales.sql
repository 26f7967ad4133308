-- Three of a hundred confirmed scans became an order five minutes later, four of five of those were paid: enough for
-- a report of 30 days to have money in every row.
INSERT INTO conversions (order_number, visitor_id, by_staff, placed_at, paid_at, freight_fen, outcome, reason,
                         journey, touch_id, placement_id)
SELECT 'BENCH' || n, visitor_id, false, occurred_at + interval '5 min',
       CASE WHEN n % 5 > 0 THEN occurred_at + interval '6 min' END, 800, 'attributed', 'eligible_touch', id, id,
       placement_id
FROM (
    SELECT t.*, row_number() OVER (ORDER BY occurred_at) AS n
    FROM touches t JOIN touch_confirmations k ON k.touch_id = t.id WHERE get_byte(uuid_send(id), 15) % 33 = 0
) scans;

INSERT INTO conversion_lines (conversion_id, line_no, product, amount_fen, paid_fen)
SELECT id, 1, 'bench-1', 5980, CASE WHEN paid_at IS NOT NULL THEN 5980 END FROM conversions;

INSERT INTO journey_stages (journey, stage, touch_id, placement_id, reached_at)
SELECT journey, stage, touch_id, placement_id, placed_at
FROM conversions, unnest(ARRAY['view', 'cart', 'order', 'paid']) AS stage
WHERE stage <> 'paid' OR paid_at IS NOT NULL;

INSERT INTO attribution_decisions (conversion_id, version, rules_version, params, cutoff_at, outcome, reason,
                                   evidence, flags, decided_at)
SELECT id, 1, 1, '{"window_s": 604800, "excluded": null}', placed_at, 'attributed', 'eligible_touch', '[]', '[]', paid_at
FROM conversions WHERE paid_at IS NOT NULL;

INSERT INTO credits (decision_id, model, line_no, touch_id, placement_id, entry, source, fen, occurred_at, cohort_at)
SELECT d.id, model, 1, c.touch_id, c.placement_id, 'sale', c.order_number, 5980, c.paid_at, c.paid_at
FROM attribution_decisions d JOIN conversions c ON c.id = d.conversion_id,
     unnest(ARRAY['last', 'first', 'linear', 'position', 'decay']) AS model;

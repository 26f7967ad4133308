"""Compares our books with WeChat's, both ways: payments, refunds, shares, ledger, orders, shipping, stock, credit."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.shop import Shop

_PAYMENTS = "SELECT number, amount_fen, transaction_id FROM payments WHERE state = 'succeeded'"
_REFUNDS = "SELECT number, amount_fen, refund_id FROM payment_refunds WHERE state = 'succeeded'"
# What WeChat could not pay out, and a person paid by transfer.
_TRANSFERS = "SELECT number, amount_fen, refund_id FROM payment_refunds WHERE state = 'transferred'"
# What receivers of divided payments got and gave back, and which payments are divided or released for good.
_SHARED = """
    SELECT s.number, p.account, p.amount_fen FROM payment_share_parts p JOIN payment_shares s ON s.id = p.share_id
    WHERE p.state = 'succeeded'
"""
_CAME_BACK = "SELECT number, amount_fen FROM payment_share_returns WHERE state = 'succeeded'"
_RELEASED = """
    SELECT s.number, p.transaction_id FROM payment_shares s JOIN payments p ON p.id = s.payment_id
    WHERE s.state = 'finished'
"""
# Each parcel of an order that was paid in the mini-program, as WeChat must know it. Of what went back it knows none.
_PARCELS = """
    SELECT DISTINCT p.number, c.tracking_number FROM payments p
    JOIN orders o ON o.payment_number = p.number JOIN consignments c ON c.order_id = o.id AND c.shipped_at IS NOT NULL
    WHERE p.state = 'succeeded' AND p.channel = 'miniprogram' AND p.amount_fen > (
        SELECT coalesce(sum(r.amount_fen), 0) FROM payment_refunds r
        WHERE r.payment_id = p.id AND r.state = 'succeeded')
"""
# Each of these finds rows only when something was lost, done twice, or left half-way.
_FAULTS = {
    "a trial balance that is not zero": """
        SELECT sum(amount_fen) FROM ledger_entries HAVING sum(amount_fen) <> 0
    """,
    "a ledger that is not what WeChat owes": """
        SELECT account, sum(amount_fen) FROM ledger_entries WHERE account IN ('wechat_receivable', 'refunds')
        GROUP BY account HAVING sum(amount_fen) <> CASE account WHEN 'refunds' THEN 0 ELSE (
            SELECT coalesce(sum(amount_fen), 0) FROM payments WHERE state = 'succeeded') - (
            SELECT coalesce(sum(amount_fen), 0) FROM payment_refunds WHERE state = 'succeeded') - (
            SELECT coalesce(sum(amount_fen), 0) FROM payment_share_parts WHERE state = 'succeeded') + (
            SELECT coalesce(sum(amount_fen), 0) FROM payment_share_returns WHERE state = 'succeeded') END
    """,
    "a bank account that is not what was transferred": """
        SELECT posted.fen, paid.fen FROM (
            SELECT coalesce(sum(amount_fen), 0) AS fen FROM ledger_entries WHERE account = 'bank') posted, (
            SELECT coalesce(sum(amount_fen), 0) AS fen FROM payment_refunds WHERE state = 'transferred') paid
        WHERE posted.fen <> -paid.fen
    """,
    "a case of a refund that is over": """
        SELECT c.number FROM payment_cases c JOIN payment_refunds r ON r.number = c.number
        WHERE c.kind = 'refund_abnormal' AND c.closed_at IS NULL AND r.state IN ('succeeded', 'transferred')
    """,
    "a fact still waits for a reaction": "SELECT f.name, f.key FROM open_facts o JOIN facts f ON f.id = o.fact_id",
    "a mini-program payment out of view": """
        SELECT p.number FROM payments p WHERE p.state = 'succeeded' AND p.channel = 'miniprogram' AND NOT EXISTS (
            SELECT FROM frozen_payments f
            WHERE f.payment_number = p.number AND f.transaction_id = p.transaction_id)
    """,
    "an order was paid twice": (
        "SELECT reference, count(*) FROM payments WHERE state = 'succeeded' GROUP BY reference HAVING count(*) > 1"
    ),
    "money without its order": """
        SELECT p.number, o.state FROM payments p JOIN orders o ON o.number = p.reference
        WHERE p.state = 'succeeded' AND o.paid_at IS NULL AND p.amount_fen <> (
            SELECT coalesce(sum(r.amount_fen), 0) FROM payment_refunds r
            WHERE r.payment_id = p.id AND r.state IN ('succeeded', 'transferred'))
    """,
    "an order without its money": """
        SELECT o.number FROM orders o WHERE o.paid_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM payments p
            WHERE p.reference = o.number AND p.state = 'succeeded' AND p.amount_fen = o.payable_fen)
    """,
    "a refund that the order does not know": """
        SELECT r.number FROM payment_refunds r JOIN orders o ON o.number = r.reference
        WHERE r.state IN ('succeeded', 'transferred') AND o.paid_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM order_refunds a WHERE a.refund_number = r.number AND a.refunded_at IS NOT NULL)
    """,
    "a refund that is not over": (
        "SELECT number, state FROM payment_refunds WHERE state NOT IN ('succeeded', 'closed', 'transferred')"
    ),
    # One whose refund waits for a second person is not decided before that person has.
    "a payment that is neither divided nor released": """
        SELECT p.number FROM payments p WHERE p.state = 'succeeded' AND p.request ? 'settle_info' AND NOT EXISTS (
            SELECT FROM payment_shares s WHERE s.payment_id = p.id AND s.state = 'finished')
        AND NOT EXISTS (SELECT FROM refund_proposals b JOIN orders o ON o.id = b.order_id
                        WHERE o.number = p.reference AND b.state = 'waiting')
    """,
    "a commission that is not what a seller got": """
        SELECT c.order_number, c.state, c.amount_fen FROM commission_claims c
        LEFT JOIN payment_shares s ON s.reference = c.order_number AND s.state = 'finished'
        LEFT JOIN payment_share_parts p ON p.share_id = s.id AND p.payee = c.seller
        WHERE c.state = 'asked' OR (c.state = 'paid') <> coalesce(p.state = 'succeeded', false)
           OR (c.state = 'paid' AND c.amount_fen <> p.amount_fen)
    """,
    "a return of a share that is not over": "SELECT number FROM payment_share_returns WHERE state = 'pending'",
    "stock that its moves do not explain": """
        SELECT l.sku_id, l.on_hand, l.reserved FROM stock_levels l
        JOIN LATERAL (SELECT sum(m.on_hand_delta) AS on_hand, sum(m.reserved_delta) AS reserved
                      FROM stock_moves m WHERE m.sku_id = l.sku_id) moved ON true
        JOIN LATERAL (SELECT coalesce(sum(r.quantity), 0) AS quantity
                      FROM reservations r WHERE r.sku_id = l.sku_id AND r.state = 'held') held ON true
        WHERE l.on_hand <> moved.on_hand OR l.reserved <> moved.reserved OR l.reserved <> held.quantity
    """,
    "stock held for an order that is over": """
        SELECT o.number, o.state FROM orders o JOIN reservations r ON r.reference = o.stock_reference
        WHERE (r.state = 'held') <> (o.state = 'pending')
    """,
    "credit that is not what was paid": """
        SELECT v.order_number, sum(c.fen) FROM conversions v
        JOIN attribution_decisions d ON d.conversion_id = v.id AND d.superseded_by IS NULL
        JOIN credits c ON c.decision_id = d.id AND c.model = 'last'
        JOIN orders o ON o.number = v.order_number
        GROUP BY v.order_number, o.id, o.goods_fen HAVING sum(c.fen) <> o.goods_fen - (
            SELECT coalesce(sum(a.amount_fen - a.freight_fen), 0) FROM order_refunds a
            WHERE a.order_id = o.id AND a.refunded_at IS NOT NULL)
    """,
    "a paid order that nobody decided": """
        SELECT o.number FROM orders o WHERE o.paid_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM conversions v JOIN attribution_decisions d ON d.conversion_id = v.id
            WHERE v.order_number = o.number)
    """,
}


def differences(shop: Shop) -> list[str]:
    """Return in what our books are not WeChat's, or do not agree among themselves; empty when all is well."""
    theirs = shop.control("books")
    paid = [
        (each["out_trade_no"], each["total_fen"], each["transaction_id"])
        for each in theirs["orders"]
        if each["paid_at"]
    ]
    alive = [each for each in theirs["orders"] if each["shipping"] and each["refunded_fen"] < each["total_fen"]]
    parcels = [
        (each["out_trade_no"], parcel["tracking_no"])
        for each in alive
        for upload in each["shipping"].get("uploads", [])
        for parcel in upload["shipping_list"]
    ]
    told = [
        *_compare("parcel", shop.rows(_PARCELS), parcels),
        *_compare("payment", shop.rows(_PAYMENTS), paid),
        *_compare("refund", shop.rows(_REFUNDS), _refunds(theirs, "SUCCESS")),
        *_compare("transfer", shop.rows(_TRANSFERS), _refunds(theirs, "ABNORMAL")),
        *_shares(shop, theirs["sharing"]),
    ]
    for what, sql in _FAULTS.items():
        told += [f"{what}: {row}" for row in shop.rows(sql)]
    return told


def _shares(shop: Shop, theirs: dict[str, Any]) -> list[str]:
    divided = theirs["orders"]
    shared = [
        (each["out_order_no"], part["account"], part["amount"])
        for each in divided
        for part in each["receivers"]
        if not part["fail_reason"]
    ]
    back = [(each["out_return_no"], each["amount"]) for each in theirs["returns"] if not each["fail_reason"]]
    released = [(each["out_order_no"], each["transaction_id"]) for each in divided if each["unfreezes"]]
    return [
        *_compare("share", shop.rows(_SHARED), shared),
        *_compare("return of a share", shop.rows(_CAME_BACK), back),
        *_compare("release", shop.rows(_RELEASED), released),
    ]


def _refunds(theirs: dict[str, Any], status: str) -> list[tuple[Any, ...]]:
    return [
        (each["out_refund_no"], each["amount_fen"], each["refund_id"])
        for each in theirs["refunds"]
        if each["status"] == status
    ]


def _compare(what: str, ours: Iterable[tuple[Any, ...]], theirs: Iterable[tuple[Any, ...]]) -> list[str]:
    mine, wechats = Counter(ours), Counter(theirs)
    return [f"{what} only in our books: {row}" for row in mine - wechats] + [
        f"{what} only in WeChat's books: {row}" for row in wechats - mine
    ]

"""Deals: a paid line is one, until all of its money went back."""

from config import database
from storefront import deals
from tests.storefront.conftest import NOW, Buyer


def paid(buyer: Buyer, lines: dict[str, int]) -> str:
    number = buyer.place(lines)
    database.statement("UPDATE orders SET state = 'paid', paid_at = %s WHERE number = %s", (NOW, number))
    return number


def refund(number: str, line: int, amount_fen: int, *, key: str, is_paid_out: bool = True) -> None:
    database.statement(
        """
        WITH asked AS (
            INSERT INTO order_refunds (order_id, refund_number, amount_fen, freight_fen, reason, asked_by,
                                       idempotency_key, fingerprint, asked_at, refunded_at)
            SELECT id, %(key)s, %(fen)s, 0, '', '', %(key)s, '', %(now)s, %(paid_out)s
            FROM orders WHERE number = %(number)s RETURNING id
        )
        INSERT INTO order_refund_lines (refund_id, line_no, amount_fen) SELECT id, %(line)s, %(fen)s FROM asked
        """,
        {
            "key": key,
            "fen": amount_fen,
            "now": NOW,
            "paid_out": NOW if is_paid_out else None,
            "number": number,
            "line": line,
        },
    )


def known() -> list[tuple[str, bool]]:
    return [
        (reference, is_void)
        for reference, is_void in database.statement(
            "SELECT split_part(reference, '/', 2), voided_at IS NOT NULL FROM deals ORDER BY reference"
        )
    ]


def note(number: str) -> None:
    with database.transaction() as session:
        deals.note(session, order=number)


def undo(number: str) -> None:
    with database.transaction() as session:
        deals.undo(session, order=number, now=NOW)


def test_every_line_of_a_paid_order_is_a_deal_once(buyer: Buyer, skus: list[str]) -> None:
    unpaid = buyer.place({skus[0]: 1}, key="key-00000009")
    note(unpaid)
    assert known() == []
    number = paid(buyer, {skus[0]: 2, skus[1]: 1})
    note(number)
    note(number)
    assert known() == [("1", False), ("2", False)]
    [(price_fen, first_fen)] = database.statement(
        "SELECT d.price_fen, s.price_fen FROM deals d JOIN skus s ON s.id = d.sku_id WHERE s.number = %s", (skus[0],)
    )
    assert price_fen == first_fen


def test_what_went_back_whole_was_no_deal(buyer: Buyer, skus: list[str]) -> None:
    number = paid(buyer, {skus[0]: 2, skus[1]: 1})
    note(number)
    [(amount_fen,)] = database.statement("SELECT amount_fen FROM order_lines WHERE line_no = 1")
    refund(number, 1, amount_fen - 1, key="R1")
    undo(number)
    assert known() == [("1", False), ("2", False)]
    refund(number, 1, 1, key="R2", is_paid_out=False)
    undo(number)
    assert known() == [("1", False), ("2", False)]
    database.statement("UPDATE order_refunds SET refunded_at = now() WHERE refund_number = 'R2'")
    undo(number)
    assert known() == [("1", True), ("2", False)]

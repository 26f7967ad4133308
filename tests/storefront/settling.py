"""Orders that were received and paid for, with terms for their suppliers: what settlement starts from."""

from datetime import UTC, datetime, timedelta

from config import database
from payments import ledger
from storefront import aftersales, orders, purchase_terms, settlement
from storefront.settlement_lifecycle import Period, StatementState, Terms
from tests.payments.test_books import open_payment, paid, record
from tests.storefront.conftest import NOW, Buyer

__all__ = ["AFTER", "NOVEMBER", "accounts", "agree", "approve", "ask_back", "draft", "received", "supplier_of"]

NOVEMBER = Period("2026-11")
AFTER = datetime(2026, 12, 2, 2, tzinfo=UTC)
SHARE = Terms(share_bp=8_000, fee_bp=60)


def supplier_of(sku: str) -> str:
    [(number,)] = database.statement(
        """
        SELECT u.number FROM skus s JOIN products p ON p.id = s.product_id JOIN suppliers u ON u.id = p.supplier_id
        WHERE s.number = %s
        """,
        (sku,),
    )
    return str(number)


def agree(sku: str, terms: Terms = SHARE, *, own: bool = False) -> str:
    """Terms with the supplier of a SKU, for it alone or for all its goods; returns the supplier's number."""
    supplier = supplier_of(sku)
    with database.transaction() as session:
        purchase_terms.agree(
            session,
            supplier=supplier,
            sku=sku if own else None,
            terms=terms,
            effective_at=NOW - timedelta(days=30),
            by="wang",
            now=NOW,
        )
    return supplier


def received(
    buyer: Buyer, lines: dict[str, int], *, key: str = "key-00000001", received_at: datetime = NOW - timedelta(days=3)
) -> str:
    """An order that was paid for and received; its number. It settles by itself, without the other reactions."""
    number = buyer.place(lines, key=key)
    [(payable_fen,)] = database.statement("SELECT payable_fen FROM orders WHERE number = %s", (number,))
    payment = open_payment(number, payable_fen)
    record(paid(payment))
    with database.transaction() as session:
        orders.settle(session, number=number, payment=payment["number"], amount_fen=payable_fen, paid_at=NOW, now=NOW)
    database.statement(
        "UPDATE orders SET state = 'received', shipped_at = %s, received_at = %s WHERE number = %s RETURNING 1",
        (received_at, received_at, number),
    )
    return number


def ask_back(number: str, lines: dict[int, int], *, key: str = "k-1", freight_fen: int = 0) -> str:
    with database.transaction() as session:
        asked = aftersales.request(
            session,
            number=number,
            lines=lines,
            freight_fen=freight_fen,
            reason="坏果",
            key=key,
            asked_by="staff",
            now=NOW,
        )
    return asked.number


def draft(supplier: str, period: Period = NOVEMBER, *, by: str = "wang") -> str | None:
    with database.transaction() as session:
        return settlement.draft(
            session, supplier=supplier, period=period, by=by, now=period.ends_at + timedelta(days=1)
        ).number


def approve(number: str, *, by: str = "li", net_fen: int | None = None) -> StatementState:
    with database.transaction() as session:
        seen = settlement.find(session, number=number)["net_fen"] if net_fen is None else net_fen
        return settlement.approve(session, number=number, net_fen=seen, by=by, now=AFTER)


def accounts() -> dict[str, int]:
    """What each account of the ledger holds, debits less credits; those that hold nothing are left out."""
    with database.transaction() as session:
        return {each.account: each.balance_fen for each in ledger.trial_balance(session) if each.balance_fen}

"""A county's group with its households and links, and orders as rows, as the tests of benefit bring them along."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from config import database
from storefront import benefit, benefit_links, households
from storefront.benefit_models import GroupKind, Mode
from tests.storefront.conftest import Buyer

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PEARS, DANGSHAN = "dangshansuli", "341321"


def opened(name: str = "周寨镇梨农组", *, county: str = DANGSHAN, kind: GroupKind = GroupKind.HOUSEHOLDS) -> str:
    with database.transaction() as session:
        return benefit_links.open_group(session, kind=kind, name=name, county=county, by="dangshan", now=NOW)


def linked(group: str, share_bp: int, mode: Mode = Mode.SEED, **more: Any) -> str:
    wanted = benefit_links.Wanted(product=more.pop("product", PEARS), group=group, mode=mode, share_bp=share_bp, **more)
    with database.transaction() as session:
        return benefit_links.link(session, wanted=wanted, by="dangshan", now=NOW)


def joined(group: str, name: str = "王大山", phone: str = "13800001111") -> str:
    with database.transaction() as session:
        return households.add(
            session, group=group, name=name, phone=phone, consented_on=date(2026, 11, 1), by="dangshan", now=NOW
        )


def sku_of(product: str = PEARS) -> str:
    [(sku,)] = database.statement(
        "SELECT k.number FROM skus k JOIN products p ON p.id = k.product_id WHERE p.slug = %s AND k.position = 1",
        (product,),
    )
    return str(sku)


def paid(buyer: Buyer, lines: dict[str, int], *, key: str = "key-00000001", at: datetime | None = None) -> str:
    """An order whose money arrived `at` (an hour from now), as rows alone; nothing has followed from it yet."""
    number = buyer.place(lines, key=key, now=NOW)
    database.statement(
        "UPDATE orders SET state = 'paid', paid_at = %s WHERE number = %s", (at or NOW + timedelta(hours=1), number)
    )
    return number


def refunded(order: str, lines: dict[int, int], *, refund: str = "R1", at: datetime | None = None) -> None:
    """A refund of so many fen by line whose money went back, as rows alone."""
    [(refund_id,)] = database.statement(
        "INSERT INTO order_refunds (order_id, refund_number, amount_fen, freight_fen, reason, asked_by,"
        " idempotency_key, fingerprint, asked_at, refunded_at)"
        " SELECT id, %s, %s, 0, '', 'staff', %s, '', %s, %s FROM orders WHERE number = %s RETURNING id",
        (refund, sum(lines.values()), refund, NOW, at or NOW + timedelta(days=1), order),
    )
    for line, fen in lines.items():
        database.statement(
            "INSERT INTO order_refund_lines (refund_id, line_no, amount_fen) VALUES (%s, %s, %s)",
            (refund_id, line, fen),
        )


def post(order: str) -> int:
    with database.transaction() as session:
        return benefit.post(session, order=order)


def entries() -> list[tuple[str, str | None, int]]:
    """(mode, refund, fen) of all entries, as they came."""
    return database.statement(  # type: ignore[return-value]
        "SELECT b.mode, e.refund, e.fen FROM benefit_entries e JOIN benefit_links b ON b.id = e.link_id ORDER BY e.id"
    )


def drift() -> list[benefit.Drift]:
    with database.transaction() as session:
        return benefit.verify(session)

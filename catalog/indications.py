"""Geographical indications: the certificate of a product whose name is protected, as a county's clerk read it.

Invariant: a product has at most one, with kind, number and date, so that its badge never rests on hearsay.
"""

from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors
from catalog.models import IndicationKind
from config import clock, database

NUMBER_LENGTHS, ISSUER_LENGTHS = range(2, 61), range(2, 61)

_ENTER = text("""
    INSERT INTO certificates (product_id, kind, number, issuer, issued_on, valid_until, indication_kind)
    SELECT id, 'geographical_indication', :number, :issuer, :issued_on, NULL, :kind FROM products WHERE slug = :product
    ON CONFLICT (product_id, kind) DO UPDATE SET number = excluded.number, issuer = excluded.issuer,
        issued_on = excluded.issued_on, indication_kind = excluded.indication_kind
    RETURNING id
""")
_TAKE_BACK = text("""
    DELETE FROM certificates c USING products p
    WHERE p.id = c.product_id AND p.slug = :product AND c.kind = 'geographical_indication'
""")
_OF = text("""
    SELECT c.indication_kind AS kind, c.number, c.issuer, c.issued_on
    FROM certificates c JOIN products p ON p.id = c.product_id
    WHERE p.slug = :product AND c.kind = 'geographical_indication'
""")


def enter(
    session: Session, *, product: str, kind: IndicationKind, number: str, issuer: str, issued_on: date, now: datetime
) -> None:
    """Enter the geographical indication of a product (a slug); entered again it is corrected.

    Raises `IndicationInvalid` without number, issuer and a day up to today, and `ProductUnknown`.
    """
    database.require_transaction(session)
    number, issuer = number.strip(), issuer.strip()
    if len(number) not in NUMBER_LENGTHS or len(issuer) not in ISSUER_LENGTHS:
        raise errors.IndicationInvalid
    if issued_on > now.astimezone(clock.SHANGHAI).date():
        raise errors.IndicationInvalid
    values = {"product": product, "kind": kind, "number": number, "issuer": issuer, "issued_on": issued_on}
    if session.execute(_ENTER, values).first() is None:
        raise errors.ProductUnknown


def take_back(session: Session, *, product: str) -> None:
    """Take the geographical indication of a product away again; without one nothing changes."""
    database.require_transaction(session)
    session.execute(_TAKE_BACK, {"product": product})


def of(session: Session, *, product: str) -> dict[str, object] | None:
    """Return kind, number, issuer and day of a product's geographical indication, or None."""
    row = session.execute(_OF, {"product": product}).mappings().first()
    return dict(row) if row else None

"""A co-operative of Dangshan as tests bring it in, with its papers, and the pears as its goods."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import text

from catalog import credit_codes, payees, suppliers
from catalog.accreditation_lifecycle import EntityKind
from catalog.payees import Account
from catalog.supplier_lifecycle import Act, Kind, PermitClass, Seat, State
from catalog.supplier_models import PaperKind
from config import database

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PEARS = "dangshansuli"
COOP, OTHER = "S-COOP", "S-OTHER"


def code(body: str) -> str:
    """A credit code with the check character that it needs."""
    return body[:17] + credit_codes.check_character(body)


PROFILE = suppliers.Profile(
    name="砀山县良梨果业专业合作社",
    entity_kind=EntityKind.COOPERATIVE,
    county_code="341321",
    credit_code=code("93341321MA2RKT6X3"),
    licence_until=None,
    permit_class=PermitClass.PERMIT,
    permit_number="JY13413210000001",
    permit_until=date(2027, 3, 31),
    contact_name="李梨花",
    contact_phone="13905570001",
    address="砀山县良梨镇果园场 1 号",
)
ACCOUNT = Account(name="砀山县良梨果业专业合作社", bank="砀山农商银行良梨支行", number="6217 0000 1234 5678")


def opened(number: str = COOP, *, kind: Kind = Kind.SUPPLIER, **changes: Any) -> str:
    """A supplier that has filled in the form, photographed its papers and accepted the agreement."""
    with database.transaction() as session:
        suppliers.open(session, number=number, name=PROFILE.name, kind=kind)
        suppliers.amend(session, number=number, profile=replace(PROFILE, **changes))
        suppliers.agree(session, number=number, version=suppliers.AGREEMENT_VERSION, by="coop", now=NOW)
        for paper in (PaperKind.LICENCE, PaperKind.FOOD_PERMIT):
            picture = f"PIC-{number}-{paper}"
            # A photograph as rows alone: what becomes of uploaded bytes is tested where they are taken in.
            session.execute(
                text(
                    "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at)"
                    " VALUES (:number, false, 64, 48, '{}', :now) ON CONFLICT DO NOTHING"
                ),
                {"number": picture, "now": NOW},
            )
            suppliers.add_paper(session, number=number, kind=paper, picture=picture, by="coop", now=NOW)
        payees.enter(session, number=number, account=ACCOUNT, by="coop", now=NOW)
    return number


def take(number: str, act: Act, seat: Seat, *, reason: str = "按规定办理", now: datetime = NOW) -> State:
    with database.transaction() as session:
        return suppliers.take(session, number=number, act=act, seat=seat, by="desk", reason=reason, now=now)


def admitted(number: str = COOP, *, goods: str = PEARS, **changes: Any) -> str:
    """A supplier that may sell, and sells `goods`."""
    opened(number, **changes)
    take(number, Act.APPLY, Seat.APPLICANT)
    take(number, Act.ADMIT, Seat.OPERATOR)
    if goods:
        own(number, goods)
    return number


def own(number: str, *slugs: str) -> None:
    """Make these goods the supplier's."""
    database.statement(
        "UPDATE products SET supplier_id = (SELECT id FROM suppliers WHERE number = %s) WHERE slug = ANY(%s)",
        (number, list(slugs)),
    )


def state(number: str = COOP) -> str:
    [(found,)] = database.statement("SELECT state FROM suppliers WHERE number = %s", (number,))
    return str(found)


def on_sale(slug: str = PEARS) -> tuple[bool, str | None]:
    """Whether a product is on sale, and why not."""
    [(is_on_sale, because)] = database.statement(
        "SELECT is_on_sale, off_sale_for FROM products WHERE slug = %s", (slug,)
    )
    return bool(is_on_sale), because

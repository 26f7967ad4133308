"""An application as tests bring it along: pears of Dangshan, with one person in each seat."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from catalog import accreditations, evidence
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.accreditation_models import EvidenceKind
from config import database

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PEARS, DANGSHAN, PAPER = "dangshansuli", "341321102", "PIC0123456789ABCDEF"
BATCH = "2026年第一批"
BY = {Seat.APPLICANT: "pear-coop", Seat.TOWNSHIP: "dangcheng", Seat.COUNTY: "dangshan", Seat.SUPERVISOR: "suzhou"}
# The first day on which the notice is over.
AFTER_NOTICE = NOW + timedelta(days=9)

# What brings an application to each state, step by step.
WAY = {
    State.SUBMITTED: (Act.SUBMIT, Seat.APPLICANT),
    State.OPINED: (Act.ENDORSE, Seat.TOWNSHIP),
    State.NOTICED: (Act.APPROVE, Seat.COUNTY),
}


def drafted(number: str = "C1", *, product: str = PEARS) -> str:
    with database.transaction() as session:
        accreditations.draft(
            session, number=number, product=product, township_code=DANGSHAN, statement="三百亩老梨园", now=NOW
        )
        # A photograph as rows alone: what becomes of uploaded bytes is tested where they are taken in.
        session.execute(
            text(
                "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at)"
                " VALUES (:number, false, 64, 48, '{}', :now) ON CONFLICT DO NOTHING"
            ),
            {"number": PAPER, "now": NOW},
        )
        evidence.add(
            session,
            accreditation=number,
            kind=EvidenceKind.LICENCE,
            title="营业执照",
            picture=PAPER,
            by=BY[Seat.APPLICANT],
            now=NOW,
        )
    return number


def take(number: str, act: Act, seat: Seat, *, by: str = "", reason: str = "按规定办理", now: datetime = NOW) -> State:
    with database.transaction() as session:
        return accreditations.take(
            session, number=number, act=act, seat=seat, by=by or BY.get(seat, ""), reason=reason, now=now
        ).state


def brought(state: State, number: str = "C1", *, product: str = PEARS) -> str:
    """An application that has come as far as `state`."""
    drafted(number, product=product)
    for reached, (act, seat) in WAY.items():
        take(number, act, seat)
        if reached is state:
            return number
    publish(number)
    return number


def publish(number: str, *, now: datetime = AFTER_NOTICE, batch: str = BATCH) -> State:
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO accreditation_batches (name, opened_on) VALUES (%s, '2026-11-21') ON CONFLICT DO NOTHING",
            (BATCH,),
        )
        return accreditations.publish(session, number=number, batch=batch, by=BY[Seat.COUNTY], now=now).state


def standing(number: str) -> str:
    [(state,)] = database.statement("SELECT state FROM accreditations WHERE number = %s", (number,))
    return str(state)


def shelf(product: str = PEARS) -> tuple[bool, str | None]:
    """Whether a product is on the shelf, and the number of its badge."""
    [(is_on_sale, badge)] = database.statement(
        "SELECT p.is_on_sale, c.number FROM products p"
        " LEFT JOIN certificates c ON c.product_id = p.id AND c.kind = 'accreditation' WHERE p.slug = %s",
        (product,),
    )
    return is_on_sale, badge

"""Goods that left the shelf: each way has its own words, and what never stood there is not told of."""

import pytest

from catalog import absences, accreditations, drafts, errors, offering
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.models import OffSale
from config import database
from tests.catalog.accrediting import AFTER_NOTICE, PEARS, brought, take
from tests.catalog.supplying import COOP, admitted
from tests.catalog.test_drafts import NUMBER, TYPED

pytestmark = pytest.mark.usefixtures("seeded")


def because(slug: str = PEARS) -> str:
    return absences.find(slug).because


def taken_off(reason: OffSale) -> None:
    with database.transaction() as session:
        offering.end(session, slug=PEARS, because=reason)


def test_what_is_on_sale_or_never_was_is_not_told_of() -> None:
    admitted(COOP)
    with database.transaction() as session:
        draft = drafts.enter(session, typed=TYPED, number=NUMBER, now=AFTER_NOTICE)
    for slug in (PEARS, draft, "gone", "No Slug'"):
        with pytest.raises(errors.ProductUnknown):
            absences.find(slug)


def test_a_lost_badge_says_how_it_was_lost() -> None:
    number = brought(State.PUBLISHED)
    take(number, Act.SUSPEND, Seat.COUNTY)
    assert because() == "suspended"
    take(number, Act.REVOKE, Seat.COUNTY)
    assert because() == "revoked"
    brought(State.SUBMITTED, "C2")
    assert because() == "revoked"


def test_a_badge_that_ran_out_says_so() -> None:
    brought(State.PUBLISHED)
    database.statement("UPDATE accreditations SET valid_until = '2026-12-01', recheck_until = '2026-12-01'")
    accreditations.move_due(now=AFTER_NOTICE.replace(year=2027))
    assert because() == "expired"


@pytest.mark.parametrize("reason", [OffSale.SUPPLIER, OffSale.PAPERS, OffSale.OWNER])
def test_everything_else_is_said_as_it_is(reason: OffSale) -> None:
    taken_off(reason)
    found = absences.find(PEARS)
    assert (found.name, found.hall, found.because) == ("砀山酥梨", "dangshan-xian", reason.value)
    assert found.because in absences.WORDS

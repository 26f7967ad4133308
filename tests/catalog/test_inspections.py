"""Spot checks, and what follows from them."""

from datetime import date, timedelta

import pytest

from catalog import accreditations, errors, inspections
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.accreditation_models import Finding, InspectionLevel
from config import database
from tests.catalog.accrediting import AFTER_NOTICE, BY, brought, shelf, standing, take

pytestmark = pytest.mark.usefixtures("seeded")

BY_DAY = (AFTER_NOTICE + timedelta(days=15)).date()


def inspect(number: str, finding: Finding, *, rectify_until: date | None = None, reason: str = "抽检结果") -> State:
    with database.transaction() as session:
        return inspections.record(
            session,
            accreditation=number,
            level=InspectionLevel.CITY,
            finding=finding,
            reason=reason,
            rectify_until=rectify_until,
            by=BY[Seat.SUPERVISOR],
            now=AFTER_NOTICE,
        )


@pytest.mark.parametrize(
    ("finding", "after", "is_on_sale"),
    [
        (Finding.PASSED, State.PUBLISHED, True),
        (Finding.SUSPENDED, State.SUSPENDED, False),
        (Finding.REVOKED, State.REVOKED, False),
    ],
)
def test_what_is_found_follows_at_once(finding: Finding, after: State, is_on_sale: bool) -> None:
    number = brought(State.PUBLISHED)
    assert inspect(number, finding) is after
    assert shelf()[0] is is_on_sale


def test_who_does_not_rectify_in_time_is_suspended() -> None:
    number = brought(State.PUBLISHED)
    assert inspect(number, Finding.RECTIFY, rectify_until=BY_DAY) is State.PUBLISHED
    accreditations.move_due(now=AFTER_NOTICE + timedelta(days=15))
    assert standing(number) == "published"
    accreditations.move_due(now=AFTER_NOTICE + timedelta(days=16))
    assert standing(number) == "suspended"


def test_who_rectifies_keeps_the_badge() -> None:
    number = brought(State.PUBLISHED)
    inspect(number, Finding.RECTIFY, rectify_until=BY_DAY)
    with database.transaction() as session:
        inspections.confirm_rectified(session, accreditation=number, now=AFTER_NOTICE)
    accreditations.move_due(now=AFTER_NOTICE + timedelta(days=16))
    assert standing(number) == "published"
    with database.transaction() as session, pytest.raises(errors.RectificationInvalid):
        inspections.confirm_rectified(session, accreditation=number, now=AFTER_NOTICE)


@pytest.mark.parametrize(
    ("finding", "day", "reason", "refusal"),
    [
        (Finding.RECTIFY, None, "抽检结果", errors.RectificationInvalid),
        (Finding.RECTIFY, AFTER_NOTICE.date(), "抽检结果", errors.RectificationInvalid),
        (Finding.PASSED, BY_DAY, "抽检结果", errors.RectificationInvalid),
        (Finding.PASSED, None, "", errors.AccreditationReasonMissing),
    ],
)
def test_nonsense_is_refused(finding: Finding, day: date | None, reason: str, refusal: type[Exception]) -> None:
    number = brought(State.PUBLISHED)
    with pytest.raises(refusal):
        inspect(number, finding, rectify_until=day, reason=reason)
    [(count,)] = database.statement("SELECT count(*) FROM accreditation_inspections")
    assert count == 0


def test_only_what_has_a_badge_is_inspected() -> None:
    number = brought(State.NOTICED)
    with pytest.raises(errors.AccreditationMoved):
        inspect(number, Finding.PASSED)


def test_the_county_may_reinstate_what_a_supervisor_suspended() -> None:
    number = brought(State.PUBLISHED)
    inspect(number, Finding.SUSPENDED)
    assert take(number, Act.REINSTATE, Seat.COUNTY, now=AFTER_NOTICE) is State.PUBLISHED

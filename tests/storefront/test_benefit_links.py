"""Groups and links: dated, never overlapping, never more than the whole of a product at any time."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from config import database
from storefront import benefit_errors as errors
from storefront import benefit_links
from storefront.benefit_links import LEAD, Held
from storefront.benefit_models import GroupKind, Mode
from tests.storefront.benefiting import NOW, PEARS, linked, opened

DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("seeded")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
spans = st.tuples(st.integers(1, 6000), st.integers(0, 9), st.one_of(st.none(), st.integers(1, 9))).map(
    lambda drawn: Held(
        drawn[0], EPOCH + drawn[1] * DAY, None if drawn[2] is None else EPOCH + (drawn[1] + drawn[2]) * DAY
    )
)


@given(standing=st.lists(spans, max_size=6), new=spans)
def test_what_is_free_is_the_least_of_any_day(standing: list[Held], new: Held) -> None:
    days = [EPOCH + n * DAY for n in range(30)]
    held = {at: sum(each.share_bp for each in standing if each.holds_at(at)) for at in days if new.holds_at(at)}
    assert benefit_links.free(standing, new) == 10_000 - max(held.values())


def test_a_group_is_one_by_name_in_its_county() -> None:
    number = opened()
    with pytest.raises(errors.GroupTaken) as caught:
        opened(kind=GroupKind.COOPERATIVE)
    assert caught.value.details == {"number": number}
    assert opened(county="341322") != number
    for wrong in ("341300", "110101", "999999"):
        with pytest.raises(errors.CountyInvalid):
            opened("别处", county=wrong)


def test_shares_fill_the_whole_and_no_more() -> None:
    one, two = opened(), opened("合作社")
    linked(one, 6000, ends_at=NOW + 10 * DAY)
    linked(two, 4000)
    with pytest.raises(errors.SharesExceedWhole) as caught:
        linked(two, 1, Mode.GUIDANCE)
    assert caught.value.details == {"left_bp": 0}
    linked(two, 6000, Mode.GUIDANCE, starts_at=NOW + 10 * DAY)
    with pytest.raises(errors.SharesExceedWhole):
        linked(one, 1, Mode.GUIDANCE, starts_at=NOW + 20 * DAY)


def test_a_link_is_not_doubled_and_the_database_says_so_too() -> None:
    group = opened()
    linked(group, 100, ends_at=NOW + 10 * DAY)
    with pytest.raises(errors.LinkOverlaps):
        linked(group, 100, starts_at=NOW + 9 * DAY)
    linked(group, 100, starts_at=NOW + 10 * DAY)
    with pytest.raises(psycopg.errors.ExclusionViolation):
        database.statement(
            "INSERT INTO benefit_links"
            " (number, product_slug, group_id, mode, share_bp, starts_at, linked_by, linked_at)"
            " SELECT 'L0', product_slug, group_id, mode, 1, starts_at, 'x', now() FROM benefit_links LIMIT 1"
        )


def test_neither_begins_nor_ends_in_the_past() -> None:
    group = opened()
    for period in ({"starts_at": NOW}, {"starts_at": NOW + DAY, "ends_at": NOW + DAY}, {"ends_at": NOW}):
        with pytest.raises(errors.LinkPeriodInvalid):
            linked(group, 100, **period)
    number = linked(group, 100)
    with database.transaction() as session:
        assert benefit_links.find(session, number=number)["starts_at"] == NOW + LEAD
        with pytest.raises(errors.LinkPeriodInvalid):
            benefit_links.end(session, number=number, ends_at=NOW, now=NOW)


def test_unknown_groups_products_and_links_are_told() -> None:
    with pytest.raises(errors.GroupUnknown):
        linked("G0", 100)
    with pytest.raises(errors.ProductUnlinkable):
        linked(opened(), 100, product="no-such-pear")
    with database.transaction() as session, pytest.raises(errors.LinkUnknown):
        benefit_links.end(session, number="L0", now=NOW)
    with database.transaction() as session, pytest.raises(errors.LinkUnknown):
        benefit_links.find(session, number="L0")


def test_a_link_is_ended_once_or_earlier_and_one_that_never_began_never_does() -> None:
    group = opened()
    number, later = linked(group, 100), linked(group, 100, Mode.OTHER, starts_at=NOW + 5 * DAY)
    with database.transaction() as session:
        benefit_links.end(session, number=number, ends_at=NOW + 3 * DAY, now=NOW)
        benefit_links.end(session, number=number, ends_at=NOW + 2 * DAY, now=NOW)
        with pytest.raises(errors.LinkEnded):
            benefit_links.end(session, number=number, ends_at=NOW + 3 * DAY, now=NOW)
        benefit_links.end(session, number=later, now=NOW)
        with pytest.raises(errors.LinkEnded):
            benefit_links.end(session, number=later, now=NOW)
        held = {each["number"]: each for each in benefit_links.of_group(session, group=group)}
    assert held[number]["ends_at"] == NOW + 2 * DAY
    assert held[later]["ends_at"] == held[later]["starts_at"]
    linked(group, 10_000 - 100, Mode.GUIDANCE)


def test_the_database_lets_nobody_change_a_link() -> None:
    linked(opened(), 100, ends_at=NOW + DAY)
    for change in ("share_bp = 1", "ends_at = ends_at + interval '1 day'", "ends_at = NULL"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            database.statement(f"UPDATE benefit_links SET {change}")
    with pytest.raises(psycopg.errors.RestrictViolation):
        database.statement("DELETE FROM benefit_links")


def test_two_clerks_never_share_out_more_than_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the product's lock taken away both see room for their link; with it the second sees that there is none."""
    one, two = opened(), opened("合作社")
    standing, lock = benefit_links._standing, benefit_links.lock_product
    gate = threading.Barrier(2)

    def race(patience_s: float) -> list[str]:
        outcomes = []

        def meet(session: Session, product: str) -> list[Held]:
            """Both have read what stands before either writes; with the lock only one comes here at a time."""
            found = standing(session, product)
            with suppress(threading.BrokenBarrierError):
                gate.wait(patience_s)
            return found

        def link(group: str) -> None:
            try:
                linked(group, 6000)
                outcomes.append("linked")
            except errors.SharesExceedWhole:
                outcomes.append("refused")

        monkeypatch.setattr(benefit_links, "_standing", meet)
        clerks = [threading.Thread(target=link, args=(group,)) for group in (one, two)]
        for clerk in clerks:
            clerk.start()
        for clerk in clerks:
            clerk.join(90)
        return sorted(outcomes)

    assert race(0.3) == ["linked", "refused"]
    with database.transaction() as session:
        for group in (one, two):
            for held in benefit_links.of_group(session, group=group):
                benefit_links.end(session, number=held["number"], now=NOW)
    gate.reset()
    monkeypatch.setattr(benefit_links, "lock_product", lambda session, product: None)
    monkeypatch.setattr(benefit_links, "LEAD", 2 * LEAD)
    assert race(60) == ["linked", "linked"]
    monkeypatch.setattr(benefit_links, "lock_product", lock)
    with database.transaction() as session:
        assert benefit_links.free(standing(session, PEARS), Held(1, NOW + DAY, None)) == -2000

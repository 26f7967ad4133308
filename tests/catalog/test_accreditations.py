"""From an application to the badge and off it again, with every refusal on the way."""

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import accreditation_lifecycle as lifecycle
from catalog import accreditation_views, accreditations, errors, evidence, objections, products
from catalog.accreditation_lifecycle import Act, Seat, State
from catalog.accreditation_models import Accreditation
from catalog.cache import Cache
from config import database
from tests.catalog.accrediting import (
    AFTER_NOTICE,
    BATCH,
    BY,
    DANGSHAN,
    NOW,
    PAPER,
    PEARS,
    brought,
    drafted,
    publish,
    shelf,
    standing,
    take,
)

pytestmark = pytest.mark.usefixtures("seeded")


def lost() -> list[tuple[str, str]]:
    return [
        (values["number"], values["state"])
        for (values,) in database.statement("SELECT values FROM facts WHERE name = 'accreditation.lost' ORDER BY id")
    ]


def test_pears_are_applied_for_opined_on_decided_noticed_and_published() -> None:
    number = brought(State.NOTICED)
    assert shelf() == (True, None)
    assert publish(number) is State.PUBLISHED
    is_on_sale, badge = shelf()
    assert is_on_sale
    assert badge is not None
    assert badge.startswith("341321-2026-")
    [(issuer, issued_on, valid_until)] = database.statement(
        "SELECT issuer, issued_on, valid_until FROM certificates WHERE number = %s", (badge,)
    )
    assert issuer == "安徽省宿州市砀山县（县级认定）"
    assert (valid_until - issued_on).days == 1095
    with database.transaction() as session:
        found = accreditation_views.find(session, number=number)
    assert [(step["act"], step["seat"], step["taken_by"]) for step in found["steps"]] == [
        ("submit", "applicant", BY[Seat.APPLICANT]),
        ("endorse", "township", BY[Seat.TOWNSHIP]),
        ("approve", "county", BY[Seat.COUNTY]),
        ("publish", "county", BY[Seat.COUNTY]),
    ]


@pytest.mark.parametrize(
    ("act", "seat", "expected"),
    [
        (Act.SUSPEND, Seat.SUPERVISOR, State.SUSPENDED),
        (Act.REVOKE, Seat.COUNTY, State.REVOKED),
    ],
)
def test_losing_the_badge_empties_the_shelf_at_once(act: Act, seat: Seat, expected: State) -> None:
    number = brought(State.PUBLISHED)
    assert take(number, act, seat) is expected
    assert shelf() == (False, None)
    assert lost() == [(number, expected.value)]
    with database.transaction() as session, pytest.raises(errors.AccreditationRequired):
        products.relist(session, slug=PEARS)


def test_a_suspended_badge_comes_back_whole() -> None:
    number = brought(State.PUBLISHED)
    _, badge = shelf()
    take(number, Act.SUSPEND, Seat.SUPERVISOR)
    assert take(number, Act.REINSTATE, Seat.SUPERVISOR) is State.PUBLISHED
    assert shelf() == (True, badge)


def test_goods_that_never_had_a_badge_are_relisted_freely() -> None:
    with database.transaction() as session:
        products.delist(session, slug=PEARS)
        products.relist(session, slug=PEARS)
    assert shelf() == (True, None)


def test_notice_must_be_over_before_publication() -> None:
    number = brought(State.NOTICED)
    with pytest.raises(errors.NoticeRunning):
        publish(number, now=NOW + timedelta(days=7))
    with pytest.raises(errors.BatchUnknown):
        publish(number, batch="没有这一批")
    assert standing(number) == "noticed"


def test_a_product_has_one_standing_application() -> None:
    number = brought(State.SUBMITTED)
    with pytest.raises(errors.AccreditationStanding) as caught:
        drafted("C2")
    assert caught.value.details == {"number": number}
    take(number, Act.WITHDRAW, Seat.APPLICANT)
    assert drafted("C2") == "C2"


def test_two_applications_at_once_leave_one() -> None:
    gate, outcomes = threading.Barrier(2), []

    def apply(number: str) -> None:
        gate.wait(5)
        try:
            outcomes.append(drafted(number))
        except errors.AccreditationStanding:
            outcomes.append("refused")

    racers = [threading.Thread(target=apply, args=(f"C{n}",)) for n in (1, 2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(20)
    assert sorted(outcomes, key=len)[0] in {"C1", "C2"}
    assert "refused" in outcomes


def test_the_applicant_sees_to_the_papers() -> None:
    with database.transaction() as session:
        accreditations.draft(
            session, number="C1", product=PEARS, township_code=DANGSHAN, statement="三百亩老梨园", now=NOW
        )
    with pytest.raises(errors.EvidenceMissing) as caught:
        take("C1", Act.SUBMIT, Seat.APPLICANT)
    assert caught.value.details == {"kinds": ["licence"]}


def test_papers_are_closed_until_they_are_asked_for_again() -> None:
    number = brought(State.SUBMITTED)
    with database.transaction() as session, pytest.raises(errors.EvidenceClosed):
        evidence.remove(session, accreditation=number, picture=PAPER, now=NOW)
    with database.transaction() as session, pytest.raises(errors.EvidenceClosed):
        accreditations.amend(session, number=number, statement="改一改")
    take(number, Act.RETURN, Seat.TOWNSHIP)
    with database.transaction() as session:
        accreditations.amend(session, number=number, statement="改一改")
        evidence.remove(session, accreditation=number, picture=PAPER, now=NOW)
    with pytest.raises(errors.EvidenceMissing):
        take(number, Act.SUBMIT, Seat.APPLICANT)


def test_what_cannot_be_applied_for() -> None:
    for product, township, refusal in (
        ("no-such-thing", DANGSHAN, errors.ProductUnknown),
        (PEARS, "340102001", errors.TownshipInvalid),
        (PEARS, "9", errors.TownshipInvalid),
    ):
        with database.transaction() as session, pytest.raises(refusal):
            accreditations.draft(session, number="C9", product=product, township_code=township, statement="", now=NOW)


@pytest.mark.parametrize(
    ("state", "act", "seat"),
    [
        (State.SUBMITTED, Act.APPROVE, Seat.COUNTY),
        (State.SUBMITTED, Act.ENDORSE, Seat.COUNTY),
        (State.OPINED, Act.APPROVE, Seat.TOWNSHIP),
        (State.NOTICED, Act.PUBLISH, Seat.COUNTY),
        (State.PUBLISHED, Act.SUSPEND, Seat.TOWNSHIP),
        (State.PUBLISHED, Act.SUBMIT, Seat.APPLICANT),
    ],
)
def test_no_step_out_of_turn_or_out_of_seat(state: State, act: Act, seat: Seat) -> None:
    number = brought(state)
    with pytest.raises(errors.AccreditationMoved):
        take(number, act, seat)
    assert standing(number) == state.value


def test_nobody_sits_in_two_seats_of_one_accreditation() -> None:
    number = brought(State.OPINED)
    with pytest.raises(errors.AccreditationOtherSeat):
        take(number, Act.APPROVE, Seat.COUNTY, by=BY[Seat.TOWNSHIP])
    assert take(number, Act.APPROVE, Seat.COUNTY) is State.NOTICED


@pytest.mark.parametrize("reason", ["", " 不 ", "长" * 501])
def test_a_step_against_somebody_needs_a_reason(reason: str) -> None:
    number = brought(State.OPINED)
    with pytest.raises(errors.AccreditationReasonMissing):
        take(number, Act.REFUSE, Seat.COUNTY, reason=reason)


def test_two_clerks_decide_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the lock taken away both decide; with it the second is told that it moved."""
    locked, require = accreditations.lock, accreditations._require_one_seat

    def unlocked(session: Session, number: str) -> Accreditation:
        return session.scalars(select(Accreditation).where(Accreditation.number == number)).one()

    def decide_twice(number: str) -> list[str]:
        gate, outcomes = threading.Barrier(2), []

        def meet(*given: Any) -> None:
            """Both have read the state before either writes; with the lock only one comes here at a time."""
            require(*given)
            with suppress(threading.BrokenBarrierError):
                gate.wait(1)

        monkeypatch.setattr(accreditations, "_require_one_seat", meet)

        def decide(act: Act, by: str) -> None:
            try:
                outcomes.append(take(number, act, Seat.COUNTY, by=by).value)
            except errors.AccreditationMoved:
                outcomes.append("moved")

        clerks = [threading.Thread(target=decide, args=pair) for pair in ((Act.APPROVE, "one"), (Act.RETURN, "two"))]
        for clerk in clerks:
            clerk.start()
        for clerk in clerks:
            clerk.join(20)
        return outcomes

    number = brought(State.OPINED)
    assert decide_twice(number).count("moved") == 1
    monkeypatch.setattr(accreditations, "_require_one_seat", require)
    take(number, Act.WITHDRAW, Seat.APPLICANT)
    number = brought(State.OPINED, "C2")
    monkeypatch.setattr(accreditations, "lock", unlocked)
    assert sorted(decide_twice(number)) == ["noticed", "returned"]
    monkeypatch.setattr(accreditations, "lock", locked)


def test_who_does_not_complete_the_papers_is_let_go() -> None:
    number = brought(State.SUBMITTED)
    take(number, Act.RETURN, Seat.TOWNSHIP)
    accreditations.move_due(now=NOW + timedelta(days=30))
    assert standing(number) == "returned"
    accreditations.move_due(now=NOW + timedelta(days=31))
    assert standing(number) == "withdrawn"


def test_a_badge_that_ran_out_is_gone_the_next_day() -> None:
    number = brought(State.PUBLISHED)
    end = AFTER_NOTICE + timedelta(days=1095)
    # Every yearly check was passed; what ends here is the badge itself.
    for year in (1, 2):
        take(number, Act.RECHECK, Seat.COUNTY, now=AFTER_NOTICE + timedelta(days=365 * year))
    accreditations.move_due(now=end)
    assert standing(number) == "published"
    accreditations.move_due(now=end + timedelta(days=1))
    assert standing(number) == "expired"
    assert shelf() == (False, None)
    assert lost() == [(number, "expired")]


def test_a_missed_yearly_check_suspends_and_a_passed_one_does_not() -> None:
    number = brought(State.PUBLISHED)
    year = AFTER_NOTICE + timedelta(days=365)
    take(number, Act.RECHECK, Seat.COUNTY, now=year - timedelta(days=10))
    accreditations.move_due(now=year + timedelta(days=1))
    assert standing(number) == "published"
    accreditations.move_due(now=year + timedelta(days=360))
    assert standing(number) == "suspended"
    accreditations.move_due(now=year + timedelta(days=360))
    assert lost() == [(number, "suspended")]


def test_sitting_on_an_application_raises_one_alarm(capsys: pytest.CaptureFixture[str]) -> None:
    number = brought(State.SUBMITTED)
    for day in (8, 9, 10):
        accreditations.move_due(now=NOW + timedelta(days=day))
    [(escalated_at,)] = database.statement("SELECT escalated_at FROM accreditations WHERE number = %s", (number,))
    assert escalated_at == NOW + timedelta(days=8)
    assert standing(number) == "submitted"


def test_upheld_objections_end_it_and_others_do_not() -> None:
    number = brought(State.NOTICED)
    with database.transaction() as session:
        for name in ("J1", "J2"):
            objections.file(
                session, number=name, accreditation=number, content="梨园面积与事实不符，请核查。", contact="", now=NOW
            )
    with pytest.raises(errors.ObjectionsOpen) as caught:
        publish(number)
    assert caught.value.details == {"count": 2}
    answer("J1", is_upheld=False)
    assert standing(number) == "noticed"
    with database.transaction() as session, pytest.raises(errors.ObjectionAnswered):
        objections.answer(session, number="J1", answer="再答一次", is_upheld=True, by="x", now=NOW)
    answer("J2", is_upheld=True)
    assert standing(number) == "refused"


def test_unfounded_objections_do_not_stop_publication() -> None:
    number = brought(State.NOTICED)
    with database.transaction() as session:
        objections.file(
            session, number="J1", accreditation=number, content="我认为这个梨不好吃，不该认定。", contact="138", now=NOW
        )
    answer("J1", is_upheld=False)
    assert publish(number) is State.PUBLISHED
    with database.transaction() as session:
        public = accreditation_views.notice(session, number=number)
        assert objections.forget_contacts(session, before=NOW + timedelta(days=1), at_most=10) == 1
    assert "contact" not in public["objections"][0]
    assert "taken_by" not in public["steps"][0]


@pytest.mark.parametrize("state", [State.OPINED, State.PUBLISHED])
def test_objections_are_heard_during_the_notice_only(state: State) -> None:
    number = brought(state)
    with database.transaction() as session, pytest.raises(errors.NoticeOver):
        objections.file(session, number="J1", accreditation=number, content="来晚了的异议。", contact="", now=NOW)


def test_an_objection_at_the_last_instant_is_judged_by_the_clock() -> None:
    number = brought(State.NOTICED)
    [(due_at,)] = database.statement("SELECT due_at FROM accreditations WHERE number = %s", (number,))
    with database.transaction() as session, pytest.raises(errors.NoticeOver):
        objections.file(session, number="J1", accreditation=number, content="差一点。", contact="", now=due_at)
    with database.transaction() as session:
        objections.file(
            session,
            number="J2",
            accreditation=number,
            content="刚刚好。",
            contact="",
            now=due_at - timedelta(milliseconds=1),
        )


def test_a_draft_is_not_public() -> None:
    number = brought(State.OPINED)
    with database.transaction() as session, pytest.raises(errors.AccreditationUnknown):
        accreditation_views.notice(session, number=number)


def answer(number: str, *, is_upheld: bool) -> None:
    with database.transaction() as session:
        objections.answer(
            session, number=number, answer="已到现场核查", is_upheld=is_upheld, by=BY[Seat.COUNTY], now=NOW
        )


def test_a_batch_is_opened_once() -> None:
    with database.transaction() as session:
        accreditations.open_batch(session, name=BATCH, now=NOW)
        assert [batch.name for batch in accreditation_views.batches(session)] == [BATCH]
        assert {term.key for term in accreditation_views.terms(session)} == set(lifecycle.Term)
        with pytest.raises(errors.BatchTaken):
            accreditations.open_batch(session, name=BATCH, now=NOW)


def test_the_page_says_what_the_badge_rests_on_while_it_stands() -> None:
    number = brought(State.PUBLISHED)
    shown = products.find(PEARS)
    rests = shown["accreditation_evidence"]
    assert (rests["notice"], rests["county"], rests["batch"]) == (number, "安徽省宿州市砀山县", BATCH)
    hung = datetime.fromisoformat(rests["noticed_until"]) - datetime.fromisoformat(rests["noticed_at"])
    assert hung > timedelta(days=7)
    assert shown["accreditation"]["number"].startswith("341321-")
    take(number, Act.REVOKE, Seat.SUPERVISOR)
    with database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE products SET is_on_sale = true WHERE slug = %s", (PEARS,))
    Cache.forget_all()
    assert products.find(PEARS)["accreditation_evidence"] is None

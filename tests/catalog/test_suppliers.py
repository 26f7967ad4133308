"""Suppliers from the first form to the shelf and off it: who may sell, with which papers, and what their goods do."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from catalog import errors, offering, products, suppliers
from catalog.accreditation_lifecycle import State as Accredited
from catalog.supplier_lifecycle import Act, Kind, Papers, PermitClass, Seat, State
from catalog.supplier_models import PaperKind
from config import database
from tests.catalog import accrediting
from tests.catalog.supplying import COOP, NOW, OTHER, PEARS, PROFILE, admitted, code, on_sale, opened, state, take

pytestmark = pytest.mark.usefixtures("seeded")
# The permit's last day in Beijing ends here.
OVER = datetime(2027, 3, 31, 16, 0, tzinfo=UTC)


def steps(number: str = COOP) -> list[tuple[str, str, str]]:
    return [
        (act, seat, reason)
        for act, seat, reason in database.statement(
            "SELECT s.act, s.seat, s.reason FROM supplier_steps s JOIN suppliers u ON u.id = s.supplier_id"
            " WHERE u.number = %s ORDER BY s.position",
            (number,),
        )
    ]


def amend(number: str, **changes: Any) -> None:
    with database.transaction() as session:
        suppliers.amend(session, number=number, profile=replace(PROFILE, **changes))


def relist(slug: str = PEARS) -> None:
    with database.transaction() as session:
        products.relist(session, slug=slug)


def test_a_supplier_applies_and_is_admitted() -> None:
    opened()
    assert take(COOP, Act.APPLY, Seat.APPLICANT) is State.APPLIED
    assert take(COOP, Act.ADMIT, Seat.OPERATOR, reason="") is State.ADMITTED
    assert [(act, seat) for act, seat, _ in steps()] == [("apply", "applicant"), ("admit", "operator")]


def test_the_shop_s_own_illustrative_supplier_sells_from_the_start() -> None:
    assert state("SUP0001") == "admitted"
    assert take("SUP0001", Act.SUSPEND, Seat.OPERATOR) is State.SUSPENDED
    assert take("SUP0001", Act.REINSTATE, Seat.OPERATOR) is State.ADMITTED


def test_a_refused_supplier_corrects_its_papers_and_applies_again() -> None:
    opened()
    take(COOP, Act.APPLY, Seat.APPLICANT)
    with pytest.raises(errors.SupplierSealed):
        amend(COOP, name="另一家合作社")
    with pytest.raises(errors.SupplierReasonMissing):
        take(COOP, Act.REFUSE, Seat.OPERATOR, reason=" ")
    assert take(COOP, Act.REFUSE, Seat.OPERATOR, reason="执照照片不清楚") is State.REFUSED
    amend(COOP, address="砀山县良梨镇果园场 2 号")
    assert take(COOP, Act.APPLY, Seat.APPLICANT) is State.APPLIED


@pytest.mark.parametrize(
    ("changes", "refusal", "details"),
    [
        ({"credit_code": "91350100M000100Y44"}, errors.CreditCodeInvalid, {}),
        ({"name": " 一 "}, errors.SupplierProfileInvalid, {"field": "name"}),
        ({"county_code": "340100"}, errors.SupplierProfileInvalid, {"field": "county_code"}),
        ({"permit_number": "  "}, errors.SupplierProfileInvalid, {"field": "permit_number"}),
        ({"permit_until": None}, errors.SupplierProfileInvalid, {"field": "permit_until"}),
        ({"address": "路" * 201}, errors.SupplierProfileInvalid, {"field": "address"}),
    ],
)
def test_wrong_fields_are_named(changes: dict[str, Any], refusal: type[Exception], details: dict[str, str]) -> None:
    opened()
    with pytest.raises(refusal) as caught:
        amend(COOP, **changes)
    assert caught.value.details == details  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"permit_until": date(2026, 11, 20)}, ["food_permit"]),
        ({"licence_until": date(2026, 11, 20)}, ["licence"]),
    ],
)
def test_nobody_applies_on_papers_that_ran_out(changes: dict[str, Any], ended: list[str]) -> None:
    opened(**changes)
    with pytest.raises(errors.SupplierPapersExpired) as caught:
        take(COOP, Act.APPLY, Seat.APPLICANT)
    assert caught.value.details == {"papers": ended}


def test_an_application_needs_every_field_and_photograph_and_the_agreement() -> None:
    with database.transaction() as session:
        suppliers.open(session, number=COOP, name="良梨合作社")
    with pytest.raises(errors.SupplierIncomplete) as caught:
        take(COOP, Act.APPLY, Seat.APPLICANT)
    assert caught.value.details["fields"] == ["entity_kind", "county_code", "credit_code", "permit_class"]
    opened(OTHER)
    database.statement("DELETE FROM supplier_papers WHERE kind = 'food_permit'")
    with pytest.raises(errors.SupplierIncomplete) as caught:
        take(OTHER, Act.APPLY, Seat.APPLICANT)
    assert caught.value.details == {"fields": [], "papers": ["food_permit"]}


def test_an_old_agreement_is_read_again() -> None:
    opened()
    with database.transaction() as session, pytest.raises(errors.AgreementOutdated):
        suppliers.agree(session, number=COOP, version="2020-01", by="coop", now=NOW)
    database.statement("UPDATE suppliers SET agreement_version = '2020-01' WHERE number = %s", (COOP,))
    with pytest.raises(errors.AgreementOutdated) as caught:
        take(COOP, Act.APPLY, Seat.APPLICANT)
    assert caught.value.details == {"version": suppliers.AGREEMENT_VERSION}


def test_farm_produce_needs_no_permit_and_a_filing_no_end() -> None:
    opened(permit_class=PermitClass.EXEMPT, permit_number="", permit_until=None)
    database.statement("DELETE FROM supplier_papers WHERE kind = 'food_permit'")
    assert take(COOP, Act.APPLY, Seat.APPLICANT) is State.APPLIED
    other = code("91341321MA2RKT6X3")
    opened(OTHER, permit_class=PermitClass.FILING, permit_until=None, credit_code=other)
    assert take(OTHER, Act.APPLY, Seat.APPLICANT) is State.APPLIED


def test_a_firm_applies_once() -> None:
    opened()
    with pytest.raises(errors.CreditCodeTaken) as caught:
        opened(OTHER)
    assert caught.value.details == {"number": COOP}
    opened("S-SELLER", kind=Kind.SELLER)
    take(COOP, Act.CLOSE, Seat.OPERATOR)
    opened("S-AGAIN")


def at_once(*works: Callable[[], object]) -> list[str]:
    """What became of each, run in threads of their own."""
    outcomes: list[str] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
            outcomes.append("done")
        except Exception as error:  # noqa: BLE001 - what went wrong is the outcome
            outcomes.append(type(error).__name__)

    racers = [threading.Thread(target=run, args=(work,)) for work in works]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return sorted(outcomes)


def test_two_applications_of_one_firm_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (COOP, OTHER):
        with database.transaction() as session:
            suppliers.open(session, number=number, name="良梨合作社")
    lock, find = suppliers.lock, suppliers._FIND_FIRM

    def race(patience_s: float) -> list[str]:
        gate = threading.Barrier(2, timeout=patience_s)

        def gated(session: Any, number: str) -> Any:
            """Hold the row, and let each racer's search for the same firm wait until the other has searched too."""
            held, scalar = lock(session, number), session.scalar

            def together(statement: Any, *args: Any, **more: Any) -> Any:
                found = scalar(statement, *args, **more)
                if statement is find:
                    with suppress(threading.BrokenBarrierError):
                        gate.wait()
                return found

            session.scalar = together
            return held

        monkeypatch.setattr(suppliers, "lock", gated)
        return at_once(lambda: amend(COOP), lambda: amend(OTHER))

    with monkeypatch.context() as off:
        off.setattr(suppliers, "_SAME_FIRM", text("SELECT :credit_code"))
        assert race(20) == ["IntegrityError", "done"], "without the lock the second is told nothing but a broken key"
    database.statement("UPDATE suppliers SET credit_code = NULL")
    assert race(0.2) == ["CreditCodeTaken", "done"]


def test_suspension_takes_the_goods_off_sale_at_once_and_reinstatement_brings_them_back() -> None:
    admitted()
    assert on_sale() == (True, None)
    assert take(COOP, Act.SUSPEND, Seat.OPERATOR, reason="抽检不合格") is State.SUSPENDED
    assert on_sale() == (False, "supplier")
    with pytest.raises(errors.SupplierNotAdmitted):
        relist()
    assert take(COOP, Act.REINSTATE, Seat.OPERATOR) is State.ADMITTED
    assert on_sale() == (True, None)


def test_what_its_owner_took_off_sale_stays_off_when_the_supplier_comes_back() -> None:
    admitted()
    with database.transaction() as session:
        products.delist(session, slug=PEARS)
    take(COOP, Act.SUSPEND, Seat.OPERATOR)
    take(COOP, Act.REINSTATE, Seat.OPERATOR)
    assert on_sale() == (False, "owner")
    relist()
    assert on_sale() == (True, None)


def test_others_goods_stay_where_they_are() -> None:
    admitted()
    [(before,)] = database.statement("SELECT count(*) FROM products WHERE is_on_sale")
    take(COOP, Act.SUSPEND, Seat.OPERATOR)
    assert database.statement("SELECT count(*) FROM products WHERE is_on_sale") == [(before - 1,)]


def test_a_permit_that_runs_out_takes_the_goods_off_sale_by_the_clock() -> None:
    admitted()
    suppliers.move_due(now=OVER - timedelta(seconds=1))
    assert on_sale() == (True, None)
    suppliers.move_due(now=OVER)
    suppliers.move_due(now=OVER)
    assert on_sale() == (False, "papers")
    assert state() == "lapsed"
    assert steps()[-1] == ("lapse", "clock", "食品经营许可或备案到期")
    with pytest.raises(errors.SupplierPapersExpired):
        take(COOP, Act.REINSTATE, Seat.OPERATOR, now=OVER)
    renewed = Papers(permit_class=PermitClass.PERMIT, permit_number="JY2", permit_until=date(2032, 3, 31))
    with database.transaction() as session:
        suppliers.renew(session, number=COOP, papers=renewed)
    assert take(COOP, Act.REINSTATE, Seat.OPERATOR, now=OVER) is State.ADMITTED
    assert on_sale() == (True, None)


def test_a_renewal_that_comes_before_the_clock_counts() -> None:
    admitted()
    with database.transaction() as session, pytest.raises(errors.SupplierProfileInvalid):
        suppliers.renew(session, number=COOP, papers=Papers(permit_class=PermitClass.PERMIT, permit_number="JY2"))
    renewed = Papers(permit_class=PermitClass.PERMIT, permit_number="JY2", permit_until=date(2032, 3, 31))
    with database.transaction() as session:
        suppliers.renew(session, number=COOP, papers=renewed)
    suppliers.move_due(now=OVER)
    assert state() == "admitted"


def test_a_badge_that_comes_while_the_supplier_is_suspended_waits_for_it() -> None:
    number = accrediting.brought(Accredited.NOTICED)
    admitted()
    take(COOP, Act.SUSPEND, Seat.OPERATOR)
    accrediting.publish(number)
    assert accrediting.shelf()[1] is not None
    assert on_sale() == (False, "supplier")
    take(COOP, Act.REINSTATE, Seat.OPERATOR)
    assert on_sale() == (True, None)


def test_a_badge_that_is_lost_while_the_supplier_is_suspended_keeps_the_goods_off_sale() -> None:
    number = accrediting.brought(Accredited.PUBLISHED)
    admitted()
    take(COOP, Act.SUSPEND, Seat.OPERATOR)
    accrediting.take(number, accrediting.Act.REVOKE, accrediting.Seat.COUNTY)
    take(COOP, Act.REINSTATE, Seat.OPERATOR)
    assert on_sale() == (False, "accreditation")


def test_putting_on_sale_and_suspending_at_once_never_leaves_goods_on_the_shelf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever relists has read the supplier's state when the suspension comes: it waits, and finds the goods there."""
    admitted()
    set_, guard = offering._set, offering._STANDING

    def race(patience_s: float) -> tuple[bool, str | None]:
        read, suspended = threading.Event(), threading.Event()
        database.statement("UPDATE products SET is_on_sale = false, off_sale_for = 'owner' WHERE slug = %s", (PEARS,))

        def gated(session: Any, slug: str, because: Any) -> None:
            read.set()
            suspended.wait(timeout=patience_s)
            set_(session, slug, because)

        def suspend() -> None:
            read.wait(timeout=20)
            take(COOP, Act.SUSPEND, Seat.OPERATOR)
            suspended.set()

        monkeypatch.setattr(offering, "_set", gated)
        assert at_once(relist, suspend) == ["done", "done"]
        left = on_sale()
        take(COOP, Act.REINSTATE, Seat.OPERATOR)
        return left

    with monkeypatch.context() as off:
        off.setattr(offering, "_STANDING", text(guard.text.replace("FOR SHARE OF u", "")))
        assert race(20) == (True, None), "without the lock the suspension overlooks what is just coming"
    assert race(0.2) == (False, "supplier")


def test_a_new_permit_is_photographed_beside_the_old_one() -> None:
    admitted()
    database.statement(
        "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at)"
        " SELECT 'PIC-' || n, false, 64, 48, '{}', now() FROM generate_series(1, 30) AS n"
    )
    with database.transaction() as session:
        for n in range(1, 29):
            suppliers.add_paper(
                session, number=COOP, kind=PaperKind.FOOD_PERMIT, picture=f"PIC-{n}", by="coop", now=NOW
            )
        with pytest.raises(errors.PapersTooMany):
            suppliers.add_paper(session, number=COOP, kind=PaperKind.OTHER, picture="PIC-29", by="coop", now=NOW)


def test_a_commission_is_a_seller_s_and_at_most_what_wechat_divides() -> None:
    opened()
    opened("S-SELLER", kind=Kind.SELLER)
    with database.transaction() as session:
        suppliers.set_commission(session, number="S-SELLER", commission_bp=500)
        for number, most in (("S-SELLER", 3001), (COOP, 500)):
            with pytest.raises(errors.SupplierProfileInvalid):
                suppliers.set_commission(session, number=number, commission_bp=most)


def test_what_is_not_there_is_not_found() -> None:
    with database.transaction() as session, pytest.raises(errors.SupplierUnknown):
        suppliers.lock(session, "S-NOBODY")

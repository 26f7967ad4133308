"""What sellers earn: set by finance alone, over what they saw, and written down."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import suppliers
from catalog.models import Supplier
from catalog.supplier_lifecycle import Kind
from config import database
from storefront.roles import Role
from tests.catalog.supplying import COOP, OTHER, admitted, code, opened
from tests.catalog.test_suppliers import at_once
from tests.storefront.staff.conftest import Clerk, audited

Hire = Callable[..., Clerk]
pytestmark = pytest.mark.usefixtures("app", "seeded")
PATH = f"/commissions/{OTHER}"


@pytest.fixture
def finance(clerk: Hire) -> Clerk:
    admitted(COOP)
    opened(OTHER, kind=Kind.SELLER, name="江淮好物推广社", credit_code=code("91341321MA2RKT6X3"))
    return clerk(Role.FINANCE)


def rate() -> int | None:
    [(points,)] = database.statement("SELECT commission_bp FROM suppliers WHERE number = %s", (OTHER,))
    return points  # type: ignore[no-any-return]


def test_a_rate_is_set_and_taken_away_by_who_saw_the_last(finance: Clerk, clerk: Hire) -> None:
    page = finance.open("/commissions").text
    assert "江淮好物推广社" in page
    assert COOP not in page
    assert "done=commission_set" in finance.send(PATH, percent="5.5", seen="").location
    assert rate() == 550
    assert "5.50%" in finance.open("/commissions").text
    assert "settlement.commission_moved" in finance.send(PATH, percent="6", seen="").location
    assert "done=commission_set" in finance.send(PATH, percent="", seen="550").location
    assert rate() is None
    assert [act for act, subject in audited() if subject == OTHER] == ["supplier.commission_set"] * 2
    assert clerk(Role.SUPPLIER, supplier=OTHER).open("/commissions").status_code == 403


@pytest.mark.parametrize("typed", ["30.01", "-1", "五", "5.555", "100"])
def test_what_is_no_rate_is_refused(finance: Clerk, typed: str) -> None:
    assert "fault=form.commission" in finance.send(PATH, percent=typed, seen="").location
    assert rate() is None


def test_a_supplier_earns_no_commission(finance: Clerk) -> None:
    assert "fault=form.commission" in finance.send(f"/commissions/{COOP}", percent="5", seen="").location
    assert finance.send("/commissions/S-NOBODY", percent="5", seen="").status_code == 404


def test_of_two_who_saw_the_same_one_is_told(finance: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    def race(lock: Callable[[Session, str], Supplier | None], patience_s: float) -> list[str]:
        """Let each racer compare only once the other has read the rate too, or patience is at its end."""
        gate, outcomes, mine = threading.Barrier(2, timeout=patience_s), [], threading.local()

        def gated(session: Session, number: str) -> Supplier | None:
            held = lock(session, number)
            if not hasattr(mine, "has_read"):
                mine.has_read = True
                with suppress(threading.BrokenBarrierError):
                    gate.wait()
            return held

        def send(percent: str) -> None:
            outcomes.append(finance.send(PATH, percent=percent, seen="").location.split("?")[1])

        with monkeypatch.context() as gates:
            gates.setattr(suppliers, "lock", gated)
            at_once(lambda: send("5"), lambda: send("6"))
        return sorted(outcomes)

    def unlocked(session: Session, number: str) -> Supplier | None:
        return session.scalar(select(Supplier).where(Supplier.number == number))

    both = ["done=commission_set"] * 2
    assert race(unlocked, 20) == both, "without the row's lock the second overwrites what nobody has seen"
    database.statement("UPDATE suppliers SET commission_bp = NULL")
    assert race(suppliers.lock, 0.2) == ["done=commission_set", "fault=settlement.commission_moved"]

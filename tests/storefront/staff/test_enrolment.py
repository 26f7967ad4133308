"""A second factor for one's own account: kept once it was shown, and asked for before sealed data opens."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyotp
import pytest
from flask import Flask
from sqlalchemy import update

from config import clock, database
from storefront import sessions
from storefront.errors import CredentialsRejected
from storefront.roles import Grant, Role, Scope
from storefront.second_factor_errors import SecondFactorRequired, SecondFactorStanding
from storefront.staff import accounts, benefit_desk, enrolment, factors
from storefront.staff_models import StaffAccount
from tests.catalog.test_suppliers import at_once
from tests.storefront.benefiting import DANGSHAN, joined, opened
from tests.storefront.staff.conftest import Clerk, audited

Hire = Callable[..., Clerk]
pytestmark = pytest.mark.usefixtures("seeded")
PASSWORD = "correct horse battery"


@pytest.fixture
def county(app: Flask, clerk: Hire) -> Clerk:
    """A clerk of the county who has no second factor yet, but a password."""
    hired = clerk(Role.COUNTY, username="dangshan", has_second_factor=False, area=DANGSHAN)
    password = factors.hash_password(PASSWORD)
    database.statement("UPDATE staff_accounts SET password_hash = %s WHERE username = 'dangshan'", (password,))
    return hired


def scanned(page: str) -> tuple[str, pyotp.TOTP]:
    sealed = str(re.search(r'name="sealed" value="([^"]+)"', page)[1])  # type: ignore[index]
    return sealed, pyotp.TOTP(str(factors.unsealed(sealed)), interval=factors.STEP_S)


def test_households_open_only_after_a_second_factor_was_shown(county: Clerk) -> None:
    group = opened()
    household = joined(group)
    ordinary = county.open(f"/benefit/groups/{group}")
    assert ordinary.status_code == 200
    path = f"/benefit/groups/{group}/households"
    assert county.open(path).location.endswith("/staff/second-factor")
    assert county.send(f"/benefit/households/{household}/departure").location.endswith("/staff/second-factor")
    refused = county.get(path)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "staff.second_factor_required")
    assert "households.read" not in {act for act, _ in audited()}
    sealed, app = scanned(county.open("/second-factor").text)
    form = {"sealed": sealed, "totp": app.at(clock.now()), "password": PASSWORD}
    for wrong in ({"password": "wrong password"}, {"totp": "abc"}, {"sealed": "gAAAAA"}):
        database.statement("DELETE FROM login_delays")
        answer = county.send("/second-factor", **form | wrong)
        assert (answer.status_code, "密码或验证码不对" in answer.text) == (422, True)
    database.statement("DELETE FROM login_delays")
    assert county.send("/second-factor", **form).location.endswith("/staff/login?done=totp_enrolled")
    assert county.open(path).status_code == 401
    with pytest.raises(CredentialsRejected):
        accounts.login(username="dangshan", password=PASSWORD, totp=app.at(clock.now()), address=None, now=clock.now())
    database.statement("DELETE FROM login_delays")
    later = clock.now().timestamp() + factors.STEP_S
    again = accounts.login(
        username="dangshan", password=PASSWORD, totp=app.at(int(later)), address=None, now=clock.now()
    )
    actor = sessions.verify(again.token, now=clock.now())
    with database.transaction() as session:
        assert [each.name for each in benefit_desk.read_households(session, actor, group=group, now=clock.now())]
    assert ("staff.totp_enrolled", "dangshan") in audited()


def test_who_has_one_is_not_given_another(clerk: Hire) -> None:
    proved = clerk(Role.COUNTY, area=DANGSHAN)
    assert "已启用" in proved.open("/second-factor").text
    assert "fault=staff.second_factor_standing" in proved.send("/second-factor", sealed="x", totp="123456").location
    with pytest.raises(SecondFactorStanding):
        enrolment.offer(proved.actor)


def test_two_forms_at_once_leave_one_second_factor(county: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    now, known = clock.now(), factors.matching_step
    monkeypatch.setattr(enrolment.delays, "count", lambda *_, **__: None)

    def race() -> list[str]:
        both_proved = threading.Barrier(2)

        def proved(sealed: str, code: str, **at: Any) -> int | None:
            step = known(sealed, code, **at)
            with suppress(threading.BrokenBarrierError):
                both_proved.wait(30)
            return step

        def accept(offer: enrolment.Offer) -> None:
            code = pyotp.TOTP(str(factors.unsealed(offer.sealed)), interval=factors.STEP_S).at(now)
            enrolment.accept(county.actor, password=PASSWORD, sealed=offer.sealed, code=code, address=None, now=now)

        monkeypatch.setattr(factors, "matching_step", proved)
        offers = [enrolment.offer(county.actor) for _ in range(2)]
        return at_once(*[lambda offer=offer: accept(offer) for offer in offers])

    class Careless:
        """An update of an account, whether or not it has a second factor by now."""

        def where(self, *rules: Any) -> Any:
            return update(StaffAccount).where(*(rule for rule in rules if "totp_sealed IS NULL" not in str(rule)))

    with monkeypatch.context() as off:
        off.setattr(enrolment, "update", lambda _: Careless())
        assert race() == ["done", "done"], "without the condition the second takes the first one's away unseen"
    database.statement("UPDATE staff_accounts SET totp_sealed = NULL, totp_step = NULL WHERE username = 'dangshan'")
    assert race() == ["SecondFactorStanding", "done"]


def test_an_actor_of_no_second_factor_opens_nothing(app: Flask, clerk: Hire) -> None:
    bare = clerk(Role.COUNTY, has_second_factor=False, area=DANGSHAN)
    assert Grant(role=Role.COUNTY, scope=Scope(area=DANGSHAN)) in bare.actor.grants
    with pytest.raises(SecondFactorRequired):
        accounts.require_second_factor(bare.actor)

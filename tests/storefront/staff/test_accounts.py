"""Staff accounts: two factors where money moves, a code works once, a growing wait for guessers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pyotp
import pytest
from sqlalchemy import func, select

from config import database
from storefront import sessions
from storefront.actors import Actor, ActorKind
from storefront.errors import (
    AccountInvalid,
    AccountNotFound,
    CredentialsRejected,
    LoginDelayed,
    NotPermitted,
    SessionRequired,
    TotpRequired,
    UsernameTaken,
)
from storefront.roles import Grant, Permission, Role, Scope
from storefront.staff import accounts, factors
from storefront.staff_models import AuditEntry, LoginDelay, StaffAccount
from tests.storefront.conftest import NOW

PASSWORD = "correct horse battery"
ADDRESS = "203.0.113.77"


def add(username: str = "boss", *roles: Role) -> accounts.Added:
    with database.transaction() as session:
        grants = tuple(Grant(role=role) for role in roles or (Role.FULFILMENT,))
        return accounts.add(session, username=username, password=PASSWORD, grants=grants, now=NOW)


def enter(
    username: str = "boss", password: str = PASSWORD, totp: str | None = None, at: datetime = NOW
) -> sessions.Opened:
    return accounts.login(username=username, password=password, totp=totp, address=ADDRESS, now=at)


def codes(added: accounts.Added) -> pyotp.TOTP:
    assert added.enrolment_uri is not None
    otp = pyotp.parse_uri(added.enrolment_uri)
    assert isinstance(otp, pyotp.TOTP)
    return otp


def test_a_clerk_logs_in_with_a_password(db: None) -> None:
    added = add()
    assert added.enrolment_uri is None
    actor = sessions.verify(enter().token, now=NOW)
    assert (actor.kind, actor.username, actor.grants) == (ActorKind.STAFF, "boss", (Grant(role=Role.FULFILMENT),))
    with database.transaction() as session:
        stored = session.scalars(select(StaffAccount.password_hash)).one()
        assert PASSWORD not in stored
        acts = session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all()
        assert acts == ["staff.added", "staff.logged_in"]


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN])
def test_whoever_moves_money_needs_a_code(db: None, role: Role) -> None:
    added = add("boss", Role.ANALYST, role)
    for missing in (None, ""):
        with pytest.raises(TotpRequired):
            enter(totp=missing)
    with pytest.raises(CredentialsRejected):
        enter(totp=codes(added).at(NOW - timedelta(hours=1)))
    assert enter(totp=codes(added).at(NOW), at=NOW + timedelta(seconds=1))


def test_the_enrolment_secret_is_shown_only_to_who_adds(db: None) -> None:
    added = add("boss", Role.ADMIN)
    secret = codes(added).secret
    assert secret not in repr(added)
    with database.transaction() as session:
        sealed = session.scalars(select(StaffAccount.totp_sealed)).one()
        assert sealed is not None
        assert secret not in sealed


def test_a_code_works_once_and_so_does_an_older_one(db: None) -> None:
    otp = codes(add("boss", Role.ADMIN))
    enter(totp=otp.at(NOW))
    for replayed in (otp.at(NOW), otp.at(NOW - timedelta(seconds=30))):
        with pytest.raises(CredentialsRejected):
            enter(totp=replayed)
    later = NOW + timedelta(seconds=30)
    assert enter(totp=otp.at(later), at=later)


def test_a_code_at_once_from_two_desks_works_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    otp = codes(add("boss", Role.ADMIN))

    def race(at: datetime) -> int:
        together = Barrier(3, timeout=60)

        def go(network: int) -> bool:
            together.wait()
            try:
                accounts.login(
                    username="boss", password=PASSWORD, totp=otp.at(at), address=f"203.0.{network}.1", now=at
                )
            except CredentialsRejected:
                return False
            return True

        with ThreadPoolExecutor(3) as pool:
            return sum(pool.map(go, range(3)))

    with monkeypatch.context() as off:
        off.setattr(accounts, "_still_standing", lambda session, account, step: True)
        assert race(NOW) == 3, "without the guard a code is good for everybody who sees it"
    assert race(NOW + timedelta(minutes=5)) == 1


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("boss", "wrong horse battery"),
        ("boss", ""),
        ("boss", PASSWORD + " "),
        ("boss", "x" * 100_000),
        ("boss", "a\x00b"),
        ("boss", "\ud800"),
        ("nobody", PASSWORD),
        ("BOSS", PASSWORD),
        ("", ""),
        ("b", PASSWORD),
        ("boss\x00", PASSWORD),
        ("boss' OR '1'='1", PASSWORD),
        ("中文名字", PASSWORD),
        ("x" * 10_000, PASSWORD),
    ],
)
def test_what_is_wrong_is_never_said(db: None, username: str, password: str) -> None:
    add()
    with pytest.raises(CredentialsRejected) as refused:
        enter(username, password)
    assert refused.value.details == {}


@pytest.mark.parametrize("totp", ["12345", "1234567", "abcdef", "１２３４５６", "000000\n", "\x00", "0" * 9999])
def test_a_malformed_code_is_a_wrong_one(db: None, totp: str) -> None:
    add("boss", Role.ADMIN)
    with pytest.raises(CredentialsRejected):
        enter(totp=totp)


def test_guessing_earns_a_wait_even_for_the_right_password(db: None) -> None:
    add()
    for _ in range(4):
        with pytest.raises(CredentialsRejected):
            enter(password="wrong horse battery")
    with pytest.raises(LoginDelayed) as refused:
        enter()
    assert refused.value.retry_after == 1
    assert accounts.login(username="boss", password=PASSWORD, totp=None, address="198.51.100.7", now=NOW)
    assert enter(at=NOW + timedelta(seconds=1))
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(LoginDelay)) == 0


def test_unknown_names_are_delayed_like_known_ones(db: None) -> None:
    for _ in range(4):
        with pytest.raises(CredentialsRejected):
            enter("nobody")
    with pytest.raises(LoginDelayed):
        enter("nobody")


def test_the_right_password_without_its_code_is_still_an_attempt(db: None) -> None:
    add("boss", Role.ADMIN)
    for _ in range(4):
        with pytest.raises(TotpRequired):
            enter()
    with pytest.raises(LoginDelayed):
        enter()


def test_a_disabled_account_is_out_at_once(db: None) -> None:
    add()
    token = enter().token
    with database.transaction() as session:
        accounts.disable(session, username="boss", now=NOW)
        with pytest.raises(AccountNotFound):
            accounts.disable(session, username="boss", now=NOW)
    with pytest.raises(SessionRequired):
        sessions.verify(token, now=NOW)
    with pytest.raises(CredentialsRejected):
        enter()


def test_an_account_disabled_during_the_login_gets_no_session(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    add()
    real = factors.password_matches

    def slow(stored: str | None, password: str) -> bool:
        with database.transaction() as session:
            accounts.disable(session, username="boss", now=NOW)
        return real(stored, password)

    monkeypatch.setattr(factors, "password_matches", slow)
    with pytest.raises(CredentialsRejected):
        enter()


def test_a_role_that_needs_a_code_without_one_is_refused(db: None) -> None:
    add("boss", Role.ADMIN)
    with database.transaction() as session:
        session.execute(StaffAccount.__table__.update().values(totp_sealed=None))
    with pytest.raises(CredentialsRejected):
        enter()


def test_a_name_is_taken_once(db: None) -> None:
    add()
    with pytest.raises(UsernameTaken):
        add()


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"username": "Boss"}, "username"),
        ({"username": "a"}, "username"),
        ({"username": "中文"}, "username"),
        ({"username": "boss\n"}, "username"),
        ({"username": "x" * 33}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"username": "a.very.long.name", "password": "A.very.long.name"}, "password"),
        ({"grants": ()}, "roles"),
        ({"grants": (Grant(role=Role.ANALYST), Grant(role=Role.ANALYST))}, "roles"),
        ({"grants": (Grant(role=Role.ANALYST, scope=Scope(area="3")),)}, "area"),
        ({"grants": (Grant(role=Role.ANALYST, scope=Scope(area="")),)}, "area"),
        ({"grants": (Grant(role=Role.ANALYST, scope=Scope(area="34%")),)}, "area"),
    ],
)
def test_accounts_that_are_not_acceptable(db: None, changed: dict[str, object], fault: str) -> None:
    given = {"username": "boss", "password": PASSWORD, "grants": (Grant(role=Role.ANALYST),), **changed}
    with database.transaction() as session:
        with pytest.raises(AccountInvalid) as refused:
            accounts.add(session, now=NOW, **given)  # type: ignore[arg-type]
        assert set(refused.value.details["fields"]) == {fault}
        assert session.scalars(select(StaffAccount.id)).all() == []


def test_shoppers_hold_no_permission(db: None) -> None:
    shopper = Actor(kind=ActorKind.SHOPPER, shopper_id=1, grants=(Grant(role=Role.ADMIN),))
    assert not accounts.allowed(shopper, Permission.READ_REPORTS)


def test_requiring_a_permission_respects_its_scope(db: None) -> None:
    grants = (Grant(role=Role.FULFILMENT, scope=Scope(supplier="S1")),)
    clerk = Actor(kind=ActorKind.STAFF, staff_id=1, grants=grants)
    accounts.require(clerk, Permission.SHIP_ORDERS)
    accounts.require(clerk, Permission.SHIP_ORDERS, Scope(supplier="S1"))
    for permission, scope in (
        (Permission.SHIP_ORDERS, Scope(supplier="S2")),
        (Permission.SHIP_ORDERS, Scope()),
        (Permission.REFUND_ORDERS, None),
    ):
        with pytest.raises(NotPermitted):
            accounts.require(clerk, permission, scope)


def acts() -> list[str]:
    with database.transaction() as session:
        return list(session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))


def ended(token: str, *, at: datetime = NOW) -> bool:
    try:
        sessions.verify(token, now=at)
    except SessionRequired:
        return True
    return False


def test_another_password_ends_what_the_old_one_opened(db: None) -> None:
    add()
    old = enter().token
    with database.transaction() as session:
        accounts.change_password(session, username="boss", password="staple battery horse", now=NOW)
    assert ended(old)
    with pytest.raises(CredentialsRejected):
        enter()
    assert not ended(enter(password="staple battery horse").token)
    assert "staff.password_changed" in acts()
    with database.transaction() as session, pytest.raises(AccountInvalid):
        accounts.change_password(session, username="boss", password="short", now=NOW)
    with database.transaction() as session, pytest.raises(AccountNotFound):
        accounts.change_password(session, username="nobody", password=PASSWORD, now=NOW)


def test_another_authenticator_ends_the_old_one_and_what_it_opened(db: None) -> None:
    otp = codes(add("boss", Role.FINANCE))
    old = enter(totp=otp.at(NOW)).token
    with database.transaction() as session:
        enrolled = accounts.enrol(session, username="boss", now=NOW)
    assert ended(old)
    assert codes(enrolled).secret not in repr(enrolled)
    # The new one's code of the step that the old one had spent is good: it was never shown.
    assert enter(totp=codes(enrolled).at(NOW), at=NOW)
    later = NOW + timedelta(minutes=2)
    with pytest.raises(CredentialsRejected):
        enter(totp=otp.at(later), at=later)
    assert "staff.totp_enrolled" in acts()
    with database.transaction() as session, pytest.raises(AccountNotFound):
        accounts.enrol(session, username="nobody", now=NOW)


def test_every_session_of_an_account_ends_at_once_by_its_owner_or_an_administrator(db: None) -> None:
    add("boss", Role.FULFILMENT)
    add("other", Role.FULFILMENT)
    admin = codes(add("admin", Role.ADMIN))
    mine, phone, others = enter().token, enter().token, enter("other").token
    boss, other = sessions.verify(mine, now=NOW), sessions.verify(others, now=NOW)
    with database.transaction() as session:
        with pytest.raises(NotPermitted):
            accounts.log_out_everywhere(session, username="boss", now=NOW, by=other)
        assert accounts.log_out_everywhere(session, username="boss", now=NOW, by=boss) == 2
        assert accounts.log_out_everywhere(session, username="boss", now=NOW, by=boss) == 0
    assert ended(mine)
    assert ended(phone)
    assert not ended(others)
    chief = sessions.verify(enter("admin", totp=admin.at(NOW)).token, now=NOW)
    with database.transaction() as session:
        assert accounts.log_out_everywhere(session, username="other", now=NOW, by=chief) == 1
        with pytest.raises(AccountNotFound):
            accounts.log_out_everywhere(session, username="nobody", now=NOW, by=chief)
    assert ended(others)
    assert acts().count("staff.sessions_ended") == 3


def test_a_login_under_way_with_the_old_proof_opens_nothing(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is changed after a login looked at it, and before it opens its session."""
    add()
    look = factors.password_matches

    def change_meanwhile(stored: str | None, password: str) -> bool:
        with database.transaction() as session:
            accounts.change_password(session, username="boss", password="staple battery horse", now=NOW)
        return look(stored, password)

    monkeypatch.setattr(factors, "password_matches", change_meanwhile)
    with monkeypatch.context() as off:
        off.setattr(accounts, "_still_standing", lambda session, account, step: True)
        assert not ended(enter().token), "without the guard who knew the old password is in"
    monkeypatch.setattr(factors, "password_matches", look)
    enter(password="staple battery horse")

    def change_again(stored: str | None, password: str) -> bool:
        with database.transaction() as session:
            accounts.change_password(session, username="boss", password=PASSWORD, now=NOW)
        return look(stored, password)

    monkeypatch.setattr(factors, "password_matches", change_again)
    with pytest.raises(CredentialsRejected):
        enter(password="staple battery horse")

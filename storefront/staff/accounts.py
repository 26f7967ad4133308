"""Staff accounts: who works here, how they prove it, what they may do.

Invariant: nobody logs in with a role that moves money or grants rights without a second factor, no one-time code
works twice, and the sessions of an account end at once when it is disabled or its password or second factor changes.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from config import database
from storefront import audit, roles, sessions
from storefront.actors import Actor, ActorKind
from storefront.errors import (
    AccountInvalid,
    AccountNotFound,
    CredentialsRejected,
    NotPermitted,
    TotpRequired,
    UsernameTaken,
)
from storefront.roles import Grant, Permission, Role, Scope
from storefront.second_factor_errors import SecondFactorRequired
from storefront.staff import delays, factors
from storefront.staff_models import StaffAccount, StaffRole

USERNAME = re.compile(r"[a-z][a-z0-9_.-]{2,31}", re.ASCII)
PASSWORD_LENGTHS = range(12, 129)
AREA = re.compile(r"\d{2}(\d{2}(\d{2}(\d{3})?)?)?", re.ASCII)
_AREAS = {
    roles.Role.CREW: (roles.BRANCH,),
    roles.Role.ANALYST: (AREA, roles.BRANCH),
    roles.Role.CAMPAIGN: (AREA, roles.BRANCH),
}
TOTP_CODE = re.compile(r"\d{6}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Added:
    """An account as it was just made or enrolled; `enrolment_uri` is set for one-time codes, and shown this once."""

    staff_id: int
    username: str
    enrolment_uri: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Account:
    staff_id: int
    password_hash: str = field(repr=False)
    totp_sealed: str | None = field(repr=False)
    grants: tuple[Grant, ...]


def add(
    session: Session,
    *,
    username: str,
    password: str,
    grants: tuple[Grant, ...],
    now: datetime,
    by: Actor | None = None,
) -> Added:
    """Create an account with at least one role. `by` is who does it, None for the command line.

    Raises `AccountInvalid` (user name 3..32 of a-z 0-9 _ . -, password 12..128 characters and not the user name,
    area a prefix of 2, 4, 6 or 9 digits of a region's or township's code, a placement's number for the crew, either for
    analysts and campaign managers) and `UsernameTaken`.
    """
    _check_new(username, password, grants)
    secret = factors.new_secret() if roles.needs_totp(grants) else None
    staff_id = session.scalar(
        upsert(StaffAccount)
        .values(
            username=username,
            password_hash=factors.hash_password(password),
            totp_sealed=factors.seal(secret) if secret else None,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[StaffAccount.username])
        .returning(StaffAccount.id)
    )
    if staff_id is None:
        raise UsernameTaken(username=username)
    session.execute(
        insert(StaffRole),
        [
            {"staff_id": staff_id, "role": grant.role, "area": grant.scope.area, "supplier": grant.scope.supplier}
            for grant in grants
        ],
    )
    audit.record(session, by, "staff.added", username, {"roles": [grant.role for grant in grants]}, now=now)
    return Added(
        staff_id=staff_id,
        username=username,
        enrolment_uri=factors.enrolment_uri(secret, username) if secret else None,
    )


def login(*, username: str, password: str, totp: str | None, address: str | None, now: datetime) -> sessions.Opened:
    """Log a member of staff in from the network `address` and return the new session.

    Hashing takes a while, so it happens between two short transactions, not inside one.
    Raises `LoginDelayed` while earlier attempts have earned a wait, `CredentialsRejected` when anything is wrong
    (also a one-time code that was used before), `TotpRequired` when only that code is missing.
    """
    if not USERNAME.fullmatch(username) or len(password) >= PASSWORD_LENGTHS.stop:
        raise CredentialsRejected
    network = delays.network_of(address)
    with database.transaction() as session:
        delays.count(session, username=username, network=network, now=now)
        account = _load(session, username)
    if not factors.password_matches(account.password_hash if account else None, password) or account is None:
        raise CredentialsRejected
    step = _second_factor(account, totp, now)
    with database.transaction() as session:
        if not _still_standing(session, account, step):
            raise CredentialsRejected
        delays.forget(session, username=username, network=network)
        opened = sessions.open_for_staff(session, staff_id=account.staff_id, now=now)
        actor = Actor(kind=ActorKind.STAFF, staff_id=account.staff_id, username=username, grants=account.grants)
        audit.record(session, actor, "staff.logged_in", username, {"network": network}, now=now)
    return opened


def leave(session: Session, actor: Actor, *, token: str, now: datetime) -> None:
    """End one session of `actor`, by its token; one that has ended stays so."""
    if sessions.leave(session, token=token, now=now) is not None:
        audit.record(session, actor, "staff.logged_out", actor.username or "", {}, now=now)


def disable(session: Session, *, username: str, now: datetime, by: Actor | None = None) -> None:
    """Shut an account and end its sessions. Raises `AccountNotFound`, also when it is shut already."""
    staff_id = session.scalar(
        update(StaffAccount)
        .where(StaffAccount.username == username, StaffAccount.disabled_at.is_(None))
        .values(disabled_at=now)
        .returning(StaffAccount.id)
    )
    if staff_id is None:
        raise AccountNotFound
    sessions.revoke_staff(session, staff_id=staff_id, now=now)
    audit.record(session, by, "staff.disabled", username, {}, now=now)


def change_password(session: Session, *, username: str, password: str, now: datetime, by: Actor | None = None) -> None:
    """Give an account another password and end its sessions. Raises `AccountInvalid` and `AccountNotFound`."""
    _check_password(username, password)
    _change(session, username, {"password_hash": factors.hash_password(password)}, "staff.password_changed", now, by)


def enrol(session: Session, *, username: str, now: datetime, by: Actor | None = None) -> Added:
    """Give an account another second factor, for who lost the phone, and end its sessions. Raises `AccountNotFound`."""
    secret = factors.new_secret()
    changed = {"totp_sealed": factors.seal(secret), "totp_step": None}
    staff_id = _change(session, username, changed, "staff.totp_enrolled", now, by)
    return Added(staff_id=staff_id, username=username, enrolment_uri=factors.enrolment_uri(secret, username))


def log_out_everywhere(session: Session, *, username: str, now: datetime, by: Actor | None = None) -> int:
    """End every session of an account at once, and return how many there were.

    One's own may be ended by oneself, another's by who manages all staff. Raises `NotPermitted` and `AccountNotFound`.
    """
    if by is not None and by.username != username:
        require(by, Permission.MANAGE_STAFF, Scope())
    staff_id = session.scalar(select(StaffAccount.id).where(StaffAccount.username == username))
    if staff_id is None:
        raise AccountNotFound
    ended = sessions.revoke_staff(session, staff_id=staff_id, now=now)
    audit.record(session, by, "staff.sessions_ended", username, {"sessions": ended}, now=now)
    return ended


def allowed(actor: Actor, permission: Permission, scope: Scope | None = None) -> bool:
    """Tell whether `actor` holds `permission` over all of `scope`, or anywhere at all when `scope` is None."""
    return actor.staff_id is not None and roles.permits(actor.grants, permission, scope)


def require(actor: Actor, permission: Permission, scope: Scope | None = None) -> None:
    """Raise `NotPermitted` unless `allowed`."""
    if not allowed(actor, permission, scope):
        raise NotPermitted(permission=permission)


def require_second_factor(actor: Actor) -> None:
    """Raise `SecondFactorRequired` unless the actor logged in with a second factor.

    Who gives an account one ends its sessions, so whoever is in one of an account that has it showed it.
    """
    if not actor.has_second_factor:
        raise SecondFactorRequired


def _change(session: Session, username: str, values: dict[str, Any], act: str, now: datetime, by: Actor | None) -> int:
    """Change what proves an open account, end what was opened with the old proof, and write it down."""
    staff_id: int | None = session.scalar(
        update(StaffAccount)
        .where(StaffAccount.username == username, StaffAccount.disabled_at.is_(None))
        .values(values)
        .returning(StaffAccount.id)
    )
    if staff_id is None:
        raise AccountNotFound
    sessions.revoke_staff(session, staff_id=staff_id, now=now)
    audit.record(session, by, act, username, {}, now=now)
    return staff_id


def _check_password(username: str, password: str) -> None:
    if fault := _fault_of(username, password):
        raise AccountInvalid(fields={"password": fault})


def _fault_of(username: str, password: str) -> str:
    """Return what is wrong with a password, or nothing."""
    is_good = len(password) in PASSWORD_LENGTHS and password.lower() != username
    return "" if is_good else "12 至 128 个字符，且不能与用户名相同"


def _check_new(username: str, password: str, grants: tuple[Grant, ...]) -> None:
    faults = {}
    if not USERNAME.fullmatch(username):
        faults["username"] = "3 至 32 位，小写字母开头，可含数字和 _ . -"
    if fault := _fault_of(username, password):
        faults["password"] = fault
    if not grants or len(set(grants)) != len(grants):
        faults["roles"] = "至少一个角色，且不能重复"
    if not all(_fits(grant) for grant in grants):
        faults["area"] = "行政区划代码的前 2、4、6 或 9 位；看点位的人为点位编号"
    if faults:
        raise AccountInvalid(fields=faults)


def _fits(grant: Grant) -> bool:
    """Tell whether an area is one of its role: a branch for who works at placements, a region for everybody else."""
    patterns = _AREAS.get(grant.role, (AREA,))
    return grant.scope.area is None or any(pattern.fullmatch(grant.scope.area) for pattern in patterns)


def _load(session: Session, username: str) -> _Account | None:
    row = session.scalar(
        select(StaffAccount).where(StaffAccount.username == username, StaffAccount.disabled_at.is_(None))
    )
    if row is None:
        return None
    held = session.execute(
        select(StaffRole.role, StaffRole.area, StaffRole.supplier).where(StaffRole.staff_id == row.id)
    )
    return _Account(
        staff_id=row.id,
        password_hash=row.password_hash,
        totp_sealed=row.totp_sealed,
        grants=tuple(Grant(role=Role(h.role), scope=Scope(area=h.area, supplier=h.supplier)) for h in held),
    )


def _second_factor(account: _Account, totp: str | None, now: datetime) -> int | None:
    """Return the step of the code that was shown, None when the account has no second factor."""
    if account.totp_sealed is None:
        if roles.needs_totp(account.grants):
            raise CredentialsRejected
        return None
    if not totp:
        raise TotpRequired
    step = factors.matching_step(account.totp_sealed, totp, now=now) if TOTP_CODE.fullmatch(totp) else None
    if step is None:
        raise CredentialsRejected
    return step


def _still_standing(session: Session, account: _Account, step: int | None) -> bool:
    """Spend the one-time code; False when it, or a later one, was spent already.

    Also when the account was disabled, or its password or second factor changed, since they were looked at.
    """
    spending = update(StaffAccount).where(
        StaffAccount.id == account.staff_id,
        StaffAccount.disabled_at.is_(None),
        StaffAccount.password_hash == account.password_hash,
        StaffAccount.totp_sealed.is_not_distinct_from(account.totp_sealed),
    )
    if step is not None:
        spending = spending.where(func.coalesce(StaffAccount.totp_step, -1) < step)
    spent = spending.values(totp_step=func.coalesce(step, StaffAccount.totp_step)).returning(StaffAccount.id)
    return session.scalar(spent) is not None

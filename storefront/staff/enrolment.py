"""The second factor that somebody of the staff gives their own account.

Invariant: nothing is kept before a code made by the new secret was shown together with the password; the account's
sessions end with it, so whoever is logged in to an account that has a second factor has shown it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update

from config import database
from storefront import audit, sessions
from storefront.actors import Actor
from storefront.errors import CredentialsRejected
from storefront.second_factor_errors import SecondFactorStanding
from storefront.staff import accounts, delays, factors
from storefront.staff_models import StaffAccount


@dataclass(frozen=True, slots=True)
class Offer:
    """A new secret: as the address that an app scans, and sealed, as the form brings it back."""

    uri: str = field(repr=False)
    sealed: str = field(repr=False)


def offer(actor: Actor, *, sealed: str = "") -> Offer:
    """Return a new secret for the actor's account, or the one that was offered before, as `sealed` says.

    Raises `SecondFactorStanding` for who has one, and `CredentialsRejected` for what we never sealed.
    """
    if actor.has_second_factor:
        raise SecondFactorStanding
    secret = factors.unsealed(sealed) if sealed else factors.new_secret()
    if secret is None:
        raise CredentialsRejected
    return Offer(factors.enrolment_uri(secret, actor.username or ""), sealed or factors.seal(secret))


def accept(actor: Actor, *, password: str, sealed: str, code: str, address: str | None, now: datetime) -> None:
    """Make an offered secret the account's second factor and end its sessions.

    Opens its own transactions, because hashing takes a while. Raises `SecondFactorStanding`, `LoginDelayed` after wrong
    attempts from the network `address`, and `CredentialsRejected` when the password or the code is wrong.
    """
    if actor.has_second_factor:
        raise SecondFactorStanding
    if factors.unsealed(sealed) is None:
        raise CredentialsRejected
    username, network = actor.username or "", delays.network_of(address)
    with database.transaction() as session:
        delays.count(session, username=username, network=network, now=now)
        held = session.scalar(select(StaffAccount.password_hash).where(StaffAccount.id == actor.staff_id))
    if len(password) >= accounts.PASSWORD_LENGTHS.stop or not factors.password_matches(held, password):
        raise CredentialsRejected
    step = factors.matching_step(sealed, code, now=now) if accounts.TOTP_CODE.fullmatch(code) else None
    if step is None:
        raise CredentialsRejected
    with database.transaction() as session:
        taken = session.scalar(
            update(StaffAccount)
            .where(
                StaffAccount.id == actor.staff_id,
                StaffAccount.totp_sealed.is_(None),
                StaffAccount.password_hash == held,
                StaffAccount.disabled_at.is_(None),
            )
            .values(totp_sealed=sealed, totp_step=step)
            .returning(StaffAccount.id)
        )
        if taken is None:
            raise SecondFactorStanding
        sessions.revoke_staff(session, staff_id=taken, now=now)
        delays.forget(session, username=username, network=network)
        audit.record(session, actor, "staff.totp_enrolled", username, {}, now=now)

"""The growing delay that wrong logins earn, per user name and network.

Invariant: an attempt is counted before its password is looked at, so guesses in parallel cannot slip past; only a
success forgets them, or a quiet day.
"""

import ipaddress
from datetime import datetime, timedelta

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from storefront.errors import LoginDelayed
from storefront.staff_models import LoginDelay

# Seconds to wait after the n-th attempt in a row: three are free for typing errors and the second factor, then it
# doubles up to a quarter of an hour, which leaves a guesser about a hundred tries a day.
DELAYS_S = (0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900)
FORGET_AFTER = timedelta(days=1)

_COUNT = text("""
INSERT INTO login_delays AS d (username, network, attempts, attempted_at, open_at)
VALUES (:username, :network, 1, :now, :now + make_interval(secs => (:delays)[1]))
ON CONFLICT (username, network) DO UPDATE SET
    attempts = CASE WHEN d.attempted_at < :forgotten THEN 1 ELSE d.attempts + 1 END,
    attempted_at = :now,
    open_at = :now + make_interval(secs => (CAST(:delays AS integer[]))[
        CASE WHEN d.attempted_at < :forgotten THEN 1 ELSE least(d.attempts + 1, :most) END])
WHERE d.open_at <= :now
RETURNING d.attempts
""")


def count(session: Session, *, username: str, network: str, now: datetime) -> None:
    """Count one attempt to log in as `username` from `network`. Raises `LoginDelayed` while it is too early for one."""
    counted = session.execute(
        _COUNT,
        {
            "username": username,
            "network": network,
            "now": now,
            "forgotten": now - FORGET_AFTER,
            "delays": list(DELAYS_S),
            "most": len(DELAYS_S),
        },
    ).first()
    if counted is None:
        row = session.get_one(LoginDelay, (username, network))
        raise LoginDelayed(retry_after=max(1, int((row.open_at - now).total_seconds() + 0.999)))


def forget(session: Session, *, username: str, network: str) -> None:
    """Start anew after a success."""
    session.execute(delete(LoginDelay).where(LoginDelay.username == username, LoginDelay.network == network))


def purge(session: Session, *, before: datetime) -> None:
    """Delete what was last attempted before `before`."""
    session.execute(delete(LoginDelay).where(LoginDelay.attempted_at < before))


def network_of(address: str | None) -> str:
    """Return the network that shares a delay: the /24 of an IPv4 address, the /48 of an IPv6 one.

    An address that is none (a unix socket, a broken proxy) counts as one network of its own.
    """
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))

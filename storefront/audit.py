"""The audit trail: what staff did, to what, and when; chained so that a change of the past shows.

Invariant: an entry is written in the transaction of the act itself, and is never changed or deleted. As it is
committed a deferred trigger seals it with a digest over the entry and the seal before it, one at a time under an
advisory lock, so the chain has no fork however many act at once, and an act that is rolled back leaves no gap.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from config import database, logs
from storefront.actors import Actor
from storefront.staff_models import AuditEntry

_log = logs.get(__name__)
_AT_ONCE = 1000

# The text of an entry is made here and not by the function that the trigger calls: who can change data can change that.
_CHAIN = text("""
    SELECT s.position, a.id AS entry, s.digest, convert_to(jsonb_build_array(
        a.id, extract(epoch FROM a.acted_at), a.staff_id, a.act, a.subject, a.details)::text, 'UTF8') AS line
    FROM audit_seals s FULL JOIN staff_audit a ON a.id = s.entry_id
    ORDER BY s.position NULLS LAST, a.id
""")

_LAST = text("SELECT position, digest FROM audit_seals ORDER BY position DESC LIMIT 1")


@dataclass(frozen=True, slots=True)
class Chain:
    """How many entries the trail has, the digest of the last one in hex ("" without any), and what is wrong with it."""

    entries: int
    head: str
    fault: str | None


def record(
    session: Session, actor: Actor | None, act: str, subject: str, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Write that `actor` (None: the command line) did `act` to `subject`.

    `act` is a dotted name such as `"order.refunded"`, `subject` a public number, `values` say how, in JSON, without
    personal data.
    """
    session.execute(
        insert(AuditEntry).values(
            acted_at=now,
            staff_id=actor.staff_id if actor else None,
            act=act,
            subject=subject,
            details=dict(values),
        )
    )


def verify(session: Session, *, head: str | None = None) -> Chain:
    """Recompute the whole chain from the entries, and say what it is and the first thing that is wrong with it.

    `head` is the digest of a last entry as an earlier call told it: a chain that was cut short or written anew as a
    whole no longer has it. Reads one snapshot in pieces of 1,000 entries.
    """
    with session.execute(_CHAIN.execution_options(yield_per=_AT_ONCE)) as rows:
        return _walk(rows, head)


def tell_head(*, now: datetime) -> None:
    """Write the chain's length and last digest to the log: a chain that is cut short later no longer has it."""
    with database.transaction() as session:
        last = session.execute(_LAST).first()
    if last is not None:
        _log.info("audit.head", entries=last.position, head=bytes(last.digest).hex())


def verify_daily(*, now: datetime) -> None:
    """Verify the chain and write its length and last digest to the log, which the database's owner cannot change.

    A fault is the alarm `audit.broken`.
    """
    with database.transaction() as session:
        chain = verify(session)
    if chain.fault:
        logs.alarm("audit.broken", fault=chain.fault, entries=chain.entries, head=chain.head)
    else:
        _log.info("audit.verified", entries=chain.entries, head=chain.head)


def _walk(rows: Iterable[Any], head: str | None) -> Chain:
    sealed, position, met = b"", 0, head is None
    for row in rows:
        if row.position is None:
            return Chain(position, sealed.hex(), f"entry {row.entry} has no seal")
        if row.position != position + 1:
            return Chain(position, sealed.hex(), f"seal {position + 1} is missing")
        if row.entry is None:
            return Chain(position, sealed.hex(), f"the entry of seal {row.position} is missing")
        expected = hashlib.sha256(sealed + row.line).digest()
        if not hmac.compare_digest(row.digest, expected):
            return Chain(position, sealed.hex(), f"entry {row.entry} is not what was sealed at {row.position}")
        sealed, position = expected, row.position
        met = met or sealed.hex() == head
    return Chain(position, sealed.hex(), None if met else f"no entry has the digest {head}")

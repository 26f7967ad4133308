"""Sending what partners are to be told: signed, at least once, again with growing pauses, and each for itself.

Invariant: a delivery is marked as sent only after its endpoint said yes, so a process that is killed loses none; who
sends to an endpoint holds its lease meanwhile, which ends by itself. An endpoint that hangs holds one thread for ten
seconds and then rests: nobody else waits for it. Order is not promised.
"""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text

from config import database, logs
from storefront import egress, webhook_secrets

# Longer than a turn of sending can take, below.
LEASE = timedelta(seconds=60)
# Each takes a connection for moments only, of the few that the worker has.
ENDPOINTS_AT_ONCE = 8
# Whoever answers quickly is sent so many in one turn, for so long.
MOST_A_TURN = 50
TURN_S = 4.0
GIVE_UP_AFTER = timedelta(days=3)
FIRST_WAIT_S, GROWTH, LONGEST_WAIT_S = 5, 3, 6 * 3600
LONGEST_REST_S = 300
# These two speak of the endpoint; any other refusal of their kind is of the message, and the next one may be right.
_GONE, _TOO_MANY = 410, 429

_log = logs.get(__name__)


@dataclass(frozen=True)
class _Leased:
    id: int
    number: str
    url: str
    secrets: list[str] = field(repr=False)


@dataclass(frozen=True)
class _Message:
    id: int
    number: str
    body: str
    attempts: int


def wait_s(attempts: int, *, luck: float) -> float:
    """Return the seconds to wait after so many attempts: 5, 15, 45 … up to six hours, a fifth more or less by luck."""
    grown: int = FIRST_WAIT_S * GROWTH ** min(attempts - 1, 12)
    return min(grown, LONGEST_WAIT_S) * (0.8 + 0.4 * luck)


def send_due(*, now: datetime) -> int:
    """Send what is due, to many endpoints at once; returns how many messages were taken."""
    leased = _lease(now)
    if not leased:
        return 0
    with ThreadPoolExecutor(len(leased)) as pool:
        return sum(pool.map(lambda endpoint: _serve(endpoint, now), leased))


def _lease(now: datetime) -> list[_Leased]:
    with database.transaction() as session:
        rows = session.execute(_LEASE, {"now": now, "until": now + LEASE, "limit": ENDPOINTS_AT_ONCE}).all()
    found = []
    for row in rows:
        sealed = [row.secret_sealed]
        if row.previous_sealed and row.previous_until > now:
            sealed.append(row.previous_sealed)
        opened = [webhook_secrets.unseal(each, endpoint=row.number) for each in sealed]
        found.append(_Leased(row.id, row.number, row.url, [secret for secret in opened if secret]))
    return found


def _serve(endpoint: _Leased, now: datetime) -> int:
    """Send to one endpoint what is due for it, until it fails or its turn is over."""
    until = time.monotonic() + TURN_S
    taken, goes_on = 0, True
    while goes_on and taken < MOST_A_TURN and time.monotonic() < until:
        with database.transaction() as session:
            row = session.execute(_NEXT, {"endpoint": endpoint.id, "now": now}).one_or_none()
        if row is None:
            break
        taken += 1
        goes_on = _send(endpoint, _Message(*row), now)
    with database.transaction() as session:
        session.execute(_RELEASE, {"endpoint": endpoint.id, "now": now})
    return taken


def _send(endpoint: _Leased, message: _Message, now: datetime) -> bool:
    """Try one message and write down what came of it; returns whether the endpoint takes more now."""
    answer, fault = None, None
    try:
        answer = _post(endpoint, message, now)
    except egress.Unreachable as unreachable:
        fault = unreachable.reason
    is_heard = answer is not None and 200 <= answer < 300
    _log.info("webhook.sent", endpoint=endpoint.number, delivery=message.number, status=answer, fault=fault)
    with database.transaction() as session:
        if is_heard:
            session.execute(_HEARD, {"id": message.id, "endpoint": endpoint.id, "answer": answer, "now": now})
            return True
        attempts = message.attempts + 1
        again = now + timedelta(seconds=wait_s(attempts, luck=secrets.randbelow(1000) / 1000))
        session.execute(
            _UNHEARD,
            {"id": message.id, "answer": answer, "fault": fault, "now": now, "due": again, "old": now - GIVE_UP_AFTER},
        )
        is_there = answer is not None and 400 <= answer < 500 and answer not in {_GONE, _TOO_MANY}
        failing = session.execute(_FAILING, {"endpoint": endpoint.id, "now": now}).one()
        rest_s = 0 if is_there else min(wait_s(failing.failures, luck=0.5), LONGEST_REST_S)
        session.execute(_REST, {"endpoint": endpoint.id, "until": now + timedelta(seconds=rest_s)})
        if answer == _GONE or failing.failing_since <= now - GIVE_UP_AFTER:
            session.execute(_DISABLE, {"endpoint": endpoint.id, "now": now})
            logs.alarm("webhooks.endpoint_disabled", endpoint=endpoint.number, failing_since=failing.failing_since)
            return False
    return is_there


def _post(endpoint: _Leased, message: _Message, now: datetime) -> int:
    if not endpoint.secrets:
        raise egress.Unreachable("secret_unreadable")
    proof = webhook_secrets.headers(message=message.number, body=message.body, valid=endpoint.secrets, now=now)
    headers = {"Content-Type": "application/json", "User-Agent": "local-hall-webhooks/1", **proof}
    return egress.post(endpoint.url, headers=headers, body=message.body.encode())


_LEASE = text("""
    UPDATE webhook_endpoints SET busy_until = :until WHERE id IN (
        SELECT e.id FROM webhook_endpoints e JOIN partners p ON p.id = e.partner_id
        WHERE e.removed_at IS NULL AND e.disabled_at IS NULL AND p.closed_at IS NULL
          AND e.busy_until <= :now AND e.resting_until <= :now
          AND EXISTS (SELECT FROM webhook_deliveries d
                      WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.due_at <= :now)
        ORDER BY e.busy_until LIMIT :limit FOR UPDATE OF e SKIP LOCKED)
    RETURNING id, number, url, secret_sealed, previous_sealed, previous_until
""")
_NEXT = text("""
    SELECT id, number, body, attempts FROM webhook_deliveries
    WHERE endpoint_id = :endpoint AND state = 'waiting' AND due_at <= :now ORDER BY due_at, id LIMIT 1
""")
_RELEASE = text("UPDATE webhook_endpoints SET busy_until = :now WHERE id = :endpoint")
_HEARD = text("""
    WITH told AS (
        UPDATE webhook_deliveries SET state = 'delivered', attempts = attempts + 1, answer = :answer, fault = NULL,
               ended_at = :now
        WHERE id = :id
    )
    UPDATE webhook_endpoints SET failures = 0, failing_since = NULL, resting_until = :now WHERE id = :endpoint
""")
_UNHEARD = text("""
    UPDATE webhook_deliveries
    SET attempts = attempts + 1, answer = :answer, fault = :fault, due_at = :due,
        state = CASE WHEN since <= :old THEN 'dead' ELSE 'waiting' END,
        ended_at = CASE WHEN since <= :old THEN cast(:now AS timestamptz) END
    WHERE id = :id
""")
_FAILING = text("""
    UPDATE webhook_endpoints SET failures = failures + 1, failing_since = coalesce(failing_since, :now)
    WHERE id = :endpoint RETURNING failures, failing_since
""")
_REST = text("UPDATE webhook_endpoints SET resting_until = :until WHERE id = :endpoint")
_DISABLE = text("UPDATE webhook_endpoints SET disabled_at = :now WHERE id = :endpoint")

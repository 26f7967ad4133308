"""Which cookies and outside identities are one buyer (R11).

Invariant: an identity has one person at a time and a cookie one person at a time; two people who are known by
different openids of one app are never merged, whatever else they share.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs
from subway_campaign import tokens, visits

# The kinds of identity of which one person has at most one in each app.
OPENIDS = ("oa_openid", "mp_openid")
# The first person of a cookie gets what it did before the login, too.
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

_IDENTIFY = text("""
    WITH made AS (
        INSERT INTO visitor_identities (kind, app, value_hmac, person_id, linked_at)
        VALUES (:kind, :app, :value, :person, :now)
        ON CONFLICT (kind, app, value_hmac) WHERE unlinked_at IS NULL DO NOTHING RETURNING person_id
    )
    SELECT person_id FROM made
    UNION ALL
    SELECT person_id FROM visitor_identities
    WHERE kind = :kind AND app = :app AND value_hmac = :value AND unlinked_at IS NULL
    LIMIT 1
""")


def link(
    session: Session, *, visitor: UUID | None, kind: str, app: str, value: str, person: UUID, now: datetime
) -> None:
    """Write that `person` showed the identity (`kind`, `app`, `value`) while carrying `visitor`'s cookie.

    `kind` is oa_openid, mp_openid, unionid or phone; only an HMAC of `value` is kept. A unionid or phone that somebody
    else showed before makes the two one, unless their openids of one app differ: that is alarmed, not done. A virtual
    identity (a snapshot page's) must not be passed at all.
    """
    database.require_transaction(session)
    pseudonym = tokens.pseudonym(kind, app, value)
    # Two logins of one identity at once would each think they are the first to show it.
    _lock(session, pseudonym.hex())
    owner = session.execute(
        _IDENTIFY, {"kind": kind, "app": app, "value": pseudonym, "person": person, "now": now}
    ).scalar_one()
    if owner != person:
        _join(session, person, owner, via=kind, now=now)
    if visitor is not None:
        bind(session, visitor=visitor, person=person, now=now)


def bind(session: Session, *, visitor: UUID, person: UUID, now: datetime) -> None:
    """Give the cookie `visitor` to `person`: with all it did if it was nobody's, else from now on only (R11)."""
    database.require_transaction(session)
    _lock(session, visitor.hex)
    visits.vouch(session, visitor=visitor, now=now)
    holder = session.execute(
        text("SELECT person_id FROM visitor_links WHERE visitor_id = :visitor AND unlinked_at IS NULL"),
        {"visitor": visitor},
    ).scalar_one_or_none()
    if holder == person:
        return
    session.execute(
        text("UPDATE visitor_links SET unlinked_at = :now WHERE visitor_id = :visitor AND unlinked_at IS NULL"),
        {"visitor": visitor, "now": now},
    )
    session.execute(
        text("""
            INSERT INTO visitor_links (visitor_id, person_id, touches_from, linked_at)
            VALUES (:visitor, :person, :since, :now)
        """),
        {"visitor": visitor, "person": person, "since": _ALWAYS if holder is None else now, "now": now},
    )


_STRANGERS = text("""
    WITH RECURSIVE mine AS (
        SELECT cast(:person AS uuid) AS id
        UNION SELECT CASE WHEN p.person_id = mine.id THEN p.same_as ELSE p.person_id END
        FROM mine JOIN person_links p ON mine.id IN (p.person_id, p.same_as)
    ), theirs AS (
        SELECT cast(:other AS uuid) AS id
        UNION SELECT CASE WHEN p.person_id = theirs.id THEN p.same_as ELSE p.person_id END
        FROM theirs JOIN person_links p ON theirs.id IN (p.person_id, p.same_as)
    )
    SELECT EXISTS (
        SELECT FROM visitor_identities a JOIN visitor_identities b USING (kind, app)
        WHERE a.person_id IN (SELECT id FROM mine) AND b.person_id IN (SELECT id FROM theirs)
          AND a.kind = ANY(:openids) AND a.value_hmac <> b.value_hmac
          AND a.unlinked_at IS NULL AND b.unlinked_at IS NULL)
""")


def _join(session: Session, person: UUID, other: UUID, *, via: str, now: datetime) -> None:
    pair = {"person": person, "other": other}
    if session.execute(_STRANGERS, pair | {"openids": list(OPENIDS)}).scalar_one():
        logs.alarm("campaign.identity_conflict", via=via)
        return
    session.execute(
        text("""
            INSERT INTO person_links (person_id, same_as, via, linked_at) VALUES (:person, :other, :via, :now)
            ON CONFLICT DO NOTHING
        """),
        pair | {"via": via, "now": now},
    )


def _lock(session: Session, what: str) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('identity ' || :what, 0))"), {"what": what})

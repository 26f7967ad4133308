"""Which cookies and outside identities are one buyer (R11).

Invariant: an identity has one person at a time and a cookie one person at a time; two people who are known by
different openids of one app are never merged, whatever else they share. A merge can be undone and is then not made
again; making or undoing one has the orders that it concerns decided again (R21).
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, logs
from subway_campaign import errors, reviews, tokens, visits
from subway_campaign.lifecycle import ReviewKind

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
        FROM mine JOIN person_links p ON mine.id IN (p.person_id, p.same_as) AND p.undone_at IS NULL
    ), theirs AS (
        SELECT cast(:other AS uuid) AS id
        UNION SELECT CASE WHEN p.person_id = theirs.id THEN p.same_as ELSE p.person_id END
        FROM theirs JOIN person_links p ON theirs.id IN (p.person_id, p.same_as) AND p.undone_at IS NULL
    )
    SELECT EXISTS (
        SELECT FROM visitor_identities a JOIN visitor_identities b USING (kind, app)
        WHERE a.person_id IN (SELECT id FROM mine) AND b.person_id IN (SELECT id FROM theirs)
          AND a.kind = ANY(:openids) AND a.value_hmac <> b.value_hmac
          AND a.unlinked_at IS NULL AND b.unlinked_at IS NULL)
""")


_MERGE_PERSONS = text("""
    INSERT INTO person_links (person_id, same_as, via, linked_at) SELECT :person, :other, :via, :now
    WHERE NOT EXISTS (SELECT FROM person_links WHERE person_id = :other AND same_as = :person)
    ON CONFLICT DO NOTHING RETURNING number
""")


def _join(session: Session, person: UUID, other: UUID, *, via: str, now: datetime) -> None:
    if _are_strangers(session, person, other):
        logs.alarm("campaign.identity_conflict", via=via)
        return
    values = {"person": person, "other": other, "via": via, "now": now}
    if session.execute(_MERGE_PERSONS, values).first() is not None:
        reviews.ask(session, kind=ReviewKind.PERSON, refs=[person, other])


def _are_strangers(session: Session, person: UUID, other: UUID) -> bool:
    """Tell whether two people, with whoever was found to be one with them, have different openids of one app."""
    values = {"person": person, "other": other, "openids": list(OPENIDS)}
    return bool(session.execute(_STRANGERS, values).scalar_one())


_SPEND = text(
    "INSERT INTO spent_handoffs (handoff, spent_at) VALUES (:handoff, :now) ON CONFLICT DO NOTHING RETURNING 1"
)
_PERSON_OF = text("SELECT person_id FROM visitor_links WHERE visitor_id = :visitor AND unlinked_at IS NULL")
_MERGE_VISITORS = text("""
    INSERT INTO visitor_merges (visitor_id, same_as, via, merged_at) SELECT :visitor, :other, 'hk', :now
    WHERE NOT EXISTS (
        SELECT FROM visitor_merges
        WHERE (visitor_id, same_as) IN ((:visitor, :other), (:other, :visitor)))
    RETURNING number
""")


def hand_off(session: Session, *, token: str, visitor: UUID, now: datetime) -> bool:
    """Write that `visitor` of a mini-program came from the page that minted `token`; True when it joined the two.

    It joins touches only: no session, cart, order or address. A token is good once, for 30 minutes; what is forged,
    over or spent does nothing, and neither does one between people whose openids of one app differ, which is alarmed,
    or between two who were parted before (`undo`). Orders of both are decided again.
    """
    database.require_transaction(session)
    opened = tokens.open_handoff(token, now=now)
    if opened is None or session.execute(_SPEND, {"handoff": opened.handoff, "now": now}).first() is None:
        return False
    if opened.visitor == visitor:
        return False
    # Two hand-offs between the same two at once would each find no merge.
    _lock(session, "".join(sorted((opened.visitor.hex, visitor.hex))))
    mine, theirs = (session.scalar(_PERSON_OF, {"visitor": each}) for each in (visitor, opened.visitor))
    if mine and theirs and _are_strangers(session, mine, theirs):
        logs.alarm("campaign.identity_conflict", via="hk")
        return False
    pair = {"visitor": visitor, "other": opened.visitor, "now": now}
    if session.execute(_MERGE_VISITORS, pair).first() is None:
        return False
    reviews.ask(session, kind=ReviewKind.VISITOR, refs=[visitor, opened.visitor])
    return True


_MERGES = text("""
    WITH RECURSIVE known AS (
        (SELECT visitor_id AS id FROM conversions WHERE order_number = :order AND visitor_id IS NOT NULL
         UNION SELECT person_id FROM conversions WHERE order_number = :order AND person_id IS NOT NULL)
        UNION
        SELECT other.id FROM known CROSS JOIN LATERAL (
            SELECT person_id AS id FROM visitor_links WHERE visitor_id = known.id
            UNION ALL SELECT visitor_id FROM visitor_links WHERE person_id = known.id
            UNION ALL SELECT same_as FROM person_links WHERE person_id = known.id AND undone_at IS NULL
            UNION ALL SELECT person_id FROM person_links WHERE same_as = known.id AND undone_at IS NULL
            UNION ALL SELECT same_as FROM visitor_merges WHERE visitor_id = known.id AND undone_at IS NULL
            UNION ALL SELECT visitor_id FROM visitor_merges WHERE same_as = known.id AND undone_at IS NULL) other
    )
    SELECT number, via, linked_at AS joined_at, undone_at FROM person_links
    WHERE person_id IN (SELECT id FROM known) OR same_as IN (SELECT id FROM known)
    UNION
    SELECT number, via, merged_at, undone_at FROM visitor_merges
    WHERE visitor_id IN (SELECT id FROM known) OR same_as IN (SELECT id FROM known)
    ORDER BY joined_at, number
""")


def merges(session: Session, *, order: str) -> list[dict[str, Any]]:
    """Return what joined the buyer of an order to others, oldest first: `number`, `via`, `joined_at`, `undone_at`.

    Those that were undone are among them where they touched the buyer; who was joined is never said.
    """
    rows = session.execute(_MERGES, {"order": order})
    return [
        row._asdict()
        | {"joined_at": row.joined_at.isoformat(), "undone_at": row.undone_at and row.undone_at.isoformat()}
        for row in rows
    ]


_UNDO = (
    (ReviewKind.VISITOR, "UPDATE visitor_merges SET undone_at = :now {open} RETURNING visitor_id, same_as"),
    (ReviewKind.PERSON, "UPDATE person_links SET undone_at = :now {open} RETURNING person_id, same_as"),
)
_IS_OPEN = "WHERE number = :merge AND undone_at IS NULL"


def undo(session: Session, *, merge: str, now: datetime) -> None:
    """Part again what the merge with this number joined; a later login or hand-off does not join the same two again.

    Orders of the last 72 hours are decided again. Raises `UnknownMerge`, also when it was undone before.
    """
    database.require_transaction(session)
    for kind, statement in _UNDO:
        parted = session.execute(text(statement.format(open=_IS_OPEN)), {"merge": merge, "now": now}).first()
        if parted is not None:
            reviews.ask(session, kind=kind, refs=parted)
            return
    raise errors.UnknownMerge(merge=merge)


def _lock(session: Session, what: str) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('identity ' || :what, 0))"), {"what": what})

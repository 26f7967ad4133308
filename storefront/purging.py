"""Deletes what is no longer needed, as docs/privacy.md promises.

Invariant: money, stock and every figure of every report stay as they are; each step is a short transaction, and
running it again, or two at once, does no harm.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from catalog import importing, objections
from config import database, jobs, pictures
from payments import retention as payment_retention
from storefront import claim_photos, households, login, sessions
from storefront.staff import delays
from subway_campaign import erasure
from subway_campaign import retention as campaign_retention
from subway_campaign.visits import COOKIE_LIFE

# The goods and transaction records of a completed order are kept for three years (E-commerce Law, article 31).
RECORDS_LIVE = timedelta(days=3 * 366)
# Long after the last look at a closed payment; nothing sends its request again.
PAYERS_LIVE = timedelta(days=7)
# Long enough for a person to learn what a new kind of event means; nobody knows what it may hold.
UNKNOWN_LIVE = timedelta(days=30)
FAILED_JOBS_LIVE = timedelta(days=30)
# Long enough to look into what a partner says that it never got.
DELIVERIES_LIVE = timedelta(days=90)
AT_ONCE = 500

Progress = Callable[[str, int, int], None]
Step = Callable[[Session, datetime], int | None]

_FORGET_VISITORS_OF_ORDERS = text("""
    UPDATE orders SET visitor = NULL WHERE id IN (
        SELECT id FROM orders WHERE visitor IS NOT NULL AND placed_at < :before ORDER BY id LIMIT :at_most)
    RETURNING id
""")
_FORGET_RECIPIENTS = text("""
    UPDATE orders SET remark = '', fingerprint = '', address = jsonb_build_object(
        'name', '', 'phone', '', 'region_code', address->'region_code', 'region', coalesce(address->'region', '""'),
        'detail', '')
    WHERE id IN (
        SELECT o.id FROM orders o
        WHERE o.state IN ('received', 'cancelled', 'refunded') AND o.address->>'phone' <> ''
          AND greatest(o.placed_at, o.paid_at, o.shipped_at, o.received_at, o.cancelled_at,
                       (SELECT max(r.refunded_at) FROM order_refunds r WHERE r.order_id = o.id)) < :before
        ORDER BY o.id LIMIT :at_most)
    RETURNING id
""")
_FORGET_WORDS_OF_CLAIMS = text("""
    UPDATE claims SET note = '', answer = '', return_address = '', fingerprint = '' WHERE id IN (
        SELECT id FROM claims WHERE ended_at < :before AND (note || answer || return_address) <> ''
        ORDER BY id LIMIT :at_most)
    RETURNING id
""")
_FORGET_LINKS = text("""
    DELETE FROM order_links WHERE link_digest IN (
        SELECT l.link_digest FROM order_links l JOIN orders o ON o.number = l.order_number
        WHERE o.address->>'phone' = '' LIMIT :at_most)
    RETURNING link_digest
""")
# Only the cookie knows a guest: when its last session is over, nobody can open this book or this cart again.
_GONE = """
    SELECT s.id FROM shoppers s
    WHERE s.openid IS NULL AND NOT EXISTS (SELECT FROM sessions l WHERE l.shopper_id = s.id) AND EXISTS (
        SELECT FROM {table} t WHERE t.shopper_id = s.id)
    LIMIT :at_most
"""
_FORGET_BOOKS = text(f"DELETE FROM addresses WHERE shopper_id IN ({_GONE.format(table='addresses')}) RETURNING id")
_FORGET_CARTS = text(f"DELETE FROM cart_lines WHERE shopper_id IN ({_GONE.format(table='cart_lines')}) RETURNING sku")
_FORGET_PUSHES = text("""
    DELETE FROM wechat_pushes WHERE id IN (
        SELECT id FROM wechat_pushes WHERE outcome = 'ignored' AND received_at < :before LIMIT :at_most)
    RETURNING id
""")
_FORGET_DELIVERIES = text("""
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries WHERE ended_at < :before ORDER BY ended_at LIMIT :at_most)
    RETURNING id
""")
_FORGET_PHONES = text("DELETE FROM staff_phones WHERE released_at < :before RETURNING id")


def purge(*, now: datetime, progress: Progress | None = None) -> None:
    """Delete or blank everything whose time is over at `now`.

    Calls `progress` with what is being purged, how much is done, and of how much. Publishes nothing.
    """
    tell = progress or _silent
    steps: dict[str, tuple[timedelta, Step]] = {
        "logins under way": (timedelta(), lambda session, before: login.purge(session, before=before)),
        "sessions": (timedelta(), lambda session, before: sessions.purge(session, before=before)),
        "login delays": (delays.FORGET_AFTER, lambda session, before: delays.purge(session, before=before)),
        "failed jobs": (FAILED_JOBS_LIVE, lambda session, before: jobs.purge(session, before=before)),
        "payers": (
            PAYERS_LIVE,
            lambda session, before: payment_retention.forget_payers(session, before=before, at_most=AT_ONCE),
        ),
        "unknown notifications": (
            UNKNOWN_LIVE,
            lambda session, before: payment_retention.forget_ignored(session, before=before, at_most=AT_ONCE),
        ),
        "unknown pushes": (UNKNOWN_LIVE, _run(_FORGET_PUSHES)),
        "guests' addresses": (timedelta(), _run(_FORGET_BOOKS)),
        "guests' carts": (timedelta(), _run(_FORGET_CARTS)),
        "visitors of orders": (erasure.LINK_LIFE, _run(_FORGET_VISITORS_OF_ORDERS)),
        "recipients of orders": (RECORDS_LIVE, _run(_FORGET_RECIPIENTS)),
        "words of claims": (RECORDS_LIVE, _run(_FORGET_WORDS_OF_CLAIMS)),
        "photos that no claim shows": (
            pictures.UNCLAIMED_LIVE,
            lambda session, before: claim_photos.forget_unused(session, before=before, at_most=AT_ONCE),
        ),
        "photos of claims": (
            claim_photos.LIVE,
            lambda session, before: claim_photos.forget_shown(session, before=before, at_most=AT_ONCE),
        ),
        "links to orders": (timedelta(), _run(_FORGET_LINKS)),
        "contacts of objections": (
            objections.CONTACTS_LIVE,
            lambda session, before: objections.forget_contacts(session, before=before, at_most=AT_ONCE),
        ),
        "households that left": (
            households.NAMES_LIVE,
            lambda session, before: households.forget_left(session, before=before, at_most=AT_ONCE),
        ),
        "messages to partners": (DELIVERIES_LIVE, _run(_FORGET_DELIVERIES)),
        "staff phones": (erasure.LINK_LIFE, _run(_FORGET_PHONES)),
        "sheets that came in": (
            importing.LIFE,
            lambda session, before: importing.forget(session, before=before, at_most=AT_ONCE),
        ),
    }
    for what, (life, step) in steps.items():
        _repeat(step, now - life)
        tell(what, 1, 1)
    while pictures.purge(now=now, at_most=AT_ONCE) == AT_ONCE:
        pass
    tell("pictures", 1, 1)
    campaign_retention.forget_visitors(
        before=now - COOKIE_LIFE, progress=lambda done, total: tell("days of scans", done, total)
    )
    erasure.forget_old(now=now)
    tell("links to visitors", 1, 1)


def _run(statement: TextClause) -> Step:
    return lambda session, before: len(session.execute(statement, {"before": before, "at_most": AT_ONCE}).all())


def _repeat(step: Step, before: datetime) -> None:
    """Run a step in one transaction after the other until it finds less than it may take at once."""
    while True:
        with database.transaction() as session:
            if (step(session, before) or 0) < AT_ONCE:
                return


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""

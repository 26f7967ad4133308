"""The photos of after-sales claims: taken in from the shopper, shown with a claim, forgotten after it.

Invariant: a photo belongs to one order and at most to one of its claims, and only who may see that order or claim gets
its number; what no claim shows after a day is forgotten, and so is what a claim showed half a year after its end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, pictures
from storefront import claim_errors, claim_steps, errors, orders
from storefront.claim_lifecycle import OPEN, ClaimState
from storefront.claim_models import Claim
from storefront.order_lifecycle import CLAIMABLE

# What WeChat's own picker lets people choose is nine; damage shows on fewer.
MOST_A_CLAIM = 6
# Each costs a second of a core: so many a person needs for some claims with many tries, and no more, by the day.
MOST_A_DAY = 30
DAY = timedelta(days=1)
# Complaints at WeChat Pay and returns by WeChat are over by then.
LIVE = timedelta(days=180)
# While somebody may still look at more of them to decide.
WAITS = OPEN - {ClaimState.REFUNDING}

_LOCK = text("SELECT 1 FROM shoppers WHERE id = :id FOR NO KEY UPDATE")
_TODAY = text("""
    SELECT count(*) FROM claim_photos p JOIN orders o ON o.id = p.order_id
    WHERE o.shopper_id = :shopper AND p.added_at > :since
""")
_ADD = text("INSERT INTO claim_photos (picture, order_id, added_at) VALUES (:picture, :order, :now)")
_HELD = text(
    "SELECT picture, claim_id FROM claim_photos WHERE order_id = :order AND picture = ANY(:pictures) FOR UPDATE"
)
_COUNT = text("SELECT count(*) FROM claim_photos WHERE claim_id = :claim")
_SHOW = text("UPDATE claim_photos SET claim_id = :claim WHERE picture = ANY(:pictures)")
_OF_ORDER = text("""
    SELECT 1 FROM claim_photos p JOIN orders o ON o.id = p.order_id
    WHERE o.number = :order AND o.shopper_id = :shopper AND p.picture = :picture
""")
_FORGET_UNUSED = text("""
    DELETE FROM claim_photos WHERE id IN (
        SELECT id FROM claim_photos WHERE claim_id IS NULL AND added_at < :before ORDER BY id LIMIT :at_most
        FOR UPDATE SKIP LOCKED)
    RETURNING picture
""")
_FORGET_SHOWN = text("""
    DELETE FROM claim_photos WHERE id IN (
        SELECT p.id FROM claim_photos p JOIN claims c ON c.id = p.claim_id
        WHERE c.ended_at < :before ORDER BY p.id LIMIT :at_most FOR UPDATE OF p SKIP LOCKED)
    RETURNING picture
""")


def take_in(*, shopper_id: int, order: str, upload: bytes, now: datetime) -> pictures.PictureView:
    """Prove and keep a photo for a claim on a shopper's own order; until a claim shows it, it lives a day.

    Opens its own transactions. Raises `OrderNotFound`, `OrderNotPaid`, `PhotosTooManyToday`, `PictureRefused` and
    `StorageAway`.
    """
    with database.transaction() as session:
        _require_room(session, shopper_id, order, now)
    picture = pictures.take_in(upload, is_public=False, now=now)
    with database.transaction() as session:
        # Of two uploads at once, the second counts the first.
        session.execute(_LOCK, {"id": shopper_id})
        order_id = _require_room(session, shopper_id, order, now)
        session.execute(_ADD, {"picture": picture.number, "order": order_id, "now": now})
    return picture


def add(session: Session, *, shopper_id: int, number: str, photos: Sequence[str], now: datetime) -> None:
    """Show more photos with a shopper's own claim while it waits for goods or staff; the same again does nothing.

    Raises `ClaimNotFound`, `ClaimMoved`, and what `show` does.
    """
    claim, _ = claim_steps.lock(session, number, shopper_id=shopper_id)
    claim_steps.require(claim, *WAITS)
    show(session, claim, photos, now=now)


def show(session: Session, claim: Claim, photos: Sequence[str], *, now: datetime) -> None:
    """Show photos of the order with a claim, under the order's lock, and keep them as long as it does.

    Raises `ClaimPhotoUnknown` for those of another order or claim or which are gone, and `PhotosTooMany`.
    """
    if not photos:
        return
    wanted = {"order": claim.order_id, "pictures": list(photos)}
    held = {row.picture: row.claim_id for row in session.execute(_HELD, wanted)}
    if held.keys() != set(photos) or not set(held.values()) <= {None, claim.id}:
        raise claim_errors.ClaimPhotoUnknown
    fresh = [picture for picture, shown_by in held.items() if shown_by is None]
    if (session.scalar(_COUNT, {"claim": claim.id}) or 0) + len(fresh) > MOST_A_CLAIM:
        raise claim_errors.PhotosTooMany(most=MOST_A_CLAIM)
    for picture in fresh:
        try:
            pictures.claim(session, number=picture, until=None, now=now)
        except pictures.UnknownPicture as gone:
            raise claim_errors.ClaimPhotoUnknown from gone
    session.execute(_SHOW, {"claim": claim.id, "pictures": fresh})


def require_own(session: Session, *, shopper_id: int, order: str, picture: str) -> None:
    """Raise `ClaimPhotoUnknown` unless `picture` is a photo of a shopper's own order."""
    if session.scalar(_OF_ORDER, {"order": order, "shopper": shopper_id, "picture": picture}) is None:
        raise claim_errors.ClaimPhotoUnknown


def forget_unused(session: Session, *, before: datetime, at_most: int) -> int:
    """Forget photos that came before `before` and that no claim shows; returns how many."""
    return len(session.execute(_FORGET_UNUSED, {"before": before, "at_most": at_most}).all())


def forget_shown(session: Session, *, before: datetime, at_most: int) -> int:
    """Forget the photos of claims that ended before `before`, their files by the next purge; returns how many."""
    gone = session.scalars(_FORGET_SHOWN, {"before": before, "at_most": at_most}).all()
    for picture in gone:
        pictures.release(session, number=picture, now=before)
    return len(gone)


def _require_room(session: Session, shopper_id: int, order: str, now: datetime) -> int:
    """Return the id of a shopper's own order that can be claimed for, while the shopper may send more today."""
    held = orders.find(session, shopper_id=shopper_id, number=order)
    if held.state not in CLAIMABLE:
        raise errors.OrderNotPaid(state=held.state.value)
    if (session.scalar(_TODAY, {"shopper": shopper_id, "since": now - DAY}) or 0) >= MOST_A_DAY:
        raise claim_errors.PhotosTooManyToday(retry_after=int(DAY.total_seconds()))
    return held.id

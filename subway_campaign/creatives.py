"""Artworks: which campaign they belong to, which products they show, and when they may hang.

Invariant: an artwork belongs to one campaign for ever; its products may change, and a decision keeps those that it was
made with.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database
from subway_campaign import errors

_VIEW = """
    SELECT r.number, r.name, g.number AS campaign, g.name AS campaign_name, r.picture, r.valid_from, r.valid_until,
           array(SELECT product FROM creative_products WHERE creative_id = r.id ORDER BY product) AS products
    FROM creatives r JOIN campaigns g ON g.id = r.campaign_id
"""


def create(
    session: Session,
    *,
    number: str,
    campaign: str,
    name: str,
    products: Sequence[str] = (),
    picture: str | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> dict[str, Any]:
    """Add an artwork and return it; the shop has checked `products` (slugs) and claimed the `picture`.

    Raises `UnknownCampaign`, `CreativeTaken`, `ImpossiblePeriod`.
    """
    database.require_transaction(session)
    _require_period(valid_from, valid_until)
    campaign_id = session.execute(
        text("SELECT id FROM campaigns WHERE number = :number"), {"number": campaign}
    ).scalar_one_or_none()
    if campaign_id is None:
        raise errors.UnknownCampaign(campaign=campaign)
    try:
        with session.begin_nested():
            session.execute(
                text("""
                    INSERT INTO creatives (campaign_id, number, name, picture, valid_from, valid_until)
                    VALUES (:campaign, :number, :name, :picture, :since, :until)
                """),
                {
                    "campaign": campaign_id,
                    "number": number,
                    "name": name,
                    "picture": picture,
                    "since": valid_from,
                    "until": valid_until,
                },
            )
    except IntegrityError as taken:
        raise errors.CreativeTaken(creative=number) from taken
    _show(session, number, products)
    return find(session, number=number)


def change(
    session: Session,
    *,
    number: str,
    name: str,
    products: Sequence[str],
    picture: str | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
) -> dict[str, Any]:
    """Give an artwork another name, products, picture or time, and return it.

    Raises `UnknownCreative`, `ImpossiblePeriod`.
    """
    database.require_transaction(session)
    _require_period(valid_from, valid_until)
    changed = session.execute(
        text("""
            UPDATE creatives SET name = :name, picture = :picture, valid_from = :since, valid_until = :until
            WHERE number = :number RETURNING id
        """),
        {"number": number, "name": name, "picture": picture, "since": valid_from, "until": valid_until},
    )
    if changed.first() is None:
        raise errors.UnknownCreative
    _show(session, number, products)
    return find(session, number=number)


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return one artwork. Raises `UnknownCreative`."""
    row = session.execute(text(f"{_VIEW} WHERE r.number = :number"), {"number": number}).first()
    if row is None:
        raise errors.UnknownCreative
    return row._asdict()


def listing(session: Session, *, campaign: str | None = None) -> list[dict[str, Any]]:
    """Return the artworks, of one campaign or of all."""
    rows = session.execute(
        text(f"{_VIEW} WHERE cast(:campaign AS text) IS NULL OR g.number = :campaign ORDER BY g.number, r.number"),
        {"campaign": campaign},
    )
    return [row._asdict() for row in rows]


def require_valid(session: Session, *, number: str | None, now: datetime) -> None:
    """Raise `CreativeNotValid` unless the artwork may hang at `now`; no artwork may always."""
    if number is None:
        return
    found = find(session, number=number)
    since, until = found["valid_from"], found["valid_until"]
    if (since is not None and now < since) or (until is not None and now >= until):
        raise errors.CreativeNotValid(
            creative=number, valid_from=since and since.isoformat(), valid_until=until and until.isoformat()
        )


def _require_period(valid_from: datetime | None, valid_until: datetime | None) -> None:
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        raise errors.ImpossiblePeriod


def _show(session: Session, number: str, products: Sequence[str]) -> None:
    """Write which products an artwork shows."""
    session.execute(
        text("""
            WITH own AS (SELECT id FROM creatives WHERE number = :number),
                 gone AS (DELETE FROM creative_products WHERE creative_id = (SELECT id FROM own)
                          AND product <> ALL(cast(:products AS text[])))
            INSERT INTO creative_products (creative_id, product)
            SELECT own.id, p FROM own, unnest(cast(:products AS text[])) AS p ON CONFLICT DO NOTHING
        """),
        {"number": number, "products": sorted(set(products))},
    )

"""Which code hung where, from when to when, and what it led to.

Invariant: a code is minted once and never reused; its bindings never overlap (the database refuses it), so every
instant has at most one placement (R12).
"""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from secrets import SystemRandom
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import database
from subway_campaign import codes, errors
from subway_campaign.landing import Landing

_ALREADY_PRINTED = 1_000


@dataclass(frozen=True)
class CodeView:
    """A code with its history, newest binding first."""

    slug: str
    minted_at: datetime
    retired_at: datetime | None
    bindings: list[dict[str, Any]]


def mint(session: Session, *, count: int, now: datetime, rng: Random | None = None) -> list[str]:
    """Make `count` new codes and return them in no order. A draw that was printed before is drawn again."""
    database.require_transaction(session)
    rng = rng or SystemRandom()
    minted: set[str] = set()
    for _ in range(_ALREADY_PRINTED):
        drawn = {codes.mint(rng) for _ in range(count - len(minted))}
        minted |= set(
            session.execute(
                text("""
                    INSERT INTO codes (slug, minted_at) SELECT unnest(cast(:slugs AS text[])), :now
                    ON CONFLICT DO NOTHING RETURNING slug
                """),
                {"slugs": sorted(drawn), "now": now},
            ).scalars()
        )
        if len(minted) == count:
            return list(minted)
    raise RuntimeError("the random source repeats itself")


def bind(
    session: Session,
    *,
    code: str,
    placement: str,
    campaign: str,
    landing: Landing,
    valid_from: datetime,
    valid_until: datetime | None = None,
    creative: str | None = None,
) -> int:
    """Hang `code` at `placement` for a half-open time, leading to `landing` (which the shop has checked).

    Returns the binding's id, which never leaves the campaign.

    Raises `UnknownCode` (also for a retired one), `UnknownPlacement`, `UnknownCampaign`, `ImpossiblePeriod`, and
    `BindingOverlaps` when the code hangs somewhere else during part of that time.
    """
    database.require_transaction(session)
    if valid_until is not None and valid_until <= valid_from:
        raise errors.ImpossiblePeriod
    ids = session.execute(
        text("""
            SELECT (SELECT id FROM codes WHERE slug = :code AND retired_at IS NULL),
                   (SELECT id FROM placements WHERE number = :placement),
                   (SELECT id FROM campaigns WHERE number = :campaign),
                   (SELECT r.id FROM creatives r JOIN campaigns c ON c.id = r.campaign_id
                    WHERE r.number = :creative AND c.number = :campaign)
        """),
        {"code": codes.normalize(code), "placement": placement, "campaign": campaign, "creative": creative},
    ).one()
    if ids[0] is None:
        raise errors.UnknownCode
    if ids[1] is None:
        raise errors.UnknownPlacement(placement=placement)
    if ids[2] is None or (creative is not None and ids[3] is None):
        raise errors.UnknownCampaign(campaign=campaign)
    try:
        with session.begin_nested():
            binding: int = session.execute(
                text("""
                    INSERT INTO code_bindings (code_id, placement_id, campaign_id, creative_id,
                                               landing_kind, landing_slug, valid_from, valid_until)
                    VALUES (:code, :placement, :campaign, :creative, :kind, :slug, :valid_from, :valid_until)
                    RETURNING id
                """),
                {
                    **dict(zip(("code", "placement", "campaign", "creative"), ids, strict=True)),
                    "kind": landing.kind,
                    "slug": landing.slug,
                    "valid_from": valid_from,
                    "valid_until": valid_until,
                },
            ).scalar_one()
    except IntegrityError as overlap:
        raise errors.BindingOverlaps(code=code) from overlap
    return binding


def take_down(session: Session, *, code: str, at: datetime) -> None:
    """End the binding of `code` that is valid at `at`; from then on it hangs nowhere. Raises `UnknownCode`."""
    database.require_transaction(session)
    ended = session.execute(
        text("""
            UPDATE code_bindings SET valid_until = :at
            WHERE code_id = (SELECT id FROM codes WHERE slug = :code) AND valid_from < :at
              AND (valid_until IS NULL OR valid_until > :at) RETURNING id
        """),
        {"code": codes.normalize(code), "at": at},
    )
    if ended.first() is None:
        raise errors.UnknownCode


def retire(session: Session, *, code: str, at: datetime) -> None:
    """Take a code out of use for ever; later scans of it are orphans (R26). Raises `UnknownCode`."""
    database.require_transaction(session)
    retired = session.execute(
        text("UPDATE codes SET retired_at = :at WHERE slug = :code AND retired_at IS NULL RETURNING id"),
        {"code": codes.normalize(code), "at": at},
    )
    if retired.first() is None:
        raise errors.UnknownCode


def find(session: Session, *, code: str) -> CodeView:
    """Return a code and where it hung. Raises `UnknownCode` for one that was never minted."""
    rows = session.execute(
        text("""
            SELECT c.slug, c.minted_at, c.retired_at, p.number AS placement, p.name AS placement_name,
                   g.number AS campaign, r.number AS creative, b.landing_kind, b.landing_slug,
                   b.valid_from, b.valid_until
            FROM codes c
            LEFT JOIN code_bindings b ON b.code_id = c.id
            LEFT JOIN placements p ON p.id = b.placement_id
            LEFT JOIN campaigns g ON g.id = b.campaign_id
            LEFT JOIN creatives r ON r.id = b.creative_id
            WHERE c.slug = :code ORDER BY b.valid_from DESC
        """),
        {"code": codes.normalize(code)},
    ).all()
    if not rows:
        raise errors.UnknownCode
    return CodeView(
        rows[0].slug, rows[0].minted_at, rows[0].retired_at, [_binding(row) for row in rows if row.placement]
    )


def _binding(row: Any) -> dict[str, Any]:
    return {
        "placement": row.placement,
        "placement_name": row.placement_name,
        "campaign": row.campaign,
        "creative": row.creative,
        "landing": {"kind": row.landing_kind, "slug": row.landing_slug},
        "valid_from": row.valid_from,
        "valid_until": row.valid_until,
    }

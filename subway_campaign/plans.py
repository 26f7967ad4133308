"""What the office wants to hang where, before the crew says that it does.

Invariant: a plan hangs nothing: the binding begins with the crew's confirming scan (R12b), and the plan is then done.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import codes, errors
from subway_campaign.landing import Landing, LandingKind


@dataclass(frozen=True)
class Plan:
    """What is to hang at `placement`; `id` never leaves the campaign."""

    id: int
    code: str
    placement: str
    placement_name: str
    campaign: str
    creative: str | None
    landing: Landing
    planned_by: str
    planned_at: datetime


_SELECT = """
    SELECT n.id, c.slug, p.number AS placement, p.name, g.number AS campaign, r.number AS creative, n.landing_kind,
           n.landing_slug, n.planned_by, n.planned_at
    FROM hanging_plans n JOIN codes c ON c.id = n.code_id JOIN placements p ON p.id = n.placement_id
    JOIN campaigns g ON g.id = n.campaign_id LEFT JOIN creatives r ON r.id = n.creative_id
    WHERE n.done_at IS NULL AND n.withdrawn_at IS NULL
"""


def make(
    session: Session,
    *,
    code: str,
    placement: str,
    campaign: str,
    landing: Landing,
    by: str,
    now: datetime,
    creative: str | None = None,
) -> None:
    """Plan that `code` is put up at `placement`, in place of an earlier plan for it; the shop has checked the landing.

    Raises `UnknownCode` (also for a retired one), `UnknownPlacement`, `UnknownCampaign`.
    """
    database.require_transaction(session)
    slug = codes.normalize(code)
    # Of two plans made at once the later one stands, and neither is refused.
    session.execute(text("SELECT 1 FROM codes WHERE slug = :code FOR UPDATE"), {"code": slug})
    found = session.execute(
        text("""
            SELECT (SELECT id FROM codes WHERE slug = :code AND retired_at IS NULL) AS code,
                   (SELECT id FROM placements WHERE number = :placement) AS placement,
                   (SELECT id FROM campaigns WHERE number = :campaign) AS campaign,
                   (SELECT r.id FROM creatives r JOIN campaigns c ON c.id = r.campaign_id
                    WHERE r.number = :creative AND c.number = :campaign) AS creative
        """),
        {"code": slug, "placement": placement, "campaign": campaign, "creative": creative},
    ).one()
    if found.code is None:
        raise errors.UnknownCode
    if found.placement is None:
        raise errors.UnknownPlacement(placement=placement)
    if found.campaign is None or (creative is not None and found.creative is None):
        raise errors.UnknownCampaign(campaign=campaign)
    withdraw(session, code=slug, now=now)
    session.execute(
        text("""
            INSERT INTO hanging_plans (code_id, placement_id, campaign_id, creative_id, landing_kind, landing_slug,
                                       planned_by, planned_at)
            VALUES (:code, :placement, :campaign, :creative, :kind, :slug, :by, :now)
        """),
        {**found._asdict(), "kind": landing.kind, "slug": landing.slug, "by": by, "now": now},
    )


def withdraw(session: Session, *, code: str, now: datetime) -> bool:
    """Take the open plan of a code back; False when there is none."""
    database.require_transaction(session)
    gone = session.execute(
        text("""
            UPDATE hanging_plans SET withdrawn_at = :now
            WHERE code_id = (SELECT id FROM codes WHERE slug = :code) AND done_at IS NULL AND withdrawn_at IS NULL
            RETURNING id
        """),
        {"code": codes.normalize(code), "now": now},
    )
    return gone.first() is not None


def done(session: Session, *, plan: Plan, now: datetime) -> None:
    """Say that what was planned hangs."""
    session.execute(text("UPDATE hanging_plans SET done_at = :now WHERE id = :id"), {"id": plan.id, "now": now})


def of(session: Session, *, code: str) -> Plan | None:
    """Return the open plan of a code."""
    row = session.execute(text(f"{_SELECT} AND c.slug = :code"), {"code": codes.normalize(code)}).first()
    return _plan(row) if row else None


def open_list(session: Session, *, under: str | None = None, limit: int = 200) -> list[Plan]:
    """Return what is to be put up at or below a placement, in the order of the placements."""
    rows = session.execute(
        text(f"""
            {_SELECT} AND (cast(:under AS text) IS NULL OR p.number = :under OR starts_with(p.number, :under || '.'))
            ORDER BY p.number COLLATE "C", c.slug LIMIT :limit
        """),
        {"under": under, "limit": limit},
    )
    return [_plan(row) for row in rows]


def _plan(row: Any) -> Plan:
    number, code, placement, name, campaign, creative, kind, slug, by, at = row
    return Plan(number, code, placement, name, campaign, creative, Landing(LandingKind(kind), slug), by, at)

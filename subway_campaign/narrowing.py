"""What a report can be narrowed to besides its days: campaign, creative, goods, branches of the tree.

Invariant: reads only. A campaign or creative narrows what happened at codes that hung for it; goods narrow orders and
their money, and never scans, for nobody scans a product; what lies outside of the branches is not read at all.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import errors
from subway_campaign.lifecycle import Level


@dataclass(frozen=True)
class Narrowing:
    """Numbers of a campaign and a creative, slugs of products, numbers of placements; None is all of them."""

    campaign: str | None = None
    creative: str | None = None
    products: tuple[str, ...] | None = None
    within: tuple[str, ...] | None = None

    @property
    def by_binding(self) -> bool:
        """Whether only some codes' scans are meant."""
        return self.campaign is not None or self.creative is not None

    @property
    def is_any(self) -> bool:
        """Whether anything of a placement is left out."""
        return self.by_binding or self.products is not None

    def reaches(self, number: str) -> bool:
        """Tell whether a placement is one of the branches `within`, or hangs below one."""
        return self.within is None or any(number == each or number.startswith(f"{each}.") for each in self.within)


ALL = Narrowing()


def lies_within(column: str = "p.number") -> str:
    """Return SQL that tells of `column` what `reaches` does; `:within` is a list of numbers, or null for everywhere."""
    return f"""(cast(:within AS text[]) IS NULL OR EXISTS (
        SELECT FROM unnest(cast(:within AS text[])) AS branch (number)
        WHERE {column} = branch.number OR starts_with({column}, branch.number || '.')))"""


def bindings(session: Session, narrowing: Narrowing) -> frozenset[int] | None:
    """Return the ids of the bindings that are meant, None for all. Raises `UnknownCampaign`, for a creative too."""
    if not narrowing.by_binding:
        return None
    asked = {"campaign": narrowing.campaign, "creative": narrowing.creative}
    known = session.execute(
        text("""
            SELECT cast(:campaign AS text) IS NULL OR EXISTS (SELECT FROM campaigns WHERE number = :campaign),
                   cast(:creative AS text) IS NULL OR EXISTS (SELECT FROM creatives WHERE number = :creative)
        """),
        asked,
    ).one()
    if not all(known):
        raise errors.UnknownCampaign(campaign=narrowing.campaign, creative=narrowing.creative)
    found = session.scalars(
        text("""
            SELECT b.id FROM code_bindings b
            JOIN campaigns g ON g.id = b.campaign_id LEFT JOIN creatives r ON r.id = b.creative_id
            WHERE (cast(:campaign AS text) IS NULL OR g.number = :campaign)
              AND (cast(:creative AS text) IS NULL OR r.number = :creative)
        """),
        asked,
    )
    return frozenset(found)


def level(session: Session, narrowing: Narrowing, asked: Level) -> Level:
    """Return the level at which a narrowed report is read: `asked`, or that of the lowest branch where it is above it.

    A row above a branch would tell of its neighbours.
    """
    if narrowing.within is None:
        return asked
    tops = session.scalars(
        text("SELECT level FROM placements WHERE number = ANY(:numbers)"), {"numbers": list(narrowing.within)}
    )
    return max([asked, *(Level(each) for each in tops)], key=list(Level).index)


def choices(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Return the `campaigns` and `creatives` that a report can be narrowed to, each with number and name."""
    campaigns = session.execute(text("SELECT number, name FROM campaigns ORDER BY id DESC"))
    creatives = session.execute(
        text("""
            SELECT r.number, r.name, g.number AS campaign FROM creatives r JOIN campaigns g ON g.id = r.campaign_id
            ORDER BY g.id DESC, r.number
        """)
    )
    return {
        "campaigns": [row._asdict() for row in campaigns],
        "creatives": [row._asdict() for row in creatives],
    }

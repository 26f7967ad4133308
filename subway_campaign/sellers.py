"""The branch of the inventory that no crew hangs: links by which third-party sellers recommend goods.

Invariant: each seller has one node below the medium `SELLER`, each of its links a position below that, with one code
that leads to one product or hall for good; attribution takes them for placements like any other.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import bindings, placements
from subway_campaign.landing import Landing
from subway_campaign.lifecycle import Level

ROOT = "SELLER"
CAMPAIGN = "SELLERS"
# For statements that are about things on walls: nobody inspects a link, and its silence says nothing.
IS_PAPER = f"NOT starts_with(p.number, '{ROOT}.')"

_ENSURE = text("""
    WITH campaign AS (
        INSERT INTO campaigns (number, name, is_illustrative, created_at)
        VALUES (:campaign, '第三方销售推荐', false, :now) ON CONFLICT DO NOTHING
    )
    INSERT INTO placements (number, level, name) VALUES (:root, 'medium', '第三方销售') ON CONFLICT DO NOTHING
""")
_SETTLE = text("""
    INSERT INTO placements (parent_id, number, level, name)
    SELECT id, :number, 'asset', :name FROM placements WHERE number = :root ON CONFLICT DO NOTHING
""")
_LINKS = text("SELECT count(*) FROM placements WHERE starts_with(number, :number || '.')")


def node(label: str) -> str:
    """Return the number of a seller's node; `label` is 1 to 12 of A-Z and 0-9 and the seller's for good."""
    return f"{ROOT}.{label}"


def recommend(session: Session, *, label: str, name: str, landing: Landing, title: str, now: datetime) -> list[str]:
    """Make a link to `landing` for a seller, and return its placement and its code.

    The seller's node is made with its first link, under its `name`; `title` says what the link recommends. The caller
    has locked the seller, and checked the landing.
    """
    database.require_transaction(session)
    number = node(label)
    session.execute(_ENSURE, {"campaign": CAMPAIGN, "root": ROOT, "now": now})
    session.execute(_SETTLE, {"number": number, "root": ROOT, "name": name})
    link = int(session.execute(_LINKS, {"number": number}).scalar_one()) + 1
    place = placements.create(session, parent=number, level=Level.POSITION, label=f"R{link}", name=title)
    [code] = bindings.mint(session, count=1, now=now)
    bindings.bind(session, code=code, placement=place, campaign=CAMPAIGN, landing=landing, valid_from=now)
    return [place, code]

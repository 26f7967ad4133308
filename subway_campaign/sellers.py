"""The branch of the inventory that no crew hangs: links by which third-party sellers recommend goods.

Invariant: each seller has one node below the medium `SELLER`, each of its links a position below that, with one code
that leads to one product or hall for good; attribution takes them for placements like any other. What orders earn
there is told by the ledger of credits: a trigger marks each order whose credit at a seller's link moves.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import bindings, placements, seller_models  # noqa: F401 - the table of marks
from subway_campaign.attribution import WINDOW
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
# Marks that another transaction is taking just now are left to it.
_TAKE = text("""
    DELETE FROM seller_marks WHERE id IN (
        SELECT id FROM seller_marks ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING order_number
""")
# A decision that was superseded is reversed row by row, so all of an order's rows sum to what stands.
_EARNED = text("""
    SELECT split_part(p.number, '.', 2), c.order_number,
           coalesce(sum(k.fen) FILTER (WHERE k.entry <> 'refund'), 0)::bigint,
           coalesce(-sum(k.fen) FILTER (WHERE k.entry = 'refund'), 0)::bigint
    FROM conversions c JOIN attribution_decisions d ON d.conversion_id = c.id
    JOIN credits k ON k.decision_id = d.id AND k.model = 'last' JOIN placements p ON p.id = k.placement_id
    WHERE c.order_number = ANY(:orders) AND starts_with(p.number, :root || '.')
    GROUP BY 1, 2 ORDER BY 2, 1
""")


@dataclass(frozen=True)
class Earned:
    """What a seller's links earned of one order by the last touch, in fen; `label` names the seller's node."""

    label: str
    order: str
    gross_fen: int
    refunded_fen: int


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


_BROUGHT = text("""
    SELECT EXISTS (
        SELECT FROM touches t JOIN placements p ON p.id = t.placement_id
        WHERE starts_with(p.number, :root || '.') AND t.occurred_at >= :since AND t.visitor_id IN (
            SELECT cast(:visitor AS uuid)
            UNION ALL SELECT visitor_id FROM visitor_links WHERE person_id = :person))
""")
_CREDITED = text("""
    SELECT split_part(p.number, '.', 2) FROM conversions c JOIN placements p ON p.id = c.placement_id
    WHERE c.order_number = :order AND starts_with(p.number, :root || '.')
""")


def may_have_brought(session: Session, *, visitor: UUID | None, person: UUID | None, now: datetime) -> bool:
    """Tell at a glance whether a buyer came by any seller's link of late; most did not, and need no closer look."""
    values = {"root": ROOT, "visitor": visitor, "person": person, "since": now - WINDOW}
    return bool(session.execute(_BROUGHT, values).scalar_one())


def credited(session: Session, *, order: str) -> str | None:
    """Return the label of the seller whose link has an order's credit by the last touch, None without one."""
    label: str | None = session.scalar(_CREDITED, {"order": order, "root": ROOT})
    return label


def take_earned(session: Session, *, limit: int) -> list[Earned]:
    """Return what sellers earn of the orders that were marked first, and take those marks off.

    An order whose credit moved away from a seller is there with nothing. The caller is the only one who does this.
    """
    database.require_transaction(session)
    orders = sorted(set(session.execute(_TAKE, {"limit": limit}).scalars()))
    if not orders:
        return []
    return [Earned(*row) for row in session.execute(_EARNED, {"orders": orders, "root": ROOT})]

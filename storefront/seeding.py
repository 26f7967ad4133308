"""Real data for a fresh shop: the catalog first, then the campaign whose codes lead into it.

Invariant: seeding again changes nothing that is there, and nothing false is ever seeded: prices are marked as
illustrative, and accreditation stays empty until somebody enters its evidence.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import text

from catalog import seeding as catalog_seeding
from config import database
from subway_campaign import seeding as campaign_seeding
from subway_campaign.landing import Landing, LandingKind

# An advert shows goods that can be bought: two of three codes open a product, the third its county's hall.
LEADS_TO = (LandingKind.PRODUCT, LandingKind.PRODUCT, LandingKind.HALL)

Progress = Callable[[str, int, int], None]


def seed(progress: Progress, *, now: datetime) -> None:
    """Insert whatever is missing, telling `progress` (what, done, total) after each step."""
    catalog_seeding.seed(progress)
    with database.transaction() as session:
        rows = session.execute(
            text("""
                SELECT p.slug AS product, h.slug AS hall FROM products p JOIN halls h ON h.id = p.hall_id
                WHERE p.is_on_sale AND NOT p.is_display_only ORDER BY p.slug COLLATE "C"
            """)
        ).all()
    landings = [Landing(kind=kind, slug=getattr(row, kind)) for row in rows for kind in LEADS_TO]
    campaign_seeding.seed(progress, now=now, landings=landings)

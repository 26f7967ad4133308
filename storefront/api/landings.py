"""Where a scan leads now.

Invariant: a scan never ends on a page that is gone: off sale leads to the product's hall, no hall to the first page.
"""

from catalog import errors, halls, products
from subway_campaign.landing import Landing, LandingKind


def standing(landing: Landing) -> Landing | None:
    """Return the landing that can be shown now, or None when neither product nor hall can."""
    slug = landing.slug
    if landing.kind is LandingKind.PRODUCT:
        if products.is_on_sale(slug):
            return landing
        try:
            slug = products.home(slug)
        except errors.ProductUnknown:
            return None
    return Landing(LandingKind.HALL, slug) if halls.is_open(slug) else None


def path(landing: Landing | None) -> str:
    """Return the page of a landing, `/` without one."""
    if landing is None:
        return "/"
    return f"/p/{landing.slug}" if landing.kind is LandingKind.PRODUCT else f"/halls/{landing.slug}"

"""Own the three dependent selects of an address, for browsers with and without a script.

Whatever was sent, what comes back is a chain that exists: each select lists what lies under the one above it.
"""

from collections.abc import Mapping

from catalog import errors, regions
from storefront.h5.delivery_models import RegionChoices

# Most who scan in Hefei's metro live there: two of three selects are right before anybody touches them, and the
# third is left open, so that nobody sends a parcel to a guess.
HERE = {"province": "340000", "city": "340100"}


def choose(fields: Mapping[str, str]) -> RegionChoices:
    """Return the selects as `fields` (province, city, county) leave them; a code out of its chain counts as unset."""
    provinces = _below(None)
    province = _kept(fields.get("province", ""), provinces)
    cities = _below(province) if province else ()
    city = _kept(fields.get("city", ""), cities)
    counties = _below(city) if city else ()
    return RegionChoices(
        provinces=provinces,
        cities=cities,
        counties=counties,
        province=province,
        city=city,
        county=_kept(fields.get("county", ""), counties),
    )


def leaf(chosen: RegionChoices) -> str:
    """Return the code that an address may end in, or "" while the choice is not whole."""
    code = chosen.county or chosen.city or chosen.province
    try:
        return regions.require_leaf(code).code
    except errors.RegionInvalid:
        return ""


def trace(region_code: str) -> dict[str, str]:
    """Return the fields (province, city, county) that lead to a region; empty for an unknown one."""
    try:
        chain = [regions.find(region_code)]
        while chain[0].parent_code:
            chain.insert(0, regions.find(chain[0].parent_code))
    except errors.RegionInvalid:
        return {}
    return dict(zip(("province", "city", "county"), (division.code for division in chain), strict=False))


def _below(code: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((division.code, division.name) for division in regions.children(code))


def _kept(code: str, options: tuple[tuple[str, str], ...]) -> str:
    return code if any(code == option for option, _ in options) else ""

"""What it costs to send goods, by where they ship from and where they go.

Invariant: one consignment per ship-from; the arithmetic is pure. A warehouse that has no rate for a zone does not
deliver there, and that is said before anybody pays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from catalog import errors, regions
from catalog.cache import Cache
from catalog.pricing import PricedLine
from config import database

# Goods that do not survive the days which the far west takes.
FRESH_CLASSES = frozenset({"fresh", "cold"})

_RATES = """
SELECT h.key, r.first_weight_g, r.first_fen, r.step_weight_g, r.step_fen, r.free_over_fen, r.delivers_fresh
FROM freight_zones z JOIN freight_rates r ON r.zone = z.zone JOIN warehouses h ON h.id = r.warehouse_id
WHERE z.province_code = %s
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate of one warehouse for one zone, in gram and fen; without `free_over_fen` nothing travels free."""

    first_weight_g: int
    first_fen: int
    step_weight_g: int
    step_fen: int
    free_over_fen: int | None
    delivers_fresh: bool


@dataclass(frozen=True, slots=True)
class ConsignmentQuote:
    """What ships together, and its freight."""

    ship_from: str
    freight_fen: int
    lines: tuple[PricedLine, ...]


# Rates by warehouse, for each province; who changes one waits half a second, as with a price on a page.
_rates: Cache[Mapping[str, Rate]] = Cache()


def quote(session: Session | None, *, lines: Sequence[PricedLine], region_code: str) -> list[ConsignmentQuote]:
    """Return one consignment per ship-from, in the order of their keys, with its freight to `region_code`.

    Without a session a question is a transaction of its own.

    Raises `RegionInvalid` unless an address may end there, and `NotDeliverable(lines=[{"sku"}], region=...)` when
    anything cannot be sent.
    """
    place = regions.require_leaf(region_code)
    consignments: dict[str, list[PricedLine]] = {}
    for line in lines:
        consignments.setdefault(line.ship_from, []).append(line)
    province = regions.province(place.code)
    rates = _rates.get(province, lambda: _read(session, province))
    refused = [{"sku": line.sku} for line in lines if not _delivers(rates.get(line.ship_from), line)]
    if refused:
        raise errors.NotDeliverable(lines=refused, region="".join(regions.path(place.code)))
    return [
        ConsignmentQuote(ship_from, charge(rates[ship_from], consignments[ship_from]), tuple(consignments[ship_from]))
        for ship_from in sorted(consignments)
    ]


def charge(rate: Rate, lines: Sequence[PricedLine]) -> int:
    """Return the freight of one consignment in fen: free from `free_over_fen` of goods on, else by started steps."""
    if rate.free_over_fen is not None and sum(line.amount_fen for line in lines) >= rate.free_over_fen:
        return 0
    beyond = max(0, sum(line.weight_g * line.quantity for line in lines) - rate.first_weight_g)
    return rate.first_fen + -(-beyond // rate.step_weight_g) * rate.step_fen


def note(delivery_class: str) -> str:
    """Return what a product page says about its freight, for people."""
    text = "运费按收货地区和重量计算，下单前显示。港澳台地区暂不配送"
    return text + ("，生鲜冷链商品不发往新疆、西藏。" if delivery_class in FRESH_CLASSES else "。")


def _read(session: Session | None, province: str) -> Mapping[str, Rate]:
    return {row[0]: Rate(*row[1:]) for row in database.run(session, _RATES, (province,))}


def _delivers(rate: Rate | None, line: PricedLine) -> bool:
    return rate is not None and (rate.delivers_fresh or line.delivery_class not in FRESH_CLASSES)

"""The guard over prices: which of them lie far from what the like costs, and what a county decides about each.

Invariant: the rule is pure; it blocks no sale by itself. A review belongs to one version of a price, and of two clerks
who decide at once on what both saw, one is told that somebody was quicker.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors, products
from catalog.accreditation_views import Reach
from catalog.price_models import Basis, ReviewAct, ReviewState
from config import database

# Thrice what the like costs, or a third of it, is worth a look; less is grade and season. No norm gives a number.
FAR = 3
# Of fewer there is no usual price.
FEWEST_PEERS = 5
REASON_LENGTHS = range(2, 201)
# Reviews that one look opens at most, so that a bad import does not bury the clerks.
AT_ONCE = 500

_ASIDE = re.compile(r"[(（].*?[)）]")
_WEIGHT = re.compile(
    r"(\d+(?:\.\d+)?)\s*(公斤|千克|kg|斤|两|克|g)(?![a-z])(?:/[^\s×x*\d]+)?(?:\s*[×x*]\s*(\d+))?", re.IGNORECASE
)
_GRAMS = {"公斤": 1000, "千克": 1000, "kg": 1000, "斤": 500, "两": 50, "克": 1, "g": 1}
_DOUBLE = "双份装"

# What may be done in which state, and what it leads to.
STEPS: Mapping[ReviewAct, tuple[frozenset[ReviewState], ReviewState]] = {
    ReviewAct.ACCEPT: (
        frozenset({ReviewState.OPEN, ReviewState.ASKED, ReviewState.HELD}),
        ReviewState.ACCEPTED,
    ),
    ReviewAct.ASK: (frozenset({ReviewState.OPEN, ReviewState.HELD}), ReviewState.ASKED),
    ReviewAct.HOLD: (frozenset({ReviewState.OPEN, ReviewState.ASKED}), ReviewState.HELD),
}

_PRICES = """
    SELECT s.number, p.slug, p.category, p.origin_code, s.spec, s.price_fen
    FROM skus s JOIN products p ON p.id = s.product_id WHERE p.is_on_sale AND NOT p.is_display_only
"""
_OPEN = text("""
    INSERT INTO price_reviews (number, sku_id, price_version, price_fen, unit_fen, median_fen, peers, basis, state,
                               opened_at)
    SELECT f.number, s.id, s.price_version, s.price_fen, f.unit_fen, f.median_fen, f.peers, f.basis, 'open', :now
    FROM jsonb_to_recordset(cast(:found AS jsonb))
        AS f (number text, sku text, price_fen bigint, unit_fen bigint, median_fen bigint, peers int, basis text)
    JOIN skus s ON s.number = f.sku AND s.price_fen = f.price_fen
    ON CONFLICT (sku_id, price_version) DO NOTHING
""")
# Whoever changed the price has answered; goods that were taken off sale wait for the county all the same.
_SUPERSEDE = text("""
    UPDATE price_reviews r SET state = 'superseded', decided_at = :now
    FROM skus s WHERE s.id = r.sku_id AND s.price_version <> r.price_version AND r.state IN ('open', 'asked')
""")
_KNOWN = "SELECT s.number FROM price_reviews r JOIN skus s ON s.id = r.sku_id AND s.price_version = r.price_version"
_HEAD = """
    SELECT r.number, r.state, r.price_fen, r.unit_fen, r.median_fen, r.peers, r.basis, r.opened_at, r.decided_by,
           r.reason, r.decided_at, s.number AS sku, s.spec, s.price_fen AS price_now_fen, p.slug AS product,
           p.name AS product_name, p.origin_code, p.category, p.is_on_sale, g.full_name AS county,
           u.number AS supplier, u.name AS supplier_name
    FROM price_reviews r JOIN skus s ON s.id = r.sku_id JOIN products p ON p.id = s.product_id
    JOIN suppliers u ON u.id = p.supplier_id JOIN regions g ON g.code = p.origin_code
"""
_FIND = text(f"{_HEAD} WHERE r.number = :number")
_QUEUE = text(f"""
    {_HEAD} WHERE r.state = ANY(:states)
      AND EXISTS (SELECT FROM unnest(cast(:areas AS text[]), cast(:suppliers AS text[])) AS w (area, supplier)
                  WHERE starts_with(p.origin_code, coalesce(w.area, ''))
                    AND (w.supplier IS NULL OR w.supplier = u.number))
    ORDER BY r.opened_at DESC, r.id DESC LIMIT :limit OFFSET :offset
""")
_DECIDE = text("""
    UPDATE price_reviews SET state = :after, decided_by = :by, reason = :reason, decided_at = :now
    WHERE number = :number AND state = :seen RETURNING number
""")


@dataclass(frozen=True, slots=True)
class Price:
    """One SKU on sale as the rule needs it."""

    sku: str
    product: str
    category: str
    county: str
    spec: str
    price_fen: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """A price far from the median: both in fen per 500 g, with whose median and of how many products."""

    sku: str
    price_fen: int
    unit_fen: int
    median_fen: int
    peers: int
    basis: Basis


def net_weight_g(spec: str) -> int | None:
    """Return the net weight that a spec names, `250克×4` being 1000; None when it names none, or several."""
    found = _WEIGHT.findall(_ASIDE.sub(" ", spec))
    if len(found) != 1:
        return None
    amount, unit, times = found[0]
    grams = float(amount) * _GRAMS[unit.lower()] * int(times or 1) * (2 if _DOUBLE in spec else 1)
    return round(grams) or None


def unit_fen(price: Price) -> int | None:
    """Return the price in fen per 500 g, None when the spec names no weight."""
    grams = net_weight_g(price.spec)
    return None if grams is None else max(1, round(price.price_fen * 500 / grams))


def outliers(prices: Iterable[Price]) -> list[Outlier]:
    """Return the prices thrice as high or low as the median of the like, in the order given.

    The like is the category in the same county if five products of it have a weight, else in the whole province; of
    fewer than five there is no median. Each product counts once, by its cheapest pack.
    """
    known = [(price, unit) for price in prices if (unit := unit_fen(price)) is not None]
    by_county: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    by_category: dict[str, dict[str, int]] = defaultdict(dict)
    for price, unit in known:
        for group in (by_county[price.county, price.category], by_category[price.category]):
            group[price.product] = min(unit, group.get(price.product, unit))
    found = []
    for price, unit in known:
        for basis, group in (
            (Basis.COUNTY, by_county[price.county, price.category]),
            (Basis.PROVINCE, by_category[price.category]),
        ):
            if len(group) >= FEWEST_PEERS:
                usual = round(median(group.values()))
                if unit >= FAR * usual or FAR * unit <= usual:
                    found.append(Outlier(price.sku, price.price_fen, unit, usual, len(group), basis))
                break
    return found


def review_due(*, now: datetime) -> None:
    """Open a review for each outlier that has none for its present price, and end those whose price was changed."""
    rows = database.statement(_PRICES, {})
    known = {sku for (sku,) in database.statement(_KNOWN, {})}
    found = [each for each in outliers(Price(*row) for row in rows) if each.sku not in known][:AT_ONCE]
    with database.transaction() as session:
        session.execute(_SUPERSEDE, {"now": now})
        if found:
            session.execute(_OPEN, {"found": database.dump_json([_row(each) for each in found]), "now": now})


def decide(
    session: Session, *, number: str, act: ReviewAct, seen: ReviewState, reason: str, by: str, now: datetime
) -> ReviewState:
    """Accept a price, ask the supplier for another, or take the product off sale until it is accepted.

    `seen` is the state that the clerk decided on. Raises `ReviewUnknown`, `ReviewMoved(state=...)`,
    `ReviewReasonMissing` but for an acceptance, and what `products.relist` refuses.
    """
    database.require_transaction(session)
    reason = reason.strip()
    if act is not ReviewAct.ACCEPT and len(reason) not in REASON_LENGTHS:
        raise errors.ReviewReasonMissing
    before, after = STEPS[act]
    values = {"number": number, "seen": seen, "after": after, "by": by, "reason": reason[:200], "now": now}
    if seen not in before or session.execute(_DECIDE, values).first() is None:
        raise errors.ReviewMoved(state=find(session, number=number)["state"])
    product = find(session, number=number)["product"]
    if after is ReviewState.HELD:
        products.delist(session, slug=product)
    elif seen is ReviewState.HELD:
        products.relist(session, slug=product)
    return after


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return one review with its goods. Raises `ReviewUnknown`."""
    row = session.execute(_FIND, {"number": number}).mappings().first()
    if row is None:
        raise errors.ReviewUnknown
    return dict(row)


def queue(
    session: Session,
    *,
    reaches: Iterable[Reach],
    states: Sequence[ReviewState],
    offset: int = 0,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return the reviews within any of `reaches` in these states, the latest first."""
    parts = list(reaches)
    values = {
        "areas": [part.area for part in parts],
        "suppliers": [part.supplier for part in parts],
        "states": list(states),
        "offset": offset,
        "limit": limit,
    }
    return [dict(row) for row in session.execute(_QUEUE, values).mappings()]


def _row(found: Outlier) -> dict[str, Any]:
    return {
        "number": f"V{secrets.token_hex(6).upper()}",
        "sku": found.sku,
        "price_fen": found.price_fen,
        "unit_fen": found.unit_fen,
        "median_fen": found.median_fen,
        "peers": found.peers,
        "basis": found.basis.value,
    }

"""Own the page of a search: what it found, by what it can be narrowed, and what to show instead of nothing.

Invariant: every choice is a link, so the page needs no script; what cannot be a choice is left out, not refused.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from catalog import categories, models, products
from catalog.narrowing import Narrowing
from config import clock
from storefront.h5 import browse_models, shelves

PAGE = 20
POPULAR = 4
MAX_QUERY = 40
MAX_COUNTIES = 6
_CERTIFICATES = {"accreditation": "已认定", "geographical_indication": "地理标志"}
_PRICE = re.compile(r"(\d{1,9})-(\d{0,9})")


def page(asked: Mapping[str, str]) -> browse_models.SearchPage:
    """Return what a search page shows for these arguments of an address."""
    query = " ".join(asked.get("q", "")[:MAX_QUERY].split())
    if not query:
        return browse_models.SearchPage(query="", products=(), next_url=None)
    month = clock.now().astimezone(clock.SHANGHAI).month
    chosen = _chosen(asked)
    narrowed = _narrowing(chosen, month)
    found = orjson.loads(products.page(q=query, cursor=asked.get("cursor"), limit=PAGE, **narrowed))
    counted = orjson.loads(products.counts(q=query, chosen=Narrowing(**narrowed), month=month))
    cursor = found["next_cursor"]
    return browse_models.SearchPage(
        query=query,
        products=tuple(map(shelves.card, found["items"])),
        next_url=None if cursor is None else _url(query, chosen | {"cursor": cursor}),
        choices=tuple(_choices(query, chosen, counted)),
        meant=found["search"]["did_you_mean"] or "",
        popular=() if found["items"] else _popular(chosen),
        chosen=tuple(chosen.items()),
    )


def _chosen(asked: Mapping[str, str]) -> dict[str, str]:
    """Return what of `asked` can be a choice."""
    valid = {
        "category": asked.get("category") in categories.NAMES,
        "county": re.fullmatch(r"[0-9]{6}", asked.get("county", ""), re.ASCII) is not None,
        "certificate": asked.get("certificate") in set(models.CertificateKind),
        "price": _prices(asked.get("price", "")) is not None,
        "season": asked.get("season") == "now",
    }
    return {name: asked[name] for name, is_valid in valid.items() if is_valid}


def _prices(text: str) -> tuple[int, int | None] | None:
    found = _PRICE.fullmatch(text) if text.isascii() else None
    if found is None:
        return None
    low, high = int(found[1]), int(found[2]) if found[2] else None
    return (low, high) if high is None or low <= high else None


def _narrowing(chosen: Mapping[str, str], month: int) -> dict[str, Any]:
    low, high = _prices(chosen.get("price", "")) or (None, None)
    return {
        "category": chosen.get("category"),
        "county": chosen.get("county"),
        "certificate": chosen.get("certificate"),
        "price_from": low,
        "price_to": high,
        "month": month if "season" in chosen else None,
    }


def _choices(query: str, chosen: dict[str, str], counted: Mapping[str, Any]) -> list[browse_models.Choice]:
    """Return the choices that would change something, those made already first."""
    offered = [("category", each["value"], each["name"], each["count"]) for each in counted["categories"]]
    offered += [("county", each["value"], each["name"], each["count"]) for each in counted["counties"]][:MAX_COUNTIES]
    offered += [
        ("certificate", each["value"], _CERTIFICATES[each["value"]], each["count"]) for each in counted["certificates"]
    ]
    offered += [("season", "now", "当季", counted["in_season"])] if counted["in_season"] else []
    offered += [
        ("price", f"{each['price_from']}-{each['price_to'] or ''}", _price_name(each), each["count"])
        for each in counted["prices"]
    ]
    known = {(name, value) for name, value, _, _ in offered}
    offered += [(name, value, "清除筛选", 0) for name, value in chosen.items() if (name, value) not in known]
    choices = [_choice(query, chosen, *each) for each in offered]
    useful = [each for each in choices if each.is_chosen or each.count < counted["total"]]
    return sorted(useful, key=lambda each: not each.is_chosen)


def _choice(query: str, chosen: dict[str, str], kind: str, value: str, name: str, count: int) -> browse_models.Choice:
    is_chosen = chosen.get(kind) == value
    rest = {key: each for key, each in chosen.items() if key != kind}
    return browse_models.Choice(name, count, _url(query, rest if is_chosen else rest | {kind: value}), is_chosen)


def _price_name(price: Mapping[str, Any]) -> str:
    low, high = price["price_from"] // 100, price["price_to"]
    if high is None:
        return f"{low}元以上"
    return f"{(high + 1) // 100}元以下" if low == 0 else f"{low}–{(high + 1) // 100}元"


def _popular(chosen: Mapping[str, str]) -> tuple[browse_models.ProductCard, ...]:
    """Return the first goods on the shelf of the category that was chosen, or of all."""
    listed = orjson.loads(products.page(category=chosen.get("category"), limit=POPULAR))["items"]
    return tuple(map(shelves.card, listed))


def _url(query: str, chosen: Mapping[str, str]) -> str:
    return "/search?" + urlencode({"q": query, **chosen})

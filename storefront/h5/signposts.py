"""Own the list of all halls: what its address narrows it to, and the ways to narrow it further.

Whatever was typed gives a page: a filter that means nothing is left out, and nothing found says where to look instead.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import orjson

from catalog import errors, halls
from storefront.h5 import browse_models, shelves

# What the tabs say, and how each narrows the list.
KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "": ("全部", {}),
    "local": ("线上地方馆", {"kind": "local", "presence": "online"}),
    "place": ("实体馆", {"kind": "local", "presence": "physical"}),
    "enterprise": ("企业馆", {"kind": "enterprise"}),
    "zone": ("专区", {"kind": "zone"}),
}
_EMPTY = {
    "": "没有找到这样的馆",
    "local": "没有找到这样的地方馆",
    "place": "这里还没有开放的实体馆",
    "enterprise": "这里还没有开放的企业馆",
    "zone": "这里还没有开放的专区",
}
_PAGE = 60
_LONGEST = 80


def page(asked: Mapping[str, str]) -> browse_models.HallsPage:
    """Return the list as `asked` narrows it by kind, city and words."""
    kind = asked.get("kind", "") if asked.get("kind", "") in KINDS else ""
    query = asked.get("q", "").strip()[:_LONGEST]
    cities = [each for each in _cities() if each["region"]["level"] == "prefecture"]
    city = asked.get("city", "") if asked.get("city", "") in {each["slug"] for each in cities} else ""
    chosen = {"kind": kind, "city": city, "q": query}
    found = _found(KINDS[kind][1] | {name: chosen[name] for name in ("city", "q") if chosen[name]}, asked.get("cursor"))
    groups: dict[str, list[browse_models.HallCard]] = {}
    for hall in found["items"]:
        groups.setdefault(hall["region"]["city"], []).append(shelves.hall_card(hall))
    names = [("", "全省"), *((each["slug"], each["region"]["city"]) for each in cities)]
    return browse_models.HallsPage(
        query=query,
        kinds=tuple(_choice(chosen, "kind", key, title) for key, (title, _) in KINDS.items()),
        cities=tuple(_choice(chosen, "city", key, title) for key, title in names),
        groups=tuple((name, tuple(cards)) for name, cards in groups.items()),
        empty=_EMPTY[kind],
        next_url=_url(chosen | {"cursor": found["next_cursor"]}) if found["next_cursor"] else None,
    )


def _cities() -> list[shelves.Json]:
    listed = orjson.loads(halls.page(kind="local", presence="online", limit=halls.MAX_LIMIT))["items"]
    return [each for each in listed if each["is_home"]]


def _found(narrowed: dict[str, str], cursor: str | None) -> shelves.Json:
    try:
        found: shelves.Json = orjson.loads(halls.page(**narrowed, cursor=cursor or None, limit=_PAGE))
    except errors.CursorInvalid:
        return _found(narrowed, None)
    return found


def _choice(chosen: dict[str, str], name: str, value: str, title: str) -> browse_models.Choice:
    return browse_models.Choice(title, 0, _url(chosen | {name: value}), chosen[name] == value)


def _url(query: Mapping[str, str]) -> str:
    said = urlencode({name: value for name, value in query.items() if value})
    return f"/halls?{said}" if said else "/halls"

"""A zone as tests open it: a stall of Dangshan's goods in a market, a place with address and hours."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from catalog import halls
from catalog.hall_lifecycle import Act, State
from catalog.models import HallKind, HallPresence, ZoneKind
from config import database

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
MARKET = "guoshu-zhuanqu"
WORDS = halls.Words(
    name="果蔬超市专区", story="超市一楼入口右手边。", address="砀城镇测试路 1 号", hours="每天 9:00–20:00"
)
_SAID = {field.name for field in fields(halls.Words)}


def drafted(**change: Any) -> str:
    """A draft of the zone with `change`; returns its slug."""
    what: dict[str, Any] = {
        "slug": MARKET,
        "kind": HallKind.ZONE,
        "presence": HallPresence.PHYSICAL,
        "zone_kind": ZoneKind.SUPERMARKET,
        "region_code": "341321",
    } | {name: value for name, value in change.items() if name not in _SAID}
    words = replace(WORDS, **{name: value for name, value in change.items() if name in _SAID})
    with database.transaction() as session:
        halls.draft(session, words=words, **what)
    return str(what["slug"])


def take(slug: str, act: Act) -> State:
    with database.transaction() as session:
        return halls.take(session, slug=slug, act=act)


def opened(**change: Any) -> str:
    """The same, open."""
    slug = drafted(**change)
    take(slug, Act.OPEN)
    return slug

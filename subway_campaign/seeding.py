"""The campaign's inventory as far as it is known, and a code at every place where one can hang.

Invariant: seeding twice changes nothing; codes are drawn once and kept, and what is not documented (the train's line
and layout, slots, how many posters) is marked `illustrative`.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database
from subway_campaign import bindings
from subway_campaign.landing import Landing
from subway_campaign.lifecycle import Level

CAMPAIGN = "XFFP2020"
# The line on which the themed train ran in 2020 was not found; this is a setting, not a fact.
TRAIN_LINE = "1"
TV_SLOTS = 3
CREATIVES = {"A": "消费扶贫 你我同行（示意）", "B": "皖美特产 产地直供（示意）"}
_CARS, _DOORS_A_SIDE, _PANELS, _HANDLES = 6, 4, 8, 12
_DATA = Path(__file__).parent / "data"

# Called after each step with what it made, how much is done, and of how much.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Node:
    """One node of the tree; a leaf with a code says so, and which creative it shows."""

    number: str
    level: Level
    name: str
    meta: dict[str, Any] = field(default_factory=dict)
    has_code: bool = False
    creative: str = "A"

    @property
    def parent(self) -> str | None:
        return self.number.rpartition(".")[0] or None


_ILLUSTRATIVE = {"illustrative": True}


def seed(progress: Progress, *, now: datetime, landings: Sequence[Landing]) -> int:
    """Make the campaign, its tree and one code for every leaf, valid from `now`; returns how many codes are new.

    Leaves lead to `landings` in turn, which the shop passes in. A leaf
    that has ever had a code keeps it. Opens its own transaction.
    """
    tree = list(_tree())
    with database.transaction() as session:
        campaign = _campaign(session, now)
        progress("campaign", 1, 1)
        done = 0
        for level in Level:
            nodes = [node for node in tree if node.level is level]
            _insert(session, nodes)
            done += len(nodes)
            progress("placements", done, len(tree))
        leaves = [node for node in tree if node.has_code]
        made = _bind(session, leaves, campaign, landings, now)
        progress("codes", len(leaves), len(leaves))
    return made


def _campaign(session: Session, now: datetime) -> int:
    session.execute(
        text("""
            INSERT INTO campaigns (number, name, is_illustrative, created_at)
            VALUES (:number, '消费扶贫专列', true, :now) ON CONFLICT DO NOTHING
        """),
        {"number": CAMPAIGN, "now": now},
    )
    campaign: int = session.execute(
        text("SELECT id FROM campaigns WHERE number = :number"), {"number": CAMPAIGN}
    ).scalar_one()
    session.execute(
        text("""
            INSERT INTO creatives (campaign_id, number, name) VALUES (:campaign, :number, :name) ON CONFLICT DO NOTHING
        """),
        [{"campaign": campaign, "number": f"{CAMPAIGN}-{key}", "name": name} for key, name in CREATIVES.items()],
    )
    return campaign


def _insert(session: Session, nodes: list[_Node]) -> None:
    session.execute(
        text("""
            INSERT INTO placements (parent_id, number, level, name, meta)
            SELECT up.id, n.number, :level, n.name, cast(n.meta AS jsonb)
            FROM unnest(cast(:numbers AS text[]), cast(:parents AS text[]), cast(:names AS text[]),
                        cast(:metas AS text[])) AS n (number, parent, name, meta)
            LEFT JOIN placements up ON up.number = n.parent
            ON CONFLICT (number) DO NOTHING
        """),
        {
            "level": nodes[0].level,
            "numbers": [node.number for node in nodes],
            "parents": [node.parent for node in nodes],
            "names": [node.name for node in nodes],
            "metas": [database.dump_json(node.meta) for node in nodes],
        },
    )


def _bind(session: Session, leaves: list[_Node], campaign: int, landings: Sequence[Landing], now: datetime) -> int:
    """Hang a new code at every leaf that never had one."""
    hung = set(
        session.execute(
            text("SELECT p.number FROM code_bindings b JOIN placements p ON p.id = b.placement_id")
        ).scalars()
    )
    turn = [(leaf, landings[i % len(landings)]) for i, leaf in enumerate(leaves) if leaf.number not in hung]
    if not turn:
        return 0
    slugs = bindings.mint(session, count=len(turn), now=now)
    session.execute(
        text("""
            INSERT INTO code_bindings (code_id, placement_id, campaign_id, creative_id,
                                       landing_kind, landing_slug, valid_from)
            SELECT c.id, p.id, :campaign, r.id, n.kind, n.landing, :now
            FROM unnest(cast(:slugs AS text[]), cast(:numbers AS text[]), cast(:creatives AS text[]),
                        cast(:kinds AS text[]), cast(:landings AS text[])) AS n (slug, number, creative, kind, landing)
            JOIN codes c ON c.slug = n.slug
            JOIN placements p ON p.number = n.number
            JOIN creatives r ON r.number = n.creative
        """),
        {
            "campaign": campaign,
            "now": now,
            "slugs": slugs,
            "numbers": [leaf.number for leaf, _ in turn],
            "creatives": [f"{CAMPAIGN}-{leaf.creative}" for leaf, _ in turn],
            "kinds": [landing.kind for _, landing in turn],
            "landings": [landing.slug for _, landing in turn],
        },
    )
    return len(turn)


def _tree() -> Iterator[_Node]:
    yield from _metro()
    yield from _buses()
    yield from _coaches()
    yield from _service_areas()


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _metro() -> Iterator[_Node]:
    yield _Node("METRO", Level.MEDIUM, "地铁")
    yield _Node("METRO.HF", Level.NETWORK, "合肥轨道交通")
    platforms = [row for row in _rows("hefei_metro.csv") if row["open_in_2020_11"] == "yes"]
    lines = {row["line_no"]: row["line_name"] for row in platforms}
    for line_no, name in lines.items():
        line = f"METRO.HF.L{line_no}"
        yield _Node(line, Level.LINE, name)
        yield _Node(f"{line}.TV", Level.ASSET, f"{name}地铁电视")
        for slot in range(1, TV_SLOTS + 1):
            for creative in CREATIVES:
                # What every screen of the line shows in one slot is one placement, never one per screen.
                title = f"{name}地铁电视 第{slot}时段 素材{creative}"
                yield _Node(f"{line}.TV.S{slot}{creative}", Level.POSITION, title, _ILLUSTRATIVE, True, creative)
    for row in platforms:
        station = f"METRO.HF.L{row['line_no']}.S{int(row['seq']):02}"
        # 合肥火车站 ends in 站 already.
        name = f"{row['line_name']}{(row['name_in_2020'] or row['station']).removesuffix('站')}站"
        yield _Node(station, Level.ASSET, name, {"opened_on": row["open_date"]})
        yield _Node(f"{station}.LB1", Level.POSITION, f"{name} 灯箱1", _ILLUSTRATIVE, True)
    yield from _train(f"METRO.HF.L{TRAIN_LINE}.T01", lines[TRAIN_LINE])


def _train(train: str, line_name: str) -> Iterator[_Node]:
    yield _Node(train, Level.ASSET, f"{line_name}消费扶贫主题列车", _ILLUSTRATIVE)
    for car in range(1, _CARS + 1):
        number, name = f"{train}.C{car}", f"主题列车{car}号车厢"
        yield _Node(number, Level.CAR, name, _ILLUSTRATIVE)
        positions = [
            (f"D{side}{i}", f"{word}侧{i}号车门")
            for side, word in (("L", "左"), ("R", "右"))
            for i in range(1, _DOORS_A_SIDE + 1)
        ]
        positions += [(f"P{i:02}", f"侧墙{i}号展板") for i in range(1, _PANELS + 1)]
        positions += [(f"H{i:02}", f"{i}号拉手") for i in range(1, _HANDLES + 1)]
        positions.append(("F1", "地贴"))
        for label, title in positions:
            yield _Node(f"{number}.{label}", Level.POSITION, f"{name} {title}", _ILLUSTRATIVE, True)


def _buses() -> Iterator[_Node]:
    yield _Node("BUS", Level.MEDIUM, "公交")
    yield _Node("BUS.HF", Level.NETWORK, "合肥公交")
    for row in _rows("transport.csv"):
        if row["kind"] == "bus_route":
            line = f"BUS.HF.{row['line_code']}"
            yield _Node(line, Level.LINE, row["name"], {"brand": row["line_name"]})
            yield _Node(f"{line}.P1", Level.POSITION, f"公交{row['name']} 车厢海报", _ILLUSTRATIVE, True)


def _coaches() -> Iterator[_Node]:
    yield _Node("COACH", Level.MEDIUM, "客运班车")
    yield _Node("COACH.AH", Level.NETWORK, "安徽公路客运")
    stations = [row for row in _rows("transport.csv") if row["kind"] == "coach_station"]
    for i, row in enumerate(stations, start=1):
        station = f"COACH.AH.S{i:02}"
        yield _Node(station, Level.ASSET, row["name"], {"city": row["city"], "existed_2020": row["existed_2020"]})
        yield _Node(f"{station}.P1", Level.POSITION, f"{row['name']} 候车厅海报", _ILLUSTRATIVE, True)


def _service_areas() -> Iterator[_Node]:
    yield _Node("SERVICE", Level.MEDIUM, "高速公路服务区")
    yield _Node("SERVICE.AH", Level.NETWORK, "安徽高速服务区")
    areas = [row for row in _rows("transport.csv") if row["kind"] == "service_area"]
    roads: dict[tuple[str, str], str] = {}
    for i, row in enumerate(areas, start=1):
        # Some roads have no number in the source; and two roads have shared one.
        road = (row["line_code"], row["line_name"])
        if road not in roads:
            roads[road] = f"SERVICE.AH.R{len(roads) + 1:02}"
            yield _Node(roads[road], Level.LINE, f"{row['line_code']} {row['line_name']}".strip())
        area = f"{roads[road]}.A{i:03}"
        name = f"{row['name']}（{row['direction']}）"
        meta = {"direction": row["direction"], "county_code": row["county_code"], "existed_2020": row["existed_2020"]}
        yield _Node(area, Level.ASSET, name, meta)
        yield _Node(f"{area}.P1", Level.POSITION, f"{name} 餐厅台卡", _ILLUSTRATIVE, True)

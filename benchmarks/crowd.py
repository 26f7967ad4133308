"""A month of a whole metro: millions of touches and hundreds of thousands of orders at 500 placements, by COPY.

Invariant: everything follows from counters and from the instant at which the first day was loaded, a day is one
transaction, and a day that is there is not loaded again: killed, it goes on where it was. Decisions, evidence and
weights are those of the product's own rules, so that an explanation of any order repeats its decision.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time

import orjson
import psycopg
from tqdm import tqdm

from benchmarks.stand import Stand
from config import clock, database
from subway_campaign import attribution, codes, partitions, shares
from subway_campaign.lifecycle import Model, TouchKind

DAYS = 30
PLACEMENTS = 500
LINES, TRAINS = 8, 5
ONE_DAY = timedelta(days=1)
FREIGHT_FEN, LINE_FEN = 800, (5_980, 3_990)
# Fewer than the bench copies for a thousand SKUs.
_GOODS = 390
# Every fortieth paid order is given back as a whole, a day later.
_REFUNDED_EACH = 40
_LOADED = (
    "touches",
    "touch_confirmations",
    "conversions",
    "conversion_lines",
    "conversion_refunds",
    "journey_stages",
    "attribution_decisions",
    "attribution_weights",
    "credits",
)
_TOUCHES = """COPY touches (id, occurred_at, received_at, kind, surface, clock, drop_reason, visitor_id, code_id,
                            binding_id, placement_id, network) FROM STDIN"""
_CONFIRMATIONS = "COPY touch_confirmations (touch_id, confirmed_at) FROM STDIN"


@dataclass(frozen=True)
class Crowd:
    """How many touches and orders there are in all, and the first of their Shanghai days."""

    touches: int
    orders: int
    first_day: date

    @property
    def touches_a_day(self) -> int:
        """Return the touches of one day: two even halves."""
        return self.touches // DAYS // 4 * 4

    @property
    def orders_a_day(self) -> int:
        """Return the orders of one day."""
        return self.orders // DAYS


@dataclass(frozen=True)
class Spot:
    """Where a code of the crowd hangs."""

    placement_id: int
    placement: str
    code_id: int
    code: str
    binding_id: int


def load(stand: Stand, *, touches: int, orders: int) -> Crowd:
    """Load what is missing of a crowd of this size, and return it. Raises `SystemExit` where another one is kept."""
    with stand.connect() as connection:
        crowd = _kept(connection, touches, orders)
        database.configure(stand.engines.database_url, pool_size=1)
        partitions.ensure(now=datetime.combine(crowd.first_day, clock_time(), tzinfo=UTC) - ONE_DAY)
        database.engine().dispose()
        spots = _spots(connection)
        done = {day for (day,) in connection.execute("SELECT day FROM scale.days").fetchall()}
        with tqdm(total=DAYS * crowd.touches_a_day, desc="touches", unit="", unit_scale=True) as bar:
            for number in range(DAYS):
                if number not in done:
                    with connection.transaction():
                        _day(connection, crowd, spots, number)
                bar.update(crowd.touches_a_day)
        if len(done) < DAYS:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
    return crowd


def _kept(connection: psycopg.Connection, touches: int, orders: int) -> Crowd:
    today = datetime.now(clock.SHANGHAI).date()
    connection.execute(
        """
        CREATE SCHEMA IF NOT EXISTS scale;
        CREATE TABLE IF NOT EXISTS scale.crowd (one boolean PRIMARY KEY DEFAULT true, touches bigint, orders bigint,
                                                first_day date);
        CREATE TABLE IF NOT EXISTS scale.days (day integer PRIMARY KEY);
        """
    )
    connection.execute(
        "INSERT INTO scale.crowd (touches, orders, first_day) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (touches, orders, today - DAYS * ONE_DAY),
    )
    row = connection.execute("SELECT touches, orders, first_day FROM scale.crowd").fetchone()
    assert row is not None
    if row[:2] != (touches, orders):
        raise SystemExit(f"This folder keeps {row[0]:,} touches and {row[1]:,} orders; give another with --data.")
    return Crowd(*row)


def _spots(connection: psycopg.Connection) -> list[Spot]:
    """Return the crowd's own 500 placements with a code each, made at the first time."""
    if connection.execute("SELECT 1 FROM placements WHERE number = 'SCALE'").fetchone() is None:
        with connection.transaction():
            _hang(connection)
    rows = connection.execute(
        """
        SELECT p.id, p.number, c.id, c.slug, b.id FROM placements p
        JOIN code_bindings b ON b.placement_id = p.id JOIN codes c ON c.id = b.code_id
        WHERE p.number LIKE 'SCALE.%' ORDER BY p.number
        """
    )
    return [Spot(*row) for row in rows]


def _hang(connection: psycopg.Connection) -> None:
    nodes = [("SCALE", None, "medium"), ("SCALE.M", "SCALE", "network")]
    for line in range(LINES):
        nodes.append((f"SCALE.M.L{line}", "SCALE.M", "line"))
        nodes += [(f"SCALE.M.L{line}.T{train}", f"SCALE.M.L{line}", "asset") for train in range(TRAINS)]
    for number in range(PLACEMENTS):
        train = f"SCALE.M.L{number % LINES}.T{number // LINES % TRAINS}"
        nodes.append((f"{train}.P{number:03}", train, "position"))
    for node, parent, level in nodes:
        connection.execute(
            """
            INSERT INTO placements (parent_id, number, level, name)
            SELECT (SELECT id FROM placements WHERE number = %(parent)s), %(node)s, %(level)s, %(node)s
            """,
            {"node": node, "parent": parent, "level": level},
        )
    since = datetime.now(UTC) - 90 * ONE_DAY
    for number, (node, _, _) in enumerate(nodes[-PLACEMENTS:]):
        body = f"SC{number:05}"
        connection.execute(
            """
            WITH code AS (INSERT INTO codes (slug, minted_at) VALUES (%(slug)s, %(since)s) RETURNING id)
            INSERT INTO code_bindings (code_id, placement_id, campaign_id, landing_kind, landing_slug, valid_from)
            SELECT code.id, p.id, m.id, l.landing_kind, l.landing_slug, %(since)s
            FROM code, placements p, (SELECT id FROM campaigns ORDER BY id LIMIT 1) m,
                 (SELECT landing_kind, landing_slug FROM code_bindings ORDER BY id LIMIT 1) l
            WHERE p.number = %(node)s
            """,
            {"slug": body + codes.check(body), "since": since, "node": node},
        )
    connection.execute(
        """
        INSERT INTO reference.codes (id, slug, placement_id, landing_slug)
        SELECT c.id, c.slug, b.placement_id, b.landing_slug
        FROM codes c JOIN code_bindings b ON b.code_id = c.id WHERE c.slug LIKE 'SC%'
        ON CONFLICT (slug) DO NOTHING
        """
    )


def _day(connection: psycopg.Connection, crowd: Crowd, spots: list[Spot], number: int) -> None:
    """Load one day: its touches, who confirmed, who ordered, who paid, and what was decided."""
    # The load is not the product's way of writing; it marks its days for the rollups itself.
    connection.execute("SET LOCAL session_replication_role = replica")
    made = Day(crowd, spots, number)
    with connection.cursor().copy(_TOUCHES) as copy:
        for row in made.touches():
            copy.write(row)
    with connection.cursor().copy(_CONFIRMATIONS) as copy:
        for row in made.confirmations():
            copy.write(row)
    orders = Orders(made)
    for sql, rows in orders.tables():
        with connection.cursor().copy(sql) as copy:
            for values in rows:
                copy.write_row(values)
    for table in ("conversions", "attribution_decisions"):
        connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    connection.execute("INSERT INTO scale.days VALUES (%s)", (number,))
    connection.execute(
        """
        INSERT INTO rollup_marks (kind, day)
        SELECT kind, day FROM unnest(ARRAY['scans', 'orders']) kind, unnest(%s::date[]) day
        """,
        ([made.day, made.day + ONE_DAY],),
    )


class Day:
    """The touches of one day, each a function of its number.

    One visitor of three comes twice, half a day apart; a hundredth are crawlers; three of ten never confirm.
    """

    def __init__(self, crowd: Crowd, spots: list[Spot], number: int) -> None:
        self.crowd, self.spots, self.number = crowd, spots, number
        self.day = crowd.first_day + number * ONE_DAY
        self.began = datetime.combine(self.day, clock_time(), tzinfo=clock.SHANGHAI).astimezone(UTC)
        self.count = crowd.touches_a_day
        self._step = ONE_DAY / self.count

    def at(self, touch: int) -> datetime:
        """Return when a touch happened."""
        return self.began + touch * self._step

    def id_of(self, touch: int) -> uuid.UUID:
        """Return a touch's id, ordered by time as the product's are."""
        return _ordered(self.number * self.count + touch, 1)

    def visitor(self, touch: int) -> uuid.UUID:
        """Return whose touch it is: every second one of the afternoon is of a visitor of the morning."""
        half = self.count // 2
        return _ordered(self.number * self.count + (touch - half if self.is_second(touch) else touch), 2)

    def is_second(self, touch: int) -> bool:
        """Return whether its visitor has touched before."""
        return touch >= self.count // 2 and touch % 2 == 0

    def spot(self, touch: int) -> Spot:
        """Return where it happened; a visitor never meets one placement twice."""
        return self.spots[(touch * 7919 + (touch >= self.count // 2)) % len(self.spots)]

    def is_crawler(self, touch: int) -> bool:
        """Return whether it was a program."""
        return _scattered(touch) % 100 == 99

    def is_confirmed(self, touch: int) -> bool:
        """Return whether a page proved a person."""
        return _scattered(touch) % 10 < 7 and not self.is_crawler(touch)

    def touches(self) -> Iterator[str]:
        """Yield the rows of the touches for COPY."""
        for touch in range(self.count):
            at, spot = self.at(touch).isoformat(), self.spot(touch)
            drop = "wechat_crawler" if self.is_crawler(touch) else r"\N"
            yield (
                f"{self.id_of(touch)}\t{at}\t{at}\tscan\th5\tserver\t{drop}\t{self.visitor(touch)}\t{spot.code_id}\t"
                f"{spot.binding_id}\t{spot.placement_id}\t10.{touch % 200}.0.0/24\n"
            )

    def confirmations(self) -> Iterator[str]:
        """Yield the rows of their confirmations for COPY."""
        for touch in range(self.count):
            if self.is_confirmed(touch):
                yield f"{self.id_of(touch)}\t{(self.at(touch) + timedelta(seconds=2)).isoformat()}\n"

    def candidates(self, touch: int) -> list[attribution.Candidate]:
        """Return what a decision on an order right after this touch reads."""
        before = [touch - self.count // 2] if self.is_second(touch) else []
        return [self._candidate(each) for each in (*before, touch)]

    def _candidate(self, touch: int) -> attribution.Candidate:
        spot = self.spot(touch)
        return attribution.Candidate(
            touch=self.id_of(touch),
            occurred_at=self.at(touch),
            kind=TouchKind.SCAN,
            code=spot.code,
            binding_id=spot.binding_id,
            placement_id=spot.placement_id,
            placement=spot.placement,
            confirmed=self.is_confirmed(touch),
            dropped="wechat_crawler" if self.is_crawler(touch) else None,
            excluded=None,
        )


class Orders:
    """The orders of one day, as rows of the product's tables."""

    def __init__(self, day: Day) -> None:
        self._rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in _LOADED[2:]}
        confirmed = [touch for touch in range(day.count) if day.is_confirmed(touch)]
        # Orders lie evenly among the riders, and a quarter of them saw two placements.
        every = max(1, len(confirmed) // max(1, day.crowd.orders_a_day))
        for number, touch in enumerate(confirmed[::every][: day.crowd.orders_a_day]):
            self._order(day, touch, 10**9 + day.number * day.crowd.orders_a_day + number)

    def tables(self) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        """Yield for each table how to COPY into it, and its rows."""
        for table, rows in self._rows.items():
            yield f"COPY {table} ({_COLUMNS[table]}) FROM STDIN", rows

    def _order(self, day: Day, touch: int, number: int) -> None:
        placed_at = day.at(touch) + timedelta(minutes=5)
        paid_at = placed_at + timedelta(minutes=1) if number % 5 else None
        candidates = day.candidates(touch)
        decision = attribution.decide(candidates, placed_at=placed_at)
        last = decision.journey[-1]
        assert last.touch == day.id_of(touch)
        name = f"SCALE{number}"
        self._rows["conversions"].append(
            (number, name, day.visitor(touch), False, placed_at, paid_at, FREIGHT_FEN, decision.outcome,
             decision.reason, last.touch, last.touch, last.placement_id)
        )  # fmt: skip
        lines = dict(enumerate(LINE_FEN[: 1 + number % 2], start=1))
        for line, fen in lines.items():
            self._rows["conversion_lines"].append((number, line, _product(number, line), fen, fen if paid_at else None))
        for stage in ("view", "cart", "order", *(["paid"] if paid_at else [])):
            self._rows["journey_stages"].append((last.touch, stage, last.touch, last.placement_id, placed_at))
        if paid_at:
            self._decide(number, name, candidates, decision, lines, placed_at, paid_at)

    def _decide(
        self,
        number: int,
        name: str,
        candidates: list[attribution.Candidate],
        decision: attribution.Decision,
        lines: dict[int, int],
        placed_at: datetime,
        paid_at: datetime,
    ) -> None:
        evidence = orjson.dumps([candidate.as_evidence() for candidate in candidates]).decode()
        params = orjson.dumps({"window_s": int(attribution.WINDOW.total_seconds()), "excluded": None}).decode()
        self._rows["attribution_decisions"].append(
            (number, number, 1, attribution.RULES_VERSION, params, placed_at, decision.outcome, decision.reason,
             evidence, "[]", paid_at)
        )  # fmt: skip
        is_refunded, back_at = number % _REFUNDED_EACH == 1, paid_at + ONE_DAY
        if is_refunded:
            for line, fen in lines.items():
                self._rows["conversion_refunds"].append((f"R{name}", line, name, fen, back_at, "applied"))
        for model in Model:
            weights = decision.weights[model]
            for position, (candidate, weight) in enumerate(zip(decision.journey, weights, strict=True)):
                if weight:
                    self._rows["attribution_weights"].append(
                        (number, model, candidate.touch, position, candidate.binding_id, candidate.placement_id,
                         *weight.as_integer_ratio())
                    )  # fmt: skip
            for line, fen in lines.items():
                for candidate, part in zip(decision.journey, shares.split(fen, weights), strict=True):
                    if part:
                        earned = (number, model, line, candidate.touch, candidate.placement_id)
                        self._rows["credits"].append((*earned, "sale", name, part, paid_at, paid_at))
                        if is_refunded:
                            self._rows["credits"].append((*earned, "refund", f"R{name}", -part, back_at, paid_at))


_COLUMNS = {
    "conversions": "id, order_number, visitor_id, by_staff, placed_at, paid_at, freight_fen, outcome, reason, journey, "
    "touch_id, placement_id",
    "conversion_lines": "conversion_id, line_no, product, amount_fen, paid_fen",
    "conversion_refunds": "refund, line_no, order_number, fen, refunded_at, state",
    "journey_stages": "journey, stage, touch_id, placement_id, reached_at",
    "attribution_decisions": "id, conversion_id, version, rules_version, params, cutoff_at, outcome, reason, evidence, "
    "flags, decided_at",
    "attribution_weights": "decision_id, model, touch_id, position, binding_id, placement_id, w_num, w_den",
    "credits": "decision_id, model, line_no, touch_id, placement_id, entry, source, fen, occurred_at, cohort_at",
}


def _product(order: int, line: int) -> str:
    """Return the slug of what is sold: the first goods sell most, of the very first is each twentieth line."""
    return f"bench-{1 + int(_GOODS * (_scattered(order * 2 + line) / 2**20) ** 2)}"


def _ordered(number: int, kind: int) -> uuid.UUID:
    """Return an id that grows with `number`; `kind` tells touches from visitors."""
    return uuid.UUID(int=(0x19B << 116) | (number << 80) | (0x7 << 76) | (kind << 64) | (0b10 << 62) | number)


def _scattered(number: int) -> int:
    """Return a number that has nothing to do with the placements, which also follow from the touch's own number."""
    return (number * 2_654_435_761 >> 13) & 0xFFFFF

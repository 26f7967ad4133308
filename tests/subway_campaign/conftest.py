"""A small world: two lines of posters with codes, and shorthand for what riders do."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from config import clock, database
from subway_campaign import bindings, conversions, placements, reviews, rollups, visits
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import Level


def beijing(month: int, day: int, hour: int = 8, minute: int = 0, second: int = 0) -> datetime:
    """An instant of 2026, as the rules' examples write it."""
    return datetime(2026, month, day, hour, minute, second, tzinfo=clock.SHANGHAI).astimezone(UTC)


@dataclass
class World:
    """Codes by the letter of the placement where they hang."""

    codes: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)

    def scan(self, place: str, at: datetime, visitor: UUID | None = None, *, confirm: bool = True) -> visits.Opened:
        opened = visits.open(slug=self.codes[place], visitor=visitor, now=at)
        if confirm:
            visits.confirm(token=opened.token, visitor=opened.visitor, now=at)
        return opened

    def order(
        self,
        number: str,
        visitor: UUID | None,
        at: datetime,
        *fens: int,
        paid_at: datetime | None = None,
        pay: bool = True,
        person: UUID | None = None,
        freight_fen: int = 0,
        by_staff: bool = False,
        products: tuple[str, ...] = (),
    ) -> None:
        """Place an order of one line for each of `fens`, of `products` in turn (or all tea), and pay."""
        fens = fens or (9_900,)
        sold = products or ("tea",)
        with database.transaction() as session:
            conversions.placed(
                session,
                order=number,
                visitor=visitor,
                person=person,
                placed_at=at,
                lines=[conversions.Line(no + 1, sold[no % len(sold)], fen) for no, fen in enumerate(fens)],
                freight_fen=freight_fen,
                by_staff=by_staff,
            )
        if pay:
            self.pay(number, paid_at or at + timedelta(minutes=1), *fens)

    def pay(self, number: str, at: datetime, *fens: int) -> bool:
        with database.transaction() as session:
            return conversions.paid(session, order=number, paid_at=at, lines=dict(enumerate(fens, start=1)))

    def refund(self, number: str, refund: str, at: datetime, lines: dict[int, int], freight_fen: int = 0) -> bool:
        with database.transaction() as session:
            return conversions.refunded(
                session, order=number, refund=refund, lines=lines, refunded_at=at, freight_fen=freight_fen
            )

    def credits(self, number: str, model: str = "last") -> dict[str | None, int]:
        """Net fen by the placement's letter, None for what nobody earned."""
        letters = {number: letter for letter, number in self.numbers.items()}
        with database.transaction() as session:
            rows = session.execute(
                text("""
                    SELECT p.number, sum(k.fen) FROM credits k
                    JOIN attribution_decisions d ON d.id = k.decision_id
                    JOIN conversions c ON c.id = d.conversion_id
                    LEFT JOIN placements p ON p.id = k.placement_id
                    WHERE c.order_number = :order AND k.model = :model GROUP BY 1
                """),
                {"order": number, "model": model},
            )
            return {letters.get(row[0]): int(row[1]) for row in rows}

    def review(self, now: datetime) -> int:
        """Do what the worker does: roll up, hand on, look again."""
        rollups.roll_up()
        return reviews.review_due(now=now)

    def settle(self) -> None:
        """Roll up what is left, and find no drift."""
        rollups.roll_up()
        assert rollups.verify() == ([], 0)

    def reason(self, number: str) -> str:
        with database.transaction() as session:
            return str(
                session.execute(
                    text("SELECT reason FROM conversions WHERE order_number = :order"), {"order": number}
                ).scalar_one()
            )


@pytest.fixture
def world(db: None) -> World:
    """A: a panel in a car of line 1. B: the same on line 4. C: a light box of line 1. All hang since January."""
    made = World()
    since = beijing(1, 1)
    with database.transaction() as session:
        session.execute(
            text("""
                INSERT INTO campaigns (number, name, is_illustrative, created_at) VALUES ('DRIVE', '活动', true, now())
            """)
        )
        placements.create(session, parent=None, level=Level.MEDIUM, label="METRO", name="地铁")
        placements.create(session, parent="METRO", level=Level.NETWORK, label="HF", name="合肥")
        for line, train in (("L1", "T07"), ("L4", "T02")):
            placements.create(session, parent="METRO.HF", level=Level.LINE, label=line, name=line)
            placements.create(session, parent=f"METRO.HF.{line}", level=Level.ASSET, label=train, name=train)
            placements.create(session, parent=f"METRO.HF.{line}.{train}", level=Level.CAR, label="C1", name="1号车")
        places = {"A": ("METRO.HF.L1.T07.C1", "P12"), "B": ("METRO.HF.L4.T02.C1", "P01"), "C": ("METRO.HF.L1", "LB1")}
        codes = bindings.mint(session, count=len(places), now=since)
        for (letter, (parent, label)), code in zip(places.items(), codes, strict=True):
            made.numbers[letter] = placements.create(
                session, parent=parent, level=Level.POSITION, label=label, name=f"点位{letter}"
            )
            made.codes[letter] = code
            bindings.bind(
                session,
                code=code,
                placement=made.numbers[letter],
                campaign="DRIVE",
                landing=Landing(LandingKind.PRODUCT, "tea"),
                valid_from=since,
            )
    return made

from datetime import UTC, datetime

from sqlalchemy import text

from config import database
from subway_campaign import partitions, visits
from tests.subway_campaign.conftest import World, beijing

SOON = datetime(2031, 12, 15, tzinfo=UTC)
NAMES = ["touches_p_2031_12", "touches_p_2032_01", "touches_p_2032_02", "touches_p_2032_03"]


def test_three_months_are_ready_and_waiting_rows_move_along(world: World) -> None:
    visits.open(slug=world.codes["A"], visitor=None, now=SOON)
    visits.open(slug=world.codes["A"], visitor=None, now=beijing(3, 1))
    try:
        assert partitions.ensure(now=SOON) == NAMES
        assert partitions.ensure(now=SOON) == []
        visits.open(slug=world.codes["A"], visitor=None, now=datetime(2032, 1, 1, tzinfo=UTC))
        with database.transaction() as session:
            found = session.execute(text("SELECT tableoid::regclass::text FROM touches ORDER BY occurred_at")).scalars()
            assert list(found)[1:] == NAMES[:2]
            assert session.execute(text("SELECT count(*) FROM touches")).scalar_one() == 3
    finally:
        with database.transaction() as session:
            session.execute(text(f"DROP TABLE IF EXISTS {', '.join(NAMES)}"))


def test_migrating_leaves_a_default_and_the_months_from_now(world: World) -> None:
    with database.transaction() as session:
        names = set(session.execute(text("SELECT inhrelid::regclass::text FROM pg_inherits")).scalars())
        now = session.execute(text("SELECT now()")).scalar_one()
    assert "touches_p_default" in names
    assert {partitions._month(now, ahead)[0] for ahead in range(4)} <= names

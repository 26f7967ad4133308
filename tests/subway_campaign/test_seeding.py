from collections import Counter

from sqlalchemy import text

from config import database
from subway_campaign import seeding, visits
from subway_campaign.landing import Landing, LandingKind
from tests.subway_campaign.conftest import beijing

NOW = beijing(3, 1)
LANDINGS = [Landing(LandingKind.HALL, "anhui"), Landing(LandingKind.PRODUCT, "tea")]


def test_the_inventory_is_complete_and_seeding_twice_changes_nothing(db: None) -> None:
    steps: list[tuple[str, int, int]] = []
    made = seeding.seed(lambda *step: steps.append(step), now=NOW, landings=LANDINGS)
    assert seeding.seed(lambda *step: None, now=beijing(4, 1), landings=LANDINGS) == 0
    assert steps[-1] == ("codes", made, made)
    with database.transaction() as session:
        leaves = list(
            session.execute(
                text("""
                    SELECT p.number, p.meta FROM placements p JOIN code_bindings b ON b.placement_id = p.id
                    WHERE b.valid_from = :now AND b.valid_until IS NULL
                """),
                {"now": NOW},
            )
        )
        assert len(leaves) == made == session.execute(text("SELECT count(*) FROM codes")).scalar_one()
        stations = session.execute(
            text("SELECT count(*), count(DISTINCT substr(name, 4)) FROM placements WHERE number ~ 'L[0-9][.]S[0-9]+$'")
        ).one()
        landings = Counter(session.execute(text("SELECT landing_slug FROM code_bindings")).scalars())
    kinds = Counter(number.split(".")[0] for number, _ in leaves)
    assert tuple(stations) == (80, 77)
    assert kinds == {"METRO": 6 * 29 + 3 * 3 * 2 + 80, "BUS": 25, "COACH": 9, "SERVICE": 47}
    assert all(meta == {"illustrative": True} for _, meta in leaves)
    assert abs(landings["anhui"] - landings["tea"]) <= 1


def test_a_seeded_code_works_from_the_moment_of_seeding(db: None) -> None:
    seeding.seed(lambda *step: None, now=NOW, landings=LANDINGS)
    with database.transaction() as session:
        code = session.execute(text("SELECT slug FROM codes LIMIT 1")).scalar_one()
    opened = visits.open(slug=code, visitor=None, now=NOW)
    assert opened.landing in LANDINGS
    assert not opened.is_orphan

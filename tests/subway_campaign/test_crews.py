"""Swaps on the spot (R12b), inspections, and codes that are never used again."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from config import database, pictures
from subway_campaign import alerts, bindings, crews, errors, plans, visits
from subway_campaign.crews import Scan
from subway_campaign.field_models import AlertKind, Finding
from subway_campaign.landing import Landing, LandingKind
from tests.subway_campaign.conftest import World, beijing

UP, DOWN = beijing(2, 11, 3), beijing(2, 10, 23, 40)


def scan(code: str, *, key: UUID | None = None, crew: str = "wang") -> Scan:
    """A scan with a photo; the file does not matter here."""
    number = f"PIC{uuid4().hex[:12].upper()}"
    database.statement(
        "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at, kept_until)"
        " VALUES (%s, false, 64, 48, '{}', %s, %s)",
        (number, DOWN, DOWN + timedelta(days=365)),
    )
    return Scan(key=key or uuid4(), code=code, picture=number, crew=crew)


def take_down(code: str, at=DOWN, **more: object) -> dict:  # noqa: ANN001
    given = more.pop("scan", None) or scan(code)
    with database.transaction() as session:
        return crews.take_down(session, scan=given, now=at, **more)


def put_up(code: str, placement: str | None, at=UP, **more: object) -> dict:  # noqa: ANN001
    given = more.pop("scan", None) or scan(code, **more)
    with database.transaction() as session:
        return crews.put_up(session, scan=given, placement=placement, now=at)


def history(code: str) -> list[tuple]:
    with database.transaction() as session:
        return [
            (one["placement"], one["valid_from"], one["valid_until"])
            for one in bindings.find(session, code=code).bindings
        ]


def test_r12b_a_swap_leaves_a_gap_in_which_scans_are_orphans_with_a_reason(world: World) -> None:
    """R12b: taken down 23:40, up 03:00; a scan at 01:10 is an orphan."""
    code, (a, b) = world.codes["A"], (world.numbers["A"], world.numbers["B"])
    kept = take_down(code)
    assert (kept["act"], kept["placement"], kept["scanned_at"], kept["crew"]) == ("taken_down", a, DOWN, "wang")
    assert history(code) == [(a, beijing(1, 1), DOWN)]

    rider, before, after = uuid4(), uuid4(), uuid4()
    assert not world.scan("A", DOWN - timedelta(seconds=1), before).is_orphan
    gap = world.scan("A", beijing(2, 11, 1, 10), rider)
    assert gap.is_orphan
    assert gap.landing == Landing(LandingKind.PRODUCT, "tea")

    put_up(code, b)
    assert history(code) == [(b, UP, None), (a, beijing(1, 1), DOWN)]
    assert not world.scan("A", UP, after).is_orphan
    for number, visitor in (("before", before), ("gap", rider), ("after", after)):
        world.order(number, visitor, beijing(2, 11, 12))
    assert (world.credits("before"), world.credits("after")) == ({"A": 9_900}, {"B": 9_900})
    assert world.credits("gap") == {None: 9_900}
    assert world.reason("gap") == "orphan_code"
    touches = database.statement(
        "SELECT count(*) FROM touches WHERE code_id IS NOT NULL AND binding_id IS NULL AND drop_reason IS NULL"
    )
    assert touches == [(1,)]


def test_the_office_plans_and_the_crew_begins(world: World) -> None:
    """A plan, the back-office click, hangs nothing."""
    code, b = world.codes["A"], world.numbers["B"]
    with database.transaction() as session:
        for slug in ("plums", "pears"):
            plans.make(
                session, code=code.lower(), placement=b, campaign="DRIVE", landing=Landing(LandingKind.PRODUCT, slug),
                by="office", now=DOWN - timedelta(days=1),
            )  # fmt: skip
        assert [
            (one.code, one.placement, one.landing.slug) for one in plans.open_list(session, under="METRO.HF.L4")
        ] == [(code, b, "pears")]
    assert len(history(code)) == 1
    take_down(code)
    with pytest.raises(errors.PlannedElsewhere) as elsewhere:
        put_up(code, world.numbers["C"])
    assert elsewhere.value.details["placement"] == b
    put_up(code, None)
    assert history(code)[0] == (b, UP, None)
    with database.transaction() as session:
        assert bindings.find(session, code=code).bindings[0]["landing"] == {"kind": "product", "slug": "pears"}
        assert plans.of(session, code=code) is None


def test_a_new_code_takes_over_what_hung_there(world: World) -> None:
    a = world.numbers["A"]
    take_down(world.codes["A"], is_retired=True)
    with database.transaction() as session:
        (fresh,) = bindings.mint(session, count=1, now=DOWN)
        assert [one["number"] for one in crews.emptied(session, crew="wang", now=UP)] == [a]
    with pytest.raises(errors.NoPlan):
        put_up(fresh, None)
    with pytest.raises(errors.UnknownPlacement):
        put_up(fresh, "METRO.NOWHERE")
    put_up(fresh, a)
    with database.transaction() as session:
        assert bindings.find(session, code=fresh).bindings[0]["campaign"] == "DRIVE"
        assert crews.emptied(session, crew="wang", now=UP) == []


def test_a_form_that_arrives_twice_counts_once(world: World) -> None:
    given = scan(world.codes["A"])
    first = take_down(given.code, scan=given)
    assert take_down(given.code, DOWN + timedelta(minutes=9), scan=given) == first
    assert history(given.code) == [(world.numbers["A"], beijing(1, 1), DOWN)]
    again = scan(given.code, key=given.key)
    with pytest.raises(errors.ScanReused):
        put_up(given.code, world.numbers["A"], scan=again)
    other = scan(world.codes["B"], key=given.key)
    with pytest.raises(errors.ScanReused):
        take_down(other.code, scan=other)
    up = scan(given.code)
    assert put_up(up.code, world.numbers["A"], scan=up) == put_up(up.code, world.numbers["A"], scan=up)


def test_what_cannot_be_is_refused_and_changes_nothing(world: World) -> None:
    code = world.codes["A"]
    with pytest.raises(errors.AlreadyHanging) as hanging:
        put_up(code, world.numbers["B"])
    assert hanging.value.details["placement"] == world.numbers["A"]
    take_down(code)
    with pytest.raises(errors.NotHanging) as down:
        take_down(code, UP)
    assert down.value.details == {"crew": "wang", "taken_down_at": DOWN.isoformat()}
    with pytest.raises(errors.UnknownCode):
        take_down("7K3M9X2P")
    late = Scan(key=uuid4(), code=code, picture="PIC0000000000", crew="wang")
    with pytest.raises(pictures.UnknownPicture):
        put_up(code, world.numbers["A"], scan=late)
    assert history(code) == [(world.numbers["A"], beijing(1, 1), DOWN)]


def test_an_artwork_hangs_only_in_its_time(world: World) -> None:
    from subway_campaign import creatives

    code = world.codes["A"]
    with database.transaction() as session:
        creatives.create(session, number="SPRING", campaign="DRIVE", name="春茶", valid_from=UP + timedelta(hours=1))
        plans.make(
            session, code=code, placement=world.numbers["B"], campaign="DRIVE", creative="SPRING",
            landing=Landing(LandingKind.PRODUCT, "tea"), by="office", now=DOWN,
        )  # fmt: skip
    take_down(code)
    with pytest.raises(errors.CreativeNotValid):
        put_up(code, None)
    given = Scan(key=uuid4(), code=code, picture=scan(code).picture, crew="wang")
    put_up(code, None, UP + timedelta(hours=1), scan=given)
    with database.transaction() as session:
        assert bindings.find(session, code=code).bindings[0]["creative"] == "SPRING"


def test_an_inspection_is_kept_and_damage_opens_one_alert(world: World) -> None:
    code = world.codes["A"]
    given = [scan(code) for _ in range(3)]
    with database.transaction() as session:
        assert crews.inspect(session, scan=given[0], finding=Finding.FINE, now=DOWN)["finding"] == "fine"
        assert alerts.listing(session, is_open=True) == []
        for one, finding in zip(given[1:], (Finding.COVERED, Finding.DAMAGED), strict=True):
            crews.inspect(session, scan=one, finding=finding, now=UP)
        (alert,) = alerts.listing(session, is_open=True, kind=AlertKind.INSPECTION)
        assert (alert["subject"], alert["placement"], alert["evidence"]["finding"]) == (
            code,
            world.numbers["A"],
            "damaged",
        )
        assert len(crews.latest(session, code=code)) == 3


def test_a_retired_code_is_never_brought_back_changed_or_hung_again(world: World) -> None:
    """By the database itself, whoever asks."""
    code = world.codes["A"]
    take_down(code, is_retired=True)
    with pytest.raises(errors.UnknownCode):
        visits.open(slug=code, visitor=None, now=UP)
    assert database.statement("SELECT slug FROM orphan_scans") == [(code,)]
    for statement in (
        "UPDATE codes SET retired_at = NULL WHERE slug = %s",
        "UPDATE codes SET slug = '00000000' WHERE slug = %s",
        "DELETE FROM codes WHERE slug = %s",
        """INSERT INTO code_bindings (code_id, placement_id, campaign_id, landing_kind, landing_slug, valid_from)
           SELECT c.id, b.placement_id, b.campaign_id, 'product', 'tea', now() FROM codes c
           JOIN code_bindings b ON b.code_id = c.id WHERE c.slug = %s""",
        "INSERT INTO codes (slug, minted_at) VALUES (%s, now())",
    ):
        with pytest.raises(psycopg.IntegrityError):
            database.statement(statement, (code,))
    with pytest.raises(errors.UnknownCode):
        put_up(code, world.numbers["A"])


def race(*acts: Callable[[], object]) -> list[BaseException | None]:
    """Do things at once and return what each was refused with."""
    refused: list[BaseException | None] = [None] * len(acts)

    def run(at: int) -> None:
        try:
            acts[at]()
        except (errors.errors.AppError, IntegrityError, OperationalError) as refusal:
            refused[at] = refusal

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def two_crews(world: World) -> list[BaseException | None]:
    """Two put the same code up at once, at two placements."""
    code = world.codes["A"]
    given = [scan(code, crew="wang"), scan(code, crew="li")]
    return race(
        *(
            lambda one=one, at=at: put_up(code, world.numbers[at], scan=one)
            for one, at in zip(given, ("A", "B"), strict=True)
        )
    )


def test_of_two_crews_at_once_one_puts_the_code_up(world: World) -> None:
    take_down(world.codes["A"])
    refused = two_crews(world)
    assert sorted(type(one).__name__ for one in refused) == ["AlreadyHanging", "NoneType"]
    assert len(history(world.codes["A"])) == 2


def test_without_the_lock_the_database_still_refuses_the_second_and_without_both_it_would_hang_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_down(world.codes["A"])
    lock, bind, gate = crews._lock, bindings.bind, threading.Barrier(2, timeout=20)

    def unlocked(session, code):  # noqa: ANN001, ANN202
        row = session.execute(text("SELECT id, slug FROM codes WHERE slug = :code"), {"code": code}).one()
        return crews._Code(row.id, row.slug)

    def bind_when_both_have_read(*args: object, **named: object) -> int:
        gate.wait()
        return bind(*args, **named)

    monkeypatch.setattr(crews, "_lock", unlocked)
    monkeypatch.setattr(bindings, "bind", bind_when_both_have_read)
    refused = two_crews(world)
    # Two that are being written exclude each other: whoever looks second is refused, or both looked and one must go.
    assert sorted(type(one).__name__ for one in refused) in (
        ["BindingOverlaps", "NoneType"],
        ["NoneType", "OperationalError"],
    )
    assert len(history(world.codes["A"])) == 2

    monkeypatch.setattr(crews, "_lock", lock)
    monkeypatch.setattr(bindings, "bind", bind)
    take_down(world.codes["A"], UP + timedelta(hours=1))
    monkeypatch.setattr(crews, "_lock", unlocked)
    monkeypatch.setattr(bindings, "bind", bind_when_both_have_read)
    shape = "EXCLUDE USING gist (code_id WITH =, tstzrange(valid_from, valid_until) WITH &&)"
    database.statement("ALTER TABLE code_bindings DROP CONSTRAINT ex_code_bindings_no_overlap")
    try:
        later = UP + timedelta(hours=2)
        code = world.codes["A"]
        given = [scan(code), scan(code)]
        assert race(
            *(
                lambda one=one, at=at: put_up(code, world.numbers[at], later, scan=one)
                for one, at in zip(given, ("A", "B"), strict=True)
            )
        ) == [None, None]
        assert [row[1] for row in history(code)[:2]] == [later, later]
    finally:
        database.statement("DELETE FROM crew_scans")
        database.statement("DELETE FROM code_bindings")
        database.statement(f"ALTER TABLE code_bindings ADD CONSTRAINT ex_code_bindings_no_overlap {shape}")


def test_of_two_take_downs_at_once_the_second_hears_who_was_first(world: World) -> None:
    code = world.codes["A"]
    given = [scan(code, crew="wang"), scan(code, crew="li")]
    refused = race(*(lambda one=one: take_down(code, scan=one) for one in given))
    assert sorted(type(one).__name__ for one in refused) == ["NoneType", "NotHanging"]
    assert database.statement("SELECT count(*) FROM crew_scans") == [(1,)]

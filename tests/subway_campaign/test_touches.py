import threading
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from config import database
from subway_campaign import bindings, codes, errors, tokens, touches
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import TouchKind
from subway_campaign.touches import Launch
from tests.subway_campaign.conftest import World, beijing

NOW = beijing(3, 1)


def q(code: str, base: str = "HTTP://127.0.0.1:8000/S/") -> str:
    return quote(base + code, safe="")


def launch(world: World, scene: int = 1011, at: datetime | None = NOW, **changed: Any) -> Launch:
    asked = {"q": q(world.codes["A"]), "scancode_time": at and int(at.timestamp())} | changed
    return Launch(scene, **asked)


def record(seen: Launch, visitor: UUID | None = None, now: datetime = NOW, **more: Any) -> touches.Recorded:
    return touches.record(touch=uuid4(), launch=seen, visitor=visitor, now=now, **more)


def rows(sql: str) -> list[tuple]:
    with database.transaction() as session:
        return [tuple(row) for row in session.execute(text(sql))]


def test_r01_a_camera_launch_is_a_scan_and_an_album_launch_is_told_apart(world: World) -> None:
    found = record(launch(world))
    assert found.kind is TouchKind.SCAN
    assert found.landing == Landing(LandingKind.PRODUCT, "tea")
    assert tokens.open_visitor(found.visitor_token) == found.visitor
    assert record(launch(world, 1049)).kind is TouchKind.SCAN_ALBUM


def test_r01_a_mini_program_scan_earns_like_one_in_a_browser(world: World) -> None:
    found = record(launch(world))
    world.order("N1", found.visitor, NOW + timedelta(hours=1))
    assert world.credits("N1") == {"A": 9_900}


def test_r02_a_nonce_seen_before_is_a_revisit(world: World) -> None:
    first = record(launch(world))
    assert record(launch(world), first.visitor).kind is TouchKind.REVISIT
    assert record(launch(world), first.visitor).kind is TouchKind.REVISIT
    assert record(launch(world, at=None), first.visitor).kind is TouchKind.REVISIT
    assert record(launch(world, at=NOW + timedelta(seconds=1)), first.visitor).kind is TouchKind.SCAN
    assert rows("SELECT count(*) FROM touches") == [(5,)]


def test_r02_the_same_touch_sent_again_is_the_same_touch(world: World) -> None:
    touch = uuid4()
    first = touches.record(touch=touch, launch=launch(world), visitor=None, now=NOW)
    again = touches.record(touch=touch, launch=launch(world), visitor=None, now=NOW + timedelta(hours=1))
    assert again == first
    assert rows("SELECT id FROM touches") == [(touch,)]


def test_r03_a_share_launch_neither_scans_nor_uses_up_the_nonce(world: World) -> None:
    shared = record(launch(world, 1007))
    assert shared.kind is TouchKind.SHARE_OPEN
    assert record(launch(world), shared.visitor).kind is TouchKind.SCAN
    assert record(launch(world, 1048)).kind is TouchKind.SCAN_LONGPRESS


def test_r05_machines_are_kept_with_their_reason(world: World) -> None:
    found = record(launch(world, 1129))
    assert rows("SELECT drop_reason FROM touches") == [("wechat_crawler",)]
    world.order("N1", found.visitor, NOW + timedelta(hours=1))
    assert world.reason("N1") == "no_touch"


def test_r12_the_placement_is_the_one_at_the_instant_of_the_scan(world: World) -> None:
    with database.transaction() as session:
        bindings.take_down(session, code=world.codes["A"], at=NOW)
    before = record(launch(world, at=NOW - timedelta(seconds=1)), now=NOW + timedelta(minutes=5))
    after = record(launch(world, at=NOW), now=NOW + timedelta(minutes=5))
    world.order("N1", before.visitor, NOW + timedelta(hours=1))
    world.order("N2", after.visitor, NOW + timedelta(hours=1))
    assert world.credits("N1") == {"A": 9_900}
    assert world.reason("N2") == "orphan_code"
    assert after.landing == before.landing


def test_r20_a_late_sent_touch_happened_when_the_phone_says(world: World) -> None:
    slow = NOW - timedelta(days=61)
    record(
        launch(
            world,
            1047,
            q=None,
            query_scene=world.codes["A"],
            at=None,
            client_at=slow - timedelta(minutes=2),
            sent_at=slow,
        )
    )
    assert rows("SELECT occurred_at, clock, kind FROM touches") == [
        (NOW - timedelta(minutes=2), "client_adjusted", "scan")
    ]


def test_r26_unknown_codes_are_counted(world: World) -> None:
    unknown = next(c for c in map(_whole, ("0000000", "1111111")) if c not in world.codes.values())
    for asked in (launch(world, q=q(unknown)), launch(world, q=q("nonsense"))):
        with pytest.raises(errors.UnknownCode):
            record(asked)
    assert rows("SELECT slug FROM orphan_scans ORDER BY slug") == [("",), (unknown,)]
    assert rows("SELECT id FROM touches") == []


def _whole(body: str) -> str:
    return body + codes.check(body)


@pytest.mark.parametrize(
    "link",
    [
        "https%3A%2F%2Fevil.example%2Fs%2FAAAAAAAA",
        "http%3A%2F%2F127.0.0.1%3A9%2Fs%2FAAAAAAAA",
        "http%253A%252F%252F127.0.0.1%253A8000%252Fs%252FAAAAAAAA",
        "http%3A%2F%2F127.0.0.1%3A8000%2Fother",
        "http%3A%2F%2F127.0.0.1%3A8000%2Fs%2Fa%2Fb",
        "http%3A%2F%2F%5B%3A%3A",
        "http%3A%2F%2F127.0.0.1%3A99999%2Fs%2FA",
        "javascript:alert(1)",
        "\0",
        "",
    ],
)
def test_foreign_links_are_refused_unread(world: World, link: str) -> None:
    with pytest.raises(errors.ForeignLink):
        record(Launch(1011, q=link, scancode_time=1))


def test_a_launch_without_a_code_is_kept_and_lands_nowhere(world: World) -> None:
    found = record(Launch(1001))
    assert (found.kind, found.landing) == (TouchKind.REVISIT, None)


@pytest.mark.parametrize("nonce", [-1, 2**40, 10**30])
def test_an_absurd_nonce_is_none(world: World, nonce: int) -> None:
    assert record(launch(world, scancode_time=nonce)).kind is TouchKind.REVISIT


def test_r11_a_logged_in_person_gets_the_touch(world: World) -> None:
    person = uuid4()
    record(launch(world), person=person)
    world.order("N1", None, NOW + timedelta(hours=1), person=person)
    assert world.credits("N1") == {"A": 9_900}


def test_race_the_same_touch_and_the_same_nonce_count_once(world: World) -> None:
    visitor, touch = uuid4(), uuid4()
    ready = threading.Barrier(6, timeout=60)
    found: list[TouchKind] = []

    def send(own: UUID) -> None:
        ready.wait()
        found.append(touches.record(touch=own, launch=launch(world), visitor=visitor, now=NOW).kind)

    threads = [threading.Thread(target=send, args=(own,)) for own in [touch] * 3 + [uuid4() for _ in range(3)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert rows("SELECT kind, count(*) FROM touches GROUP BY kind ORDER BY kind") == [("revisit", 3), ("scan", 1)]


def test_race_without_the_key_the_same_nonce_counts_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard off: keys that never meet let one scan count for every launch."""
    monkeypatch.setattr(touches, "_KEY", text("SELECT cast(:touch AS uuid), :at, :visitor, :code, :nonce"))
    visitor = uuid4()
    for _ in range(2):
        record(launch(world), visitor)
    assert rows("SELECT kind, count(*) FROM touches GROUP BY kind") == [("scan", 2)]

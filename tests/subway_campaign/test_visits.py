import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from config import database, straight
from subway_campaign import bindings, codes, errors, tokens, visits
from subway_campaign.landing import Landing, LandingKind
from subway_campaign.lifecycle import TouchKind
from tests.subway_campaign.conftest import World, beijing

NOW = beijing(3, 1)


def rows(sql: str) -> list[tuple]:
    with database.transaction() as session:
        return [tuple(row) for row in session.execute(text(sql))]


def test_a_scan_is_one_committed_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    real = database.statement
    monkeypatch.setattr(database, "statement", lambda sql, params: sent.append(sql) or real(sql, params))
    opened = visits.open(
        slug=world.codes["A"].lower(), visitor=None, now=NOW, user_agent="MicroMessenger", network=None
    )
    assert len(sent) == 1
    assert opened.landing == Landing(LandingKind.PRODUCT, "tea")
    assert not opened.is_orphan
    assert rows("SELECT id, visitor_id, kind, occurred_at FROM touches") == [
        (opened.touch, opened.visitor, "scan", NOW)
    ]


def test_a_scan_whose_answer_was_lost_stands_once_and_leads_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks behind the commit, and the statement is sent once more on another."""
    known, sent = straight.Connection.run, []

    def run(connection: straight.Connection, sql: str, params: Any) -> Any:
        answer = known(connection, sql, params)
        sent.append(sql)
        if len(sent) == 1:
            connection._connection.close()
            raise psycopg.OperationalError
        return answer

    monkeypatch.setattr(straight.Connection, "run", run)
    opened = visits.open(slug=world.codes["A"], visitor=None, now=NOW)
    assert (len(sent), opened.landing) == (2, Landing(LandingKind.PRODUCT, "tea"))
    assert rows("SELECT id FROM touches") == [(opened.touch,)]


def test_every_list_of_words_that_a_scan_is_checked_against_is_one_constant(db: None) -> None:
    """Migration 0065: `IN` would be read and cast anew at each insert."""
    checks = database.statement("""
        SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE contype = 'c' AND conrelid IN (cast('touches' AS regclass), cast('rollup_marks' AS regclass))
    """)
    assert len(checks) == 5
    assert not [check for (check,) in checks if "ARRAY[" in check]


def test_new_ids_grow_with_time(world: World) -> None:
    opened = [
        visits.open(slug=world.codes["A"], visitor=None, now=NOW + timedelta(milliseconds=n), network=None)
        for n in range(20)
    ]
    for ids in ([each.touch for each in opened], [each.visitor for each in opened]):
        assert ids == sorted(ids)
        assert {each.version for each in ids} == {7}


def test_the_cookies_visitor_is_kept(world: World) -> None:
    rider = uuid4()
    assert visits.open(slug=world.codes["A"], visitor=rider, now=NOW).visitor == rider


def test_r06_a_lone_get_is_unconfirmed_until_its_beacon(world: World) -> None:
    opened = world.scan("A", NOW, confirm=False)
    assert rows("SELECT * FROM touch_confirmations") == []
    for _ in range(2):
        confirmed = visits.confirm(token=opened.token, visitor=opened.visitor, now=NOW)
        assert confirmed == visits.Confirmed(opened.visitor, TouchKind.SCAN)
    assert rows("SELECT touch_id FROM touch_confirmations") == [(opened.touch,)]


def test_r06_any_later_request_with_the_cookie_confirms(world: World) -> None:
    opened = world.scan("A", NOW, confirm=False)
    other = world.scan("A", NOW, confirm=False)
    visits.seen(visitor=opened.visitor, now=NOW)
    assert rows("SELECT touch_id FROM touch_confirmations") == [(opened.touch,)]
    assert other.visitor != opened.visitor


def test_r03_a_visit_confirmed_by_another_is_one_share(world: World) -> None:
    opened = world.scan("A", NOW, confirm=False)
    friend = uuid4()
    for _ in range(2):
        assert visits.confirm(token=opened.token, visitor=friend, now=NOW) == visits.Confirmed(
            friend, TouchKind.SHARE_OPEN
        )
    assert rows("SELECT * FROM touch_confirmations") == []
    assert rows("SELECT visitor_id, parent_touch FROM touches WHERE kind = 'share_open'") == [(friend, opened.touch)]
    stranger = visits.confirm(token=opened.token, visitor=None, now=NOW)
    assert stranger is not None
    assert stranger.kind is TouchKind.SHARE_OPEN
    assert stranger.visitor not in {friend, opened.visitor}


def test_r03_a_forwarded_link_is_earned_via_the_placement(world: World) -> None:
    opened = world.scan("A", NOW)
    friend = uuid4()
    visits.confirm(token=opened.token, visitor=friend, now=beijing(3, 2))
    world.order("N1", friend, beijing(3, 3))
    assert world.credits("N1") == {None: 9_900}
    assert world.reason("N1") == "shared_only"


def test_r03_who_goes_on_in_another_browser_has_a_reason_of_its_own(world: World) -> None:
    opened = world.scan("A", NOW)
    browser = uuid4()
    visits.confirm(token=opened.token, visitor=browser, now=NOW, forwarded=TouchKind.CONTINUED)
    world.order("N1", browser, beijing(3, 3))
    assert (world.credits("N1"), world.reason("N1")) == ({None: 9_900}, "continued_elsewhere")


def test_r04_a_share_does_not_erase_the_scan_before_it(world: World) -> None:
    friend = world.scan("B", NOW).visitor
    opened = world.scan("A", beijing(3, 2))
    visits.confirm(token=opened.token, visitor=friend, now=beijing(3, 2, 9))
    world.order("N1", friend, beijing(3, 3))
    assert world.credits("N1") == {"B": 9_900}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"method": "HEAD"}, "head"),
        ({"user_agent": "mpcrawler"}, "wechat_crawler"),
        ({"headers": {"purpose": "prefetch"}}, "prefetch"),
    ],
)
def test_r05_machines_are_kept_with_a_reason_and_never_earn(world: World, request_: dict, reason: str) -> None:
    opened = visits.open(slug=world.codes["A"], visitor=None, now=NOW, **request_)
    visits.confirm(token=opened.token, visitor=opened.visitor, now=NOW)
    assert rows("SELECT drop_reason FROM touches") == [(reason,)]
    world.order("N1", opened.visitor, beijing(3, 2))
    assert world.reason("N1") == "no_touch"


def test_r26_unknown_retired_and_impossible_codes_are_counted(world: World) -> None:
    unknown = next(c for c in ("0000000" + codes.check("0000000"), "1111111" + codes.check("1111111")))
    with database.transaction() as session:
        bindings.retire(session, code=world.codes["A"], at=NOW)
    for slug in (unknown, world.codes["A"], "nonsense", "x" * 5_000, "二维码", "\0"):
        with pytest.raises(errors.UnknownCode):
            visits.open(slug=slug, visitor=None, now=NOW)
    assert sorted(rows("SELECT slug FROM orphan_scans")) == sorted(
        [(unknown,), (world.codes["A"],), ("",), ("",), ("",), ("",)]
    )
    assert rows("SELECT id FROM touches") == []


def test_r12_a_code_not_hung_yet_leads_where_it_will(world: World) -> None:
    opened = visits.open(slug=world.codes["A"], visitor=None, now=beijing(1, 1, 7))
    assert opened.is_orphan
    assert opened.landing == Landing(LandingKind.PRODUCT, "tea")


def test_a_code_never_hung_leads_nowhere(world: World) -> None:
    with database.transaction() as session:
        (code,) = bindings.mint(session, count=1, now=NOW)
    opened = visits.open(slug=code, visitor=None, now=NOW)
    assert opened.landing is None
    assert opened.is_orphan


def test_forged_and_ended_tokens_confirm_nothing(world: World) -> None:
    opened = world.scan("A", NOW, confirm=False)
    wrong = opened.token[:-2] + ("AA" if opened.token[-2:] != "AA" else "BB")
    for token in ("", "x", "é", wrong, tokens.seal_visitor(opened.visitor)):
        assert visits.confirm(token=token, visitor=opened.visitor, now=NOW) is None
    assert visits.confirm(token=opened.token, visitor=opened.visitor, now=NOW + tokens.VISIT_LIFE) is None
    unknown = tokens.seal_visit(uuid4(), occurred_at=NOW)
    assert visits.confirm(token=unknown, visitor=opened.visitor, now=NOW) is None


def test_race_two_beacons_of_one_friend_make_one_share(world: World) -> None:
    opened = world.scan("A", NOW)
    friend = uuid4()
    ready = threading.Barrier(4, timeout=60)

    def beacon() -> None:
        ready.wait()
        visits.confirm(token=opened.token, visitor=friend, now=NOW)

    threads = [threading.Thread(target=beacon) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows("SELECT count(*) FROM touches WHERE kind = 'share_open'") == [(1,)]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001::/48"),
        ("unknown", None),
        ("", None),
    ],
)
def test_only_the_coarse_network_is_kept(address: str, network: str | None) -> None:
    assert visits.network_of(address) == network


def test_tokens_name_what_they_were_made_for(world: World) -> None:
    visitor = UUID(int=7)
    assert tokens.open_visitor(tokens.seal_visitor(visitor)) == visitor
    assert tokens.open_visitor(tokens.seal_visit(visitor, occurred_at=NOW)) is None
    assert tokens.open_visit(tokens.seal_visit(visitor, occurred_at=NOW), now=NOW) == tokens.Visit(visitor, NOW)

"""The feed: nothing is lost and nothing comes twice, however slowly somebody commits or pages."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from catalog import errors, feed
from config import database

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PEAR, TEA = "dangshansuli", "huoshanhuangya"


def do(sql: str, **values: object) -> None:
    with database.transaction() as session:
        session.execute(text(sql), values)


def reprice(slug: str, fen: int) -> None:
    do("UPDATE skus SET price_fen = :fen WHERE position = 1 AND product_id = (SELECT id FROM products WHERE slug = :s)",
       fen=fen, s=slug)  # fmt: skip


def publish(now: datetime = NOW) -> int:
    return feed.publish_due(now=now)


def since(cursor: str) -> dict[str, dict[str, object] | None]:
    """What changed since, in order."""
    return {change.slug: change.body for change in feed.changes(since=cursor, limit=1000).items}


def whole(limit: int = 30) -> Iterator[feed.Page]:
    cursor = None
    while True:
        page = feed.full(cursor=cursor, limit=limit)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


@pytest.fixture
def published(seeded: None) -> str:
    """The seeded shelf, published; where it was left off."""
    publish()
    return feed.here()


def test_everything_on_the_shelf_is_pulled_once(published: str) -> None:
    pages = list(whole())
    slugs = [change.slug for page in pages for change in page.items]
    assert slugs == sorted(set(slugs))
    on_sale = database.statement("SELECT slug FROM products WHERE is_on_sale")
    assert set(slugs) == {slug for (slug,) in on_sale}
    assert {page.since for page in pages} == {published}
    assert since(published) == {}
    body = next(change.body for page in pages for change in page.items if change.slug == PEAR)
    assert body
    assert (body["price_fen"], body["name"]) == (2990, "砀山酥梨")


def test_only_what_reads_otherwise_is_a_change(published: str) -> None:
    do("UPDATE products SET position = position WHERE slug = :s", s=PEAR)
    assert publish() == 0
    feed.sweep(now=NOW)
    assert publish() == 0
    reprice(PEAR, 3100)
    reprice(PEAR, 3200)
    assert publish() == 1
    assert [body and body["price_fen"] for body in since(published).values()] == [3200]


def test_a_product_that_leaves_is_a_tombstone_until_it_comes_back(published: str) -> None:
    do("UPDATE products SET is_on_sale = false WHERE slug = :s", s=PEAR)
    publish()
    assert since(published) == {PEAR: None}
    assert PEAR not in {change.slug for page in whole() for change in page.items}
    gone = feed.here()
    do("UPDATE products SET is_on_sale = true WHERE slug = :s", s=PEAR)
    publish()
    assert list(since(gone)) == [PEAR]
    assert since(published)[PEAR] is not None


def test_certificates_halls_and_selling_out_are_changes(published: str) -> None:
    do("""INSERT INTO certificates (product_id, kind, number, issuer, issued_on, valid_until)
          SELECT id, 'accreditation', 'C-1', '砀山县', :day, :until FROM products WHERE slug = :s""",
       day=date(2026, 1, 1), until=date(2099, 1, 1), s=PEAR)  # fmt: skip
    publish()
    assert list(since(published)) == [PEAR]
    cursor = feed.here()
    do("UPDATE halls SET name = name || '（新）' WHERE id = (SELECT hall_id FROM products WHERE slug = :s)", s=TEA)
    publish()
    assert TEA in since(cursor)
    cursor = feed.here()
    stock = "sku_id IN (SELECT s.id FROM skus s JOIN products p ON p.id = s.product_id WHERE p.slug = :s)"
    do(f"UPDATE stock_levels SET reserved = reserved + 1 WHERE {stock}", s=PEAR)
    assert publish() == 0
    do(f"UPDATE stock_levels SET reserved = on_hand WHERE {stock}", s=PEAR)
    publish()
    [(slug, body)] = since(cursor).items()
    assert body
    assert (slug, body["available"]) == (PEAR, 0)


def test_the_sweep_finds_what_no_row_tells(published: str) -> None:
    do("UPDATE feed_entries SET body = body || '{\"available\": -1}' WHERE slug = :s", s=TEA)
    assert publish() == 0
    feed.sweep(now=NOW)
    publish()
    assert list(since(published)) == [TEA]


def test_whoever_pages_while_goods_change_ends_with_what_there_is(published: str) -> None:
    """What changes behind the cursor comes again with the changes; what changes before it is read new, once."""
    kept: dict[str, object] = {}
    pages = whole(limit=40)
    first = next(pages)
    kept |= {change.slug: change.body for change in first.items}
    seen = [change.slug for change in first.items]
    reprice(seen[0], 111)
    do("UPDATE products SET is_on_sale = false WHERE slug = :s", s=seen[1])
    reprice("zongyangdabaicha" if "zongyangdabaicha" not in seen else PEAR, 222)
    publish(NOW + timedelta(seconds=3))
    for page in pages:
        assert not {change.slug for change in page.items} & set(seen)
        kept |= {change.slug: change.body for change in page.items}
        cursor = page.since
    for slug, body in since(cursor).items():
        kept[slug] = body
    truth = {change.slug: change.body for page in whole() for change in page.items}
    assert {slug: body for slug, body in kept.items() if body is not None} == truth
    assert kept[seen[1]] is None


def test_changes_come_in_pages_without_a_gap(published: str) -> None:
    do("UPDATE skus SET price_fen = price_fen + 1")
    total = publish()
    cursor, slugs = published, []
    while True:
        page = feed.changes(since=cursor, limit=7)
        slugs += [change.slug for change in page.items]
        cursor = page.since
        if not page.has_more:
            break
    assert len(slugs) == len(set(slugs)) == total
    assert feed.changes(since=cursor, limit=7).since == cursor


@pytest.mark.parametrize("wrong", ["", "x", "W10", "!!!", "WyJzaW5jZSIsdHJ1ZV0", "WyJzaW5jZSIsLTFd", "bnVsbA", "MQ"])
def test_nothing_else_is_a_cursor(db: None, wrong: str) -> None:
    with pytest.raises(errors.CursorInvalid):
        feed.changes(since=wrong, limit=1)
    with pytest.raises(errors.CursorInvalid):
        feed.full(cursor=wrong, limit=1)


def test_a_place_that_was_never_reached_is_refused(published: str) -> None:
    do("DELETE FROM feed_entries")
    with pytest.raises(errors.CursorInvalid):
        feed.changes(since=published, limit=1)


def race(monkeypatch: pytest.MonkeyPatch, start: str) -> list[str]:
    """One publisher is slow to commit a pear, another is quick with tea; what a reader between and after them sees."""
    written, read = threading.Event(), threading.Event()
    write: Callable[..., int] = feed._write
    slow: list[threading.Thread] = []

    def gated(*arguments: object) -> int:
        count = write(*arguments)
        if threading.current_thread() in slow:
            written.set()
            assert read.wait(20)
        return count

    monkeypatch.setattr(feed, "_write", gated)
    reprice(PEAR, 3333)
    slow.append(threading.Thread(target=publish))
    slow[0].start()
    assert written.wait(20)
    reprice(TEA, 4444)
    publish()
    between = feed.changes(since=start, limit=10)
    read.set()
    slow[0].join(20)
    publish()
    after = feed.changes(since=between.since, limit=10)
    return [change.slug for change in (*between.items, *after.items)]


def test_without_a_turn_a_slow_publisher_loses_its_change(published: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_is_our_turn", lambda _: True)
    assert race(monkeypatch, published) == [TEA]


def test_a_change_that_is_committed_late_is_never_skipped(published: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert race(monkeypatch, published) == [PEAR, TEA]


def test_a_slow_writer_of_goods_is_published_when_it_commits(published: str) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE products SET name = '慢' WHERE slug = :s"), {"s": PEAR})
        quick = threading.Thread(target=lambda: (reprice(TEA, 4444), publish()))
        quick.start()
        quick.join(20)
    between = feed.changes(since=published, limit=10)
    assert [change.slug for change in between.items] == [TEA]
    publish()
    assert list(since(between.since)) == [PEAR]

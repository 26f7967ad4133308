"""`make crash` and `make soak`, shortened: whatever dies, and whatever the weather, our books equal WeChat's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs import books, crash, secrecy, soak
from tests.proofs.points import Board, Point
from tests.shop import Shop

# The moments of which each loses something if a guard is missing: a prepay whose answer nobody heard, a notification,
# money whose order was not told, a refund that WeChat has and we do not know of, a divided payment likewise, and what a
# seller gave back.
DEATHS = (
    (Point("web", "wire", "POST /v3/pay/transactions/jsapi", "after"), "process"),
    (Point("web", "commit", "payments.notifications.receive", "after"), "database"),
    (Point("worker", "commit", "config.facts.react", "before", 2), "process"),
    (Point("worker", "wire", "POST /v3/refund/domestic/refunds", "after"), "database"),
)
SHARING_DEATHS = (
    (Point("worker", "wire", "POST /v3/profitsharing/orders", "after"), "process"),
    (Point("worker", "wire", "POST /v3/profitsharing/return-orders", "after"), "database"),
)


@pytest.fixture(scope="module")
def grounds() -> Iterator[tuple[Shop, Board]]:
    data_dir = Path(tempfile.mkdtemp(prefix="hall-crash-"))
    with crash.opened_shop(data_dir, log=data_dir / "shop.log") as opened:
        yield opened


def test_the_books_equal_wechats_wherever_the_shop_is_killed(grounds: tuple[Shop, Board]) -> None:
    shop, board = grounds
    walk = crash.Walk(shop)
    named = {point for point, _ in DEATHS + SHARING_DEATHS}
    assert named <= set(crash.record(walk, board)), "the way has changed: name its points anew"
    failures = crash.prove(walk, board, DEATHS, is_shared=False) + crash.prove(walk, board, SHARING_DEATHS)
    assert [f"{each.victim} at {each.point}: {each.told}" for each in failures] == []


def test_the_comparison_sees_a_lost_fen(grounds: tuple[Shop, Board]) -> None:
    shop, _ = grounds
    crash.Walk(shop).go()
    assert books.differences(shop) == []
    shop.write("UPDATE payments SET amount_fen = amount_fen + 1 WHERE id = (SELECT max(id) FROM payments)")
    told = books.differences(shop)
    shop.write("UPDATE payments SET amount_fen = amount_fen - 1 WHERE id = (SELECT max(id) FROM payments)")
    assert [line.split(":")[0] for line in told] == [
        "payment only in our books",
        "payment only in WeChat's books",
        "a ledger that is not what WeChat owes",
        "an order without its money",
    ]


def test_the_books_are_equal_after_every_fault_at_five_percent(grounds: tuple[Shop, Board]) -> None:
    shop, board = grounds
    board.clear()
    ended = soak.run(shop, orders=40, seed=7)
    assert (ended.stuck, ended.told) == ([], [])
    assert ended.ends.total() == 40
    assert min(ended.ends[end] for end in ("paid", "given back", "walked off", "shared")) > 0, ended.ends
    changed = "UPDATE payment_share_parts SET amount_fen = amount_fen {} 1 WHERE state = 'succeeded'"
    shop.write(changed.format("+"))
    told = {line.split(":")[0] for line in books.differences(shop)}
    shop.write(changed.format("-"))
    assert {
        "share only in our books",
        "share only in WeChat's books",
        "a ledger that is not what WeChat owes",
        "a commission that is not what a seller got",
    } <= told


def test_what_wechat_cannot_pay_out_ends_with_equal_books(grounds: tuple[Shop, Board]) -> None:
    """A clerk pays by transfer, which the comparison knows: of another sum it would not be WeChat's refund."""
    shop, board = grounds
    board.clear()
    ended = soak.run(shop, orders=24, seed=3, rate=1.0, only=["refund_abnormal"])
    assert (ended.stuck, ended.told) == ([], [])
    # One above the limit waits for a second person and never gets to WeChat.
    assert ended.transferred > 0
    changed = "UPDATE payment_refunds SET amount_fen = amount_fen {} 1 WHERE state = 'transferred'"
    shop.write(changed.format("-"))
    told = {line.split(":")[0] for line in books.differences(shop)}
    shop.write(changed.format("+"))
    assert {
        "transfer only in our books",
        "transfer only in WeChat's books",
        "a bank account that is not what was transferred",
    } <= told


def test_no_secret_and_nobodys_data_was_written_to_a_log(grounds: tuple[Shop, Board]) -> None:
    """The logs of all that ran above, with its deaths and faults, and of what goes wrong with secrets in hand."""
    shop, board = grounds
    board.clear()
    crash.Walk(shop).go()
    hidden = secrecy.known(shop) | secrecy.provoke(shop)
    logs = secrecy.logs(shop)
    kinds = (
        "an access token",
        "WECHAT_MINIPROGRAM_SECRET",
        "the link of an order",
        "a shopper's token",
        "a staff token",
    )
    assert all(any(what.startswith(kind) for what in hidden) for kind in kinds)
    assert {"web", "worker", "wechat"} <= {name for name in shop.children if shop.children[name].process}
    assert len(logs) > 10_000, "this is no log of a full run"
    assert secrecy.leaks(hidden, logs) == []
    for (what, text), line in zip(hidden.items(), secrecy.written(list(hidden.values())), strict=True):
        assert what in {each.split(":")[0] for each in secrecy.leaks({what: text}, line)}, what

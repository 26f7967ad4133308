"""Telling WeChat of shipping, over HTTP with the emulated WeChat: once, whatever is lost, doubled or killed."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from config import database
from payments import cases
from payments.lifecycle import Channel
from storefront import aftersales, frozen_money, shipping, shipping_reports
from storefront.errors import ReshipUsed
from storefront.wechat import trade
from tests.payments.conftest import Wechat, rows
from tests.storefront import selling
from tests.storefront.selling import Sell, Sold

emulator, inbox, sell, wechat = selling.emulator, selling.inbox, selling.sell, selling.wechat


def open_cases() -> list[dict[str, Any]]:
    with database.transaction() as session:
        found, _ = cases.listing(session, is_open=True)
    return [each.evidence | {"number": each.number} for each in found if each.kind == "frozen"]


def test_shipping_is_told_once_however_often_it_is_asked_for(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell()
    order.ship()
    drain()
    [upload] = order.uploads()
    assert (upload["delivery_mode"], upload["logistics_type"]) == (1, 1)
    [parcel] = upload["shipping_list"]
    assert (parcel["express_company"], parcel["tracking_no"]) == ("ZTO", "731234567890")
    assert parcel["item_desc"].endswith("*1")
    assert "contact" not in parcel, "a telephone is told only of carriers that want one"
    for _ in range(3):
        order.report()
    assert shipping_reports.report_due(now=datetime.now(UTC)) == 0
    assert len(order.uploads()) == 1
    assert order.row()["reported_at"] is not None


def test_sf_gets_a_masked_telephone(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell()
    order.ship(carrier="顺丰速运", tracking="SF1234567890")
    drain()
    [parcel] = order.uploads()[0]["shipping_list"]
    assert parcel["contact"] == {"receiver_contact": "+86-138****1234"}


def test_only_payments_of_the_mini_program_are_told_of(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell(channel=Channel.H5)
    order.ship()
    drain()
    assert rows("SELECT * FROM frozen_payments") == []
    assert not order.uploads()


def test_parcels_by_consignment(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell(2)
    order.ship(lines=[1], tracking="731234567891")
    drain()
    [first] = order.uploads()
    assert (first["delivery_mode"], first["is_all_delivered"]) == (2, False)
    assert not order.shipping()["is_complete"]
    order.ship(lines=[2], tracking="731234567892")
    drain()
    [_, second] = order.uploads()
    assert second["is_all_delivered"] is True
    assert [each["tracking_no"] for each in second["shipping_list"]] == ["731234567892"]
    assert (order.shipping()["is_complete"], order.shipping()["corrections"]) == (True, 0)


def test_two_consignments_under_one_number_are_one_parcel(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell(2)
    order.ship()
    drain()
    [upload] = order.uploads()
    assert upload["delivery_mode"] == 1
    assert "、" in upload["shipping_list"][0]["item_desc"]


@pytest.mark.parametrize("fault", ["api_error", "api_reset"])
def test_a_lost_answer_is_asked_about_and_not_sent_again(sell: Sell, wechat: Wechat, fault: str) -> None:
    order = sell()
    order.ship()
    wechat.fault(fault, on="upload_shipping_info", when="after")
    order.report()
    assert len(order.uploads()) == 1, "it took effect"
    assert order.row()["reported_at"] is None, "and nobody knows"
    assert shipping_reports.report_due(now=datetime.now(UTC)) == 0, "not before its time"
    assert shipping_reports.report_due(now=datetime.now(UTC) + timedelta(seconds=11)) == 1
    assert len(order.uploads()) == 1
    assert order.row()["reported_at"] is not None


@pytest.mark.parametrize("path", ["get_order", "upload_shipping_info"])
@pytest.mark.parametrize("fault", [("api_reset", {}), ("errcode", {}), ("errcode", {"errcode": 10060001})])
def test_what_could_not_be_told_is_told_later(
    sell: Sell,
    wechat: Wechat,
    path: str,
    fault: tuple[str, dict[str, int]],
) -> None:
    order = sell()
    order.ship()
    wechat.fault(fault[0], on=path, options=fault[1])
    order.report()
    assert not order.uploads()
    assert shipping_reports.report_due(now=datetime.now(UTC) + timedelta(seconds=11)) == 1
    assert len(order.uploads()) == 1
    assert open_cases() == []


def test_a_silent_wechat_is_left_alone_further_and_further_apart(sell: Sell, wechat: Wechat) -> None:
    order = sell()
    order.ship()
    wechat.fault("errcode", on="get_order", times=3)
    waits = []
    for after in (0, 11, 40):
        at = datetime.now(UTC) + timedelta(seconds=after)
        shipping_reports.report_due(now=at) if after else order.report()
        waits.append(round((order.row()["next_at"] - at).total_seconds()))
    assert waits == [10, 20, 40]


def test_a_refusal_is_a_case_and_tried_again_without_another(sell: Sell, wechat: Wechat) -> None:
    order = sell()
    order.ship()
    wechat.fault("errcode", on="upload_shipping_info", times=2, options={"errcode": 268485227})
    order.report()
    order.report(seconds=1)
    [case] = open_cases()
    assert (case["number"], case["fault"]) == (order.payment, "upload_shipping_info 268485227")
    order.report(seconds=2)
    assert len(order.uploads()) == 1


def test_told_by_hand_counts_as_told(sell: Sell, wechat: Wechat) -> None:
    order = sell()
    order.ship()
    wechat.fault("errcode", on="upload_shipping_info", options={"errcode": 10060023})
    order.report()
    assert open_cases() == []
    shipping_reports.report_due(now=datetime.now(UTC) + timedelta(seconds=11))
    assert len(order.uploads()) == 1


def test_unshipped_for_forty_hours_is_a_case_once(sell: Sell) -> None:
    order = sell()
    late = datetime.now(UTC) + timedelta(hours=40, minutes=1)
    assert shipping_reports.report_due(now=late - timedelta(hours=1)) == 0
    assert shipping_reports.report_due(now=late) == 1
    shipping_reports.report_due(now=late + timedelta(days=4))
    [case] = open_cases()
    assert (case["number"], case["order"], case["fault"]) == (order.payment, order.number, "unshipped")
    with database.transaction() as session:
        sums = frozen_money.totals(session, now=late + timedelta(hours=9))
        [overdue] = frozen_money.overdue(session, now=late + timedelta(hours=9))
    assert (sums.frozen, sums.overdue, sums.overdue_fen) == (1, 1, order.row()["amount_fen"])
    assert overdue["order_number"] == order.number


def test_money_that_went_back_is_not_waited_for(sell: Sell, wechat: Wechat, drain: Callable[[], int]) -> None:
    order = sell()
    with database.transaction() as session:
        left, freight = aftersales.remaining(session, rows_id(session, order.number))
        asked = aftersales.request(
            session,
            number=order.number,
            lines=left,
            freight_fen=freight,
            reason="不要了",
            key="back-0001",
            asked_by="li",
            now=datetime.now(UTC),
        )
    drain()
    wechat.order("/settle", out_refund_no=asked.number)
    shipping_reports.report_due(now=datetime.now(UTC) + timedelta(hours=41))
    assert order.row()["state"] == "refunded"
    assert open_cases() == []


def rows_id(session: Any, number: str) -> int:
    return int(session.execute(text("SELECT id FROM orders WHERE number = :n"), {"n": number}).scalar_one())


def test_a_correction_once_and_then_refused(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell()
    order.ship()
    drain()
    assert correct(order, "731111111111")
    assert not correct(order, "731111111111"), "as it is already"
    assert shipping_reports.report_due(now=datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert order.shipping()["corrections"] == 1
    assert [each["tracking_no"] for each in order.shipping()["parcels"]] == ["731111111111"]
    with pytest.raises(ReshipUsed):
        correct(order, "732222222222")
    shipping_reports.report_due(now=datetime.now(UTC) + timedelta(days=4))
    assert len(order.uploads()) == 2


def correct(order: Sold, tracking: str) -> bool:
    with database.transaction() as session:
        return shipping.correct(
            session,
            number=order.number,
            consignment=1,
            carrier="中通快递",
            tracking_number=tracking,
            now=datetime.now(UTC),
        )


def test_a_record_that_cannot_be_corrected_any_more_is_a_case(sell: Sell, drain: Callable[[], int]) -> None:
    order = sell()
    order.ship()
    drain()
    correct(order, "731111111111")
    order.report()
    with database.transaction() as session:
        session.execute(text("UPDATE consignments SET tracking_number = '733333333333'"))
    order.report()
    assert len(order.uploads()) == 2
    [case] = open_cases()
    assert case["fault"] == "reship_used"


def test_killed_between_telling_and_writing_it_down(sell: Sell, monkeypatch: pytest.MonkeyPatch) -> None:
    order = sell()
    order.ship()

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(shipping_reports, "_write", die)
        order.report()
    assert len(order.uploads()) == 1
    assert shipping_reports.report_due(now=datetime.now(UTC) + timedelta(seconds=12)) == 0, "still somebody's turn"
    assert shipping_reports.report_due(now=datetime.now(UTC) + timedelta(seconds=60)) == 1
    assert len(order.uploads()) == 1
    assert order.row()["reported_at"] is not None


def race(order: Sold, monkeypatch: pytest.MonkeyPatch, racers: int) -> list[str]:
    """Let two workers ask before either tells; returns what WeChat said to each that told."""
    gate, said = threading.Barrier(racers), []
    find, upload = trade.find, trade.upload

    def find_together(transaction_id: str) -> Any:
        known = find(transaction_id)
        if racers > 1:
            gate.wait(60)
        return known

    def upload_and_note(*args: Any, **named: Any) -> Any:
        answer = upload(*args, **named)
        said.append(type(answer).__name__)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(trade, "find", find_together)
        patched.setattr(trade, "upload", upload_and_note)
        workers = [threading.Thread(target=order.report) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return sorted(said)


def test_of_two_workers_one_tells(sell: Sell, monkeypatch: pytest.MonkeyPatch) -> None:
    take = shipping_reports._take

    def take_without_guard(session: Any, now: datetime, **of: Any) -> Any:
        session.execute(text("UPDATE frozen_payments SET busy_until = NULL, next_at = :now"), {"now": now})
        return take(session, now, **of)

    first, second = sell(), sell(key="key-00000002")
    first.ship()
    with monkeypatch.context() as patched:
        patched.setattr(shipping_reports, "_take", take_without_guard)
        assert race(first, monkeypatch, 2) == ["Done", "Refused"], "without a turn both tell"
    second.ship(tracking="731234567899")
    # One of them asks alone: the other finds that it is somebody's turn, or that nothing is left to tell.
    assert race(second, monkeypatch, 1) == ["Done"]
    assert len(second.uploads()) == 1


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard off"])
def test_34_what_becomes_due_while_somebody_tells_waits_for_the_turn(
    sell: Sell, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Another parcel leaves while WeChat is being told of the first: its turn begins when this one has ended."""
    sold = sell()
    sold.ship()
    find, asked = trade.find, []

    def meanwhile(transaction_id: str) -> Any:
        asked.append(transaction_id)
        if len(asked) == 1:
            sold.report()
        return find(transaction_id)

    monkeypatch.setattr(trade, "find", meanwhile)
    if not guarded:
        monkeypatch.setattr(shipping_reports, "TURN_LASTS", timedelta(0))
    sold.report()
    assert len(asked) == (1 if guarded else 2)
    assert len(sold.uploads()) == 1


def test_what_wechat_does_not_know_is_refused_in_its_words(wechat: Wechat) -> None:
    assert trade.find("4200000000") == trade.Refused(10060001)

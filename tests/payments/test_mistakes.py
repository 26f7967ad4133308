"""The mistakes that real integrations make, each shown twice: with our guard, and what happens without it.

docs/wechat-mistakes.md numbers them; those of the shop's own face are in tests/storefront/api/test_mistakes.py.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config import clock, logs
from config.settings import Settings
from payments import collect, errors, inquiries, lifecycle, notifications, receipts, refunds
from payments.collect import Payer
from payments.lifecycle import Channel, PaymentState
from payments.models import Outcome
from payments.receipts import Verdict
from payments.wechatpay import answers, bodies, client, keys, statements
from payments.wechatpay.transport import Request, Transport
from tests.payments.conftest import Buyer, Wechat, Writer, change, rows, with_settings
from tests.payments.test_notifications import Post, kept, payment
from tests.payments.test_refunds import ask_back
from tests.payments.wechatpay.test_statements import PAID, SUMS, TRADE, trade_bill

both = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard off"])
Patch = pytest.MonkeyPatch


@pytest.fixture
def post(db: None, writer: Writer, now: datetime) -> Post:
    """An open payment, unknown to any WeChat that could be called, and the post about it."""
    collect._take_number("O1", 5990, Payer(channel=Channel.NATIVE), "梨", now + timedelta(minutes=30), now)
    return Post(writer, rows("SELECT number FROM payments")[0]["number"], now)


def around(monkeypatch: Patch, owner: Any, name: str, change_: Callable[..., Any]) -> None:
    """Replace a function by one that is given it as its first argument."""
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given, **named: change_(real, *given, **named))


def refused_with(call: Callable[[], Any]) -> type[Exception] | None:
    try:
        call()
    except Exception as refusal:  # noqa: BLE001 - its kind is what is compared
        return type(refusal)
    return None


@both
def test_01_a_notification_that_comes_again_counts_once(post: Post, monkeypatch: Patch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(lifecycle, "payment_origins", lambda _: list(PaymentState))
    post.bring()
    first = payment(post.number)["succeeded_at"]
    post.bring(post.content(success_time="2020-11-20T23:59:59+08:00"))
    assert (payment(post.number)["succeeded_at"] == first) is guarded


@both
def test_02_news_that_overtakes_the_answer_finds_its_payment(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    def store_afterwards(prepay: Any, *given: Any) -> Any:
        change("UPDATE payments SET number = 'later-' || number")
        answer = prepay(*given)
        change("UPDATE payments SET number = substr(number, 7)")
        return answer

    if not guarded:
        around(monkeypatch, client.Client, "prepay", store_afterwards)
    wechat.fault("notify_first", on="prepay")
    refused_with(lambda: buyer.open(now=now))
    assert wechat.inbox.answered == [204 if guarded else 503]
    assert (rows("SELECT state FROM payments") == [{"state": "succeeded"}]) is guarded


@both
def test_02_news_about_what_is_unknown_must_come_again(post: Post, monkeypatch: Patch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setitem(notifications._OUTCOMES, Verdict.UNMATCHED, Outcome.IGNORED)
    content = post.content(out_trade_no="Pnot-ours")
    assert refused_with(lambda: post.bring(content)) is (errors.UnknownPayment if guarded else None)


@both
def test_03_a_timeout_is_no_reason_for_another_number(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    def give_up(held: Any, _: Any, at: datetime) -> bool:
        inquiries.mark_closed(number=held.number, now=at)
        return False

    if not guarded:
        monkeypatch.setattr(collect, "_may_send_again", give_up)
    wechat.fault("error", on="prepay", when="after")
    buyer.open(now=now)
    payable = [wechat.book(row["number"])["state"] for row in rows("SELECT number FROM payments")]
    assert payable == ["NOTPAY"] * (1 if guarded else 2)


@both
def test_04_a_lost_notification_is_asked_for(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(lifecycle, "next_payment_check", lambda **_: now + timedelta(days=365))
    wechat.fault("lost", on="payment")
    number = buyer.paid(now=now)
    collect.check_due(now=now + timedelta(seconds=6))
    assert payment(number)["state"] == ("succeeded" if guarded else "open")


@both
@pytest.mark.parametrize(
    ("compared", "wrong"),
    [
        ("known.mchid = %(mchid)s", {"mchid": "1900000109"}),
        ("known.appid = %(appid)s", {"appid": "wxd678efh567hg6787"}),
        ("known.amount_fen = %(total_fen)s", {"amount": {"total": 1, "currency": "CNY"}}),
        ("%(is_complete)s", {"amount": {"total": 5990, "currency": "USD"}}),
    ],
)
def test_05_money_that_differs_settles_nothing(
    post: Post,
    monkeypatch: Patch,
    compared: str,
    wrong: dict[str, Any],
    guarded: bool,
) -> None:
    if not guarded:
        assert compared in notifications._TAKE_AND_KEEP
        monkeypatch.setattr(notifications, "_TAKE_AND_KEEP", notifications._TAKE_AND_KEEP.replace(compared, "true"))
    post.bring(post.content(**wrong))
    assert payment(post.number)["state"] == ("open" if guarded else "succeeded")


@both
def test_06_a_coupon_lowers_what_the_payer_gave_and_not_what_we_got(
    post: Post,
    monkeypatch: Patch,
    guarded: bool,
) -> None:
    def by_payer(read: Any, body: Any) -> Any:
        return replace(read(body), total_fen=body["amount"]["payer_total"])

    if not guarded:
        around(monkeypatch, answers, "transaction", by_payer)
    post.bring(post.content(amount={"total": 5990, "payer_total": 4990, "currency": "CNY"}))
    assert payment(post.number)["state"] == ("succeeded" if guarded else "open")


@both
def test_07_money_after_the_close_is_money(post: Post, monkeypatch: Patch, guarded: bool) -> None:
    change("UPDATE payments SET state = 'closed', closed_at = now()")
    if not guarded:
        monkeypatch.setattr(lifecycle, "payment_origins", lambda _: [PaymentState.OPEN])
    post.bring()
    assert payment(post.number)["state"] == ("succeeded" if guarded else "closed")


@both
def test_08_a_close_is_believed_only_after_a_query(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    def trust(*, number: str, now: datetime) -> inquiries.Standing:
        client.current().close(number)
        inquiries.mark_closed(number=number, now=now)
        return inquiries.Standing.CLOSED

    if not guarded:
        monkeypatch.setattr(inquiries, "close", trust)
    wechat.fault("lost", on="payment")
    buyer.paid(now=now)
    found = collect.close(reference="O1", now=now)
    assert found is not None
    assert found.state is (PaymentState.SUCCEEDED if guarded else PaymentState.CLOSED)


@both
def test_08_money_between_the_query_and_the_close_is_found(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    """WeChat then refuses to close; of that answer nothing is believed, only of the query after it."""

    def pay_first(close: Any, self: client.Client, closing: str) -> Any:
        wechat.pay(closing)
        return close(self, closing)

    def trust(*, number: str, now: datetime) -> inquiries.Standing:
        if inquiries.ask(number=number, now=now) is inquiries.Standing.UNPAID:
            client.current().close(number)
            inquiries.mark_closed(number=number, now=now)
        return inquiries.Standing.CLOSED

    if not guarded:
        monkeypatch.setattr(inquiries, "close", trust)
    wechat.fault("lost", on="payment")
    buyer.open(now=now)
    around(monkeypatch, client.Client, "close", pay_first)
    found = collect.close(reference="O1", now=now)
    assert found is not None
    assert found.state is (PaymentState.SUCCEEDED if guarded else PaymentState.CLOSED)


@both
def test_09_a_front_end_that_says_ok_is_asked_back_at_wechat(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    """`requestPayment:ok`, or a browser that came back: the page then calls `check`."""
    number = buyer.open(now=now).number

    def believe(*, number: str, now: datetime) -> inquiries.Standing:
        row = payment(number)
        said = answers.Transaction(
            number=number,
            mchid=row["mchid"],
            appid=row["appid"],
            transaction_id="4200000000000000000000000009",
            trade_state="SUCCESS",
            total_fen=row["amount_fen"],
            currency="CNY",
            succeeded_at=now,
        )
        return inquiries._record(said, now)

    if not guarded:
        monkeypatch.setattr(inquiries, "ask", believe)
    found = collect.check(reference="O1", now=now)
    assert found is not None
    assert found.state is (PaymentState.OPEN if guarded else PaymentState.SUCCEEDED)
    assert wechat.book(number)["state"] == "NOTPAY"


@both
def test_10_the_signature_is_over_the_raw_bytes(
    post: Post,
    monkeypatch: Patch,
    guarded: bool,
) -> None:
    def parsed_first(read: Any, self: Any, headers: Any, body: bytes, *, now: datetime) -> Any:
        return read(self, headers, orjson.dumps(orjson.loads(body)), now=now)

    if not guarded:
        around(monkeypatch, client.Client, "read_notification", parsed_first)
    assert refused_with(post.bring) is (None if guarded else errors.BadSignature)


@both
def test_11_a_signature_that_does_not_fit_is_refused(
    post: Post,
    monkeypatch: Patch,
    guarded: bool,
) -> None:
    """WeChat's own probe, and any forgery: nothing turns the check off."""
    if not guarded:
        monkeypatch.setattr(client, "rsa_verify", lambda *_: True)
    body = post.writer.envelope(post.content())
    headers = post.writer.headers(body, at=post.at, Wechatpay_Signature="WECHATPAY/SIGNTEST/c2lnbmF0dXJl")
    refusal = refused_with(lambda: notifications.receive(headers=headers, body=body, now=post.at))
    assert refusal is (errors.BadSignature if guarded else None)


@both
def test_11_a_verifier_that_fails_lets_nothing_through(post: Post, monkeypatch: Patch, guarded: bool) -> None:
    """Whatever breaks while a signature is looked at, WeChat hears no 204 and nothing was recorded."""

    def broken(*_: Any) -> bool:
        raise RuntimeError

    def forgiving(check: Any, *given: Any, **named: Any) -> bool:
        try:
            return bool(check(*given, **named))
        except RuntimeError:
            return True

    monkeypatch.setattr(client, "rsa_verify", broken)
    if not guarded:
        around(monkeypatch, client.SafeCore, "is_signed", forgiving)
    assert refused_with(post.bring) is (RuntimeError if guarded else None)
    assert payment(post.number)["state"] == ("open" if guarded else "succeeded")


@both
@pytest.mark.parametrize("seconds", [-301, 301])
def test_12_an_old_letter_is_not_played_again(
    post: Post,
    monkeypatch: Patch,
    seconds: int,
    guarded: bool,
) -> None:
    if not guarded:
        monkeypatch.setattr(client, "_FRESH_FOR", timedelta(days=1))
    body = post.writer.envelope(post.content())
    headers = post.writer.headers(body, at=post.at + timedelta(seconds=seconds))
    refusal = refused_with(lambda: notifications.receive(headers=headers, body=body, now=post.at))
    assert refusal is (errors.BadSignature if guarded else None)


@both
def test_13_a_clock_that_drifts_is_told_before_wechat_refuses_it(
    wechat: Wechat, monkeypatch: Patch, guarded: bool
) -> None:
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **_: alarms.append(kind))
    if not guarded:
        monkeypatch.setattr(client, "_CLOCKS_AGREE_WITHIN", timedelta(days=1))
    fresh = client.Client(wechat.settings)
    with clock.frozen(datetime.now(UTC) + timedelta(minutes=2)):
        assert [fresh.query("Pnever-seen") for _ in range(2)] == [answers.Missing()] * 2
    assert alarms == (["payments.clock_drift"] if guarded else [])


@both
def test_14_keys_may_change_while_letters_are_under_way(
    settings: Settings, writer: Writer, tmp_path: Path, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(keys, "extra_verifiers", lambda _: {})
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "PUB_KEY_ID_02.pem").write_bytes(public)
    reader = client.Client(with_settings(settings, wechatpay_extra_keys_dir=tmp_path))
    refusals = []
    for each in (writer, Writer(other, "PUB_KEY_ID_02", writer.apiv3_key), writer):
        body = each.envelope({"out_trade_no": "P123456"})
        headers = each.headers(body, at=now)
        refusals.append(refused_with(lambda h=headers, b=body: reader.read_notification(h, b, now=now)))
    assert refusals == [None, None if guarded else errors.BadSignature, None]


@both
def test_17_an_event_that_is_not_known_is_kept_and_accepted(
    post: Post,
    monkeypatch: Patch,
    guarded: bool,
) -> None:
    if not guarded:
        monkeypatch.setattr(notifications, "_REFUND_EVENTS", frozenset({"FOO.BAR"}))
    refusal = refused_with(lambda: post.bring({"any": "thing"}, event_type="FOO.BAR"))
    assert (refusal, kept()) == ((None, [("ignored", False)]) if guarded else (errors.UnknownPayment, kept()))


@both
def test_18_a_number_is_ordered_again_word_for_word(
    buyer: Buyer, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    until, later = now + timedelta(hours=5), now + timedelta(hours=3)
    buyer.open(now=now, pay_until=until)
    if not guarded:
        around(
            monkeypatch,
            client.Client,
            "prepay",
            lambda prepay, self, channel, body: prepay(self, channel, {**body, "description": "edited"}),
        )
    refusal = refused_with(lambda: buyer.open(now=later, pay_until=until, description="edited"))
    assert refusal is (None if guarded else errors.PaymentRefused)


@both
@pytest.mark.parametrize(
    ("channel", "constant", "lives"),
    [
        (Channel.MINIPROGRAM, "_TOKEN_LIVES", timedelta(hours=2, minutes=1)),
        (Channel.H5, "_H5_TOKEN_LIVES", timedelta(minutes=5, seconds=1)),
    ],
)
def test_19_a_token_that_wechat_has_forgotten_is_not_handed_out(
    buyer: Buyer, monkeypatch: Patch, now: datetime, channel: Channel, constant: str, lives: timedelta, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(collect, constant, timedelta(days=1))
    until = now + timedelta(hours=5)
    first, second = (buyer.open(now=at, channel=channel, pay_until=until) for at in (now, now + lives))
    token = "package" if channel is Channel.MINIPROGRAM else "h5_url"
    assert (first.client[token] != second.client[token]) is guarded


@both
def test_20_the_channel_decides_the_account_and_the_openid_is_of_it(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(collect, "_appid", lambda _: wechat.settings.wechat_official_appid)
    payer = Payer(channel=Channel.MINIPROGRAM, openid=wechat.openid(account="miniprogram"))
    refusal = refused_with(lambda: buyer.open(now=now, payer=payer))
    assert refusal is (None if guarded else errors.PaymentRefused)


@both
def test_21_a_refund_without_an_answer_keeps_its_number(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    number = buyer.paid(now=now)
    refund = ask_back(100, now=now)
    sent: list[str] = []

    def another(send: Any, self: Any, body: dict[str, Any]) -> Any:
        body = body if guarded else {**body, "out_refund_no": f"{body['out_refund_no'][:20]}-{len(sent)}"}
        sent.append(body["out_refund_no"])
        return send(self, body)

    around(monkeypatch, client.Client, "refund", another)
    wechat.fault("error", on="refund", when="after")
    wechat.fault("error", on="refund_query", times=2)
    refunds.send(number=refund.number, now=now)
    try:
        wechat.order("/clock", offset_seconds=90)
        refunds.check_due(now=now + timedelta(seconds=90))
    finally:
        wechat.order("/clock", offset_seconds=0)
    assert len(wechat.book(number)["refunds"]) == (1 if guarded else 2)


@both
def test_22_an_accepted_refund_has_not_arrived(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    number = buyer.paid(now=now)
    if not guarded:
        around(
            monkeypatch,
            answers,
            "refund_report",
            lambda read, body: replace(read(body), status="SUCCESS", succeeded_at=now),
        )
    refunds.send(number=ask_back(100, now=now).number, now=now)
    (ours,) = rows("SELECT state FROM payment_refunds")
    (theirs,) = wechat.book(number)["refunds"]
    assert theirs["status"] == "PROCESSING"
    assert ours["state"] == ("processing" if guarded else "succeeded")


@both
def test_24_a_partly_refunded_payment_was_paid(post: Post, monkeypatch: Patch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(answers, "_PAID_STATES", frozenset({"SUCCESS"}))
    post.bring(post.content(trade_state="REFUND"))
    assert payment(post.number)["state"] == ("succeeded" if guarded else "open")


@both
def test_25_a_refund_says_where_its_news_goes(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    """Without it WeChat tells nobody, or sends the XML of its older API."""

    def forget(build: Any, **given: Any) -> dict[str, Any]:
        return {name: value for name, value in build(**given).items() if name != "notify_url"}

    if not guarded:
        around(monkeypatch, bodies, "refund", forget)
    buyer.paid(now=now)
    refund = ask_back(100, now=now)
    refunds.send(number=refund.number, now=now)
    before = len(wechat.inbox.letters)
    wechat.order("/settle", out_refund_no=refund.number)
    if guarded:
        wechat.order("/redeliver", out_refund_no=refund.number)
    assert (len(wechat.inbox.letters) > before) is guarded


@both
def test_26_no_amount_passes_through_a_float(monkeypatch: Patch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(statements, "_whole", lambda yuan, units: int(float(yuan) * units))
    told = "`1,`0.01,`0.00,`0.00,`0,`1.15,`0.00"
    bill = trade_bill(PAID.replace("`1.00%,`0.01", "`1.00%,`1.15"), told=told)
    (row,) = statements.trades(bill)
    assert row.total_fen == (115 if guarded else 114)


@both
def test_27_a_bill_is_read_by_the_names_of_its_columns(monkeypatch: Patch, guarded: bool) -> None:
    """A bill of only the successful trades lacks the columns about refunds."""
    names, cells = TRADE.split(","), PAID.split(",")
    present = [at for at, name in enumerate(names) if "退款" not in name]
    bill = [",".join(row[at] for at in present) for row in (names, cells)]
    if not guarded:
        monkeypatch.setattr(statements, "_names", lambda heading: names[: len(heading.split(","))])
    lines = [*bill, SUMS, "`1,`0.01,`0.00,`0.00,`0.00000,`0.01,`0.00"]
    read: list[int] = []
    refusal = refused_with(lambda: read.extend(row.total_fen for row in statements.trades(lines)))
    assert ((refusal, read) == (None, [1])) is guarded


@both
def test_36_wechat_takes_no_emoji(buyer: Buyer, monkeypatch: Patch, now: datetime, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(bodies, "clean_text", lambda text, _: text)
    refusal = refused_with(lambda: buyer.open(now=now, description="🍐" + "砀山酥梨" * 60))
    assert refusal is (None if guarded else errors.PaymentRefused)


@both
def test_38_an_answer_that_cannot_be_verified_says_nothing(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    """WeChat has opened the payment; that its signature does not fit does not undo that."""

    def as_failure(exchange: Any, *given: Any) -> Any:
        status, found = exchange(*given)
        return (400, answers.Refused(400, "FAIL")) if isinstance(found, answers.Unknown) else (status, found)

    if not guarded:
        around(monkeypatch, client, "_exchange", as_failure)
    wechat.fault("forged_response", on="prepay")
    refusal = refused_with(lambda: buyer.open(now=now))
    assert refusal is (None if guarded else errors.PaymentRefused)
    (row,) = rows("SELECT number FROM payments")
    assert wechat.book(row["number"])["state"] == "NOTPAY"


@both
def test_39_what_is_sent_again_is_the_same_bytes(
    buyer: Buyer, wechat: Wechat, monkeypatch: Patch, now: datetime, guarded: bool
) -> None:
    """The connection breaks after WeChat has taken the request; hours later its token is forgotten."""
    seen: list[bytes] = []
    until = now + timedelta(hours=5)

    def built_anew(send: Any, self: Transport, host: str, request: Request, into: Any, *, within_s: float) -> Any:
        if b"out_trade_no" in request.body:
            if seen and not guarded:
                body = orjson.dumps({**orjson.loads(request.body), "attach": "second"})
                request = replace(request, body=body)
            seen.append(request.body)
        return send(self, host, request, into, within_s=within_s)

    around(monkeypatch, Transport, "_send", built_anew)
    wechat.fault("reset", on="prepay", when="after")
    refusal = refused_with(lambda: buyer.open(now=now, pay_until=until))
    assert refusal is (None if guarded else errors.PaymentRefused)
    assert (len(seen) > 1, len(set(seen)) == 1) == (True, guarded)
    if guarded:
        sent = len(seen)
        buyer.open(now=now + timedelta(hours=3), pay_until=until)
        assert (len(seen) > sent, len(set(seen))) == (True, 1)


def test_the_receipts_are_compared_by_the_same_words_everywhere() -> None:
    """What `test_05` takes away from the notifications stands in the statement of the answers too."""
    for compared in ("known.mchid = %(mchid)s", "known.appid = %(appid)s", "known.amount_fen = %(total_fen)s"):
        assert compared in receipts.TAKE

"""WeChat Pay's calls: believed by signature, acknowledged after the commit, and open to nobody else."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import database
from payments import collect
from payments.lifecycle import Channel
from storefront.api import notifications
from tests.payments.conftest import Writer
from tests.storefront.api.conftest import code_of

PAYMENTS, REFUNDS = "/wechatpay/notifications/payments", "/wechatpay/notifications/refunds"


@pytest.fixture
def number(app: Flask) -> str:
    """An open payment that WeChat may speak of."""
    now = datetime.now(UTC)
    payment = collect._take_number(
        "O1", 5990, collect.Payer(channel=Channel.NATIVE), "梨", now + timedelta(minutes=30), now
    )
    assert payment is not None
    return payment.number


def letter(number: str, **changes: object) -> dict[str, object]:
    [(mchid, appid, amount)] = database.statement(
        "SELECT mchid, appid, amount_fen FROM payments ORDER BY number = %s DESC LIMIT 1", (number,)
    )
    return {
        "mchid": mchid,
        "appid": appid,
        "out_trade_no": number,
        "transaction_id": "4200001460202207148197935963",
        "trade_state": "SUCCESS",
        "success_time": "2026-11-21T12:00:07+08:00",
        "amount": {"total": amount, "currency": "CNY"},
        **changes,
    }


def bring(client: FlaskClient, writer: Writer, body: bytes, path: str = PAYMENTS, **changes: str) -> TestResponse:
    return client.post(path, data=body, headers=dict(writer.headers(body, at=datetime.now(UTC), **changes)))


def state() -> str:
    [(found,)] = database.statement("SELECT state FROM payments")
    return str(found)


def test_signed_news_is_committed_and_then_acknowledged(client: FlaskClient, writer: Writer, number: str) -> None:
    body = writer.envelope(letter(number))
    for _ in range(2):
        answer = bring(client, writer, body)
        assert (answer.status_code, answer.data) == (204, b"")
    assert state() == "succeeded"
    assert database.statement("SELECT count(*) FROM facts WHERE name = 'payment.succeeded'") == [(1,)]


def test_an_unsigned_or_altered_letter_is_401_and_changes_nothing(
    client: FlaskClient, writer: Writer, number: str
) -> None:
    body = writer.envelope(letter(number))
    assert code_of(client.post(PAYMENTS, data=body)) == (401, "payment.bad_signature")
    signed = dict(writer.headers(body, at=datetime.now(UTC)))
    altered = client.post(PAYMENTS, data=body + b" ", headers=signed)
    assert code_of(altered) == (401, "payment.bad_signature")
    forged = bring(client, writer, body, Wechatpay_Serial="PUB_KEY_ID_9")
    assert code_of(forged) == (401, "payment.bad_signature")
    stale = dict(writer.headers(body, at=datetime.now(UTC) - timedelta(minutes=6)))
    assert code_of(client.post(PAYMENTS, data=body, headers=stale)) == (401, "payment.bad_signature")
    for body in (b"", b"{}", b"\xff\x00", b"[" * 1000):
        assert code_of(client.post(PAYMENTS, data=body)) == (401, "payment.bad_signature"), body[:9]
    assert state() == "open"
    assert database.statement("SELECT count(*) FROM payment_notifications") == [(0,)]


def test_what_must_come_again_is_5xx(client: FlaskClient, writer: Writer, number: str) -> None:
    unknown = bring(client, writer, writer.envelope(letter("P0000000000000000")))
    assert code_of(unknown) == (503, "payment.unknown_number")
    assert database.statement("SELECT outcome FROM payment_notifications") == [("unmatched",)], "it is kept"


def test_signed_nonsense_is_refused(client: FlaskClient, writer: Writer) -> None:
    assert code_of(bring(client, writer, b"[]")) == (422, "payment.malformed_notification")


@pytest.mark.parametrize("path", [PAYMENTS, REFUNDS])
def test_what_is_too_long_is_413_before_anybody_looks_at_it(client: FlaskClient, path: str) -> None:
    longest = client.post(path, data=b"x" * notifications.LONGEST_BODY)
    assert code_of(longest) == (401, "payment.bad_signature")
    assert code_of(client.post(path, data=b"x" * (notifications.LONGEST_BODY + 1))) == (413, "request.too_large")
    assert client.post(path, data=b"x" * (5 * 2**20)).status_code == 413


def test_the_raw_bytes_count_whatever_the_request_calls_itself(
    client: FlaskClient, writer: Writer, number: str
) -> None:
    body = writer.envelope(letter(number))
    headers = dict(writer.headers(body, at=datetime.now(UTC)))
    answer = client.post(PAYMENTS, data=body, headers=headers, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 204


def test_no_session_no_forgery_check_and_no_limit_stands_in_wechat_s_way(
    client: FlaskClient, writer: Writer, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storefront.limits.FLOOD_LIMIT", 0)
    monkeypatch.setattr("storefront.guard.CHANGES_A_MINUTE", 0)
    client.set_cookie("hall_session", "x" * 43)
    body = writer.envelope(letter(number))
    headers = dict(writer.headers(body, at=datetime.now(UTC)))
    answer = client.post(PAYMENTS, data=body, headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.10"})
    assert answer.status_code == 204


def test_nobody_reads_there(client: FlaskClient) -> None:
    answer = client.get(PAYMENTS)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]

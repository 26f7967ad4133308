"""Bills: when they are there, how they are fetched, what stands in them, and that the sums are those of the books."""

import csv
import gzip
import hashlib
import io
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.emulator.conftest import Till, Wechat, wait_until
from tests.emulator.merchant import Merchant

BEIJING = timezone(timedelta(hours=8))


def today() -> str:
    return f"{datetime.now(UTC).astimezone(BEIJING):%Y-%m-%d}"


@pytest.fixture
def merchant(wechat: Wechat) -> Merchant:
    return Merchant(wechat)


def tomorrow(wechat: Wechat, merchant: Merchant, hour: int) -> None:
    """Turn the clock to so many hours of the next day."""
    now = datetime.now(UTC).astimezone(BEIJING)
    then = now.replace(hour=hour, minute=1, second=0) + timedelta(days=1)
    merchant.skew = (then - now).total_seconds()
    wechat.control("POST", "/clock", offset_seconds=merchant.skew)


def fetch(merchant: Merchant, target: str) -> tuple[dict[str, Any], bytes]:
    status, told = merchant.vouched(merchant.call("GET", target))
    assert (status, set(told), told["hash_type"]) == (200, {"download_url", "hash_type", "hash_value"}, "SHA1"), told
    answer = merchant.call("GET", told["download_url"])
    assert answer.status_code == 200, answer.text
    assert not any(name.lower().startswith("wechatpay-") for name in answer.headers)
    return told, answer.content


def read(text: bytes) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Read a bill by its header names, backticks off, as a merchant must."""
    lines = list(csv.reader(io.StringIO(text.decode("utf-8-sig"))))
    assert all(cell.startswith("`") for line in (*lines[1:-2], lines[-1]) for cell in line)
    bare = [[cell.removeprefix("`") for cell in line] for line in lines]
    rows = [dict(zip(bare[0], line, strict=True)) for line in bare[1:-2]]
    return rows, dict(zip(bare[-2], bare[-1], strict=True))


@pytest.fixture
def traded(pos: Till, wechat: Wechat) -> None:
    """A day with two payments, one with a coupon, and a refund of a part."""
    pos.prepay("BILL-0001", 5990, attach="a,b")
    wechat.control("POST", "/pay", out_trade_no="BILL-0001")
    pos.prepay("BILL-0002", 10000, product="h5", description="酥梨,5斤")
    wechat.control("POST", "/pay", out_trade_no="BILL-0002", payer_total=9000)
    pos.prepay("BILL-0003", 100)
    assert pos.refund("BILL-0002", "BILL-0002-R1", 5000, 10000)[0] == 200
    wechat.control("POST", "/settle", out_refund_no="BILL-0002-R1")


def test_nothing_before_ten_the_next_day(wechat: Wechat, merchant: Merchant, traded: None) -> None:
    target = f"/v3/bill/tradebill?bill_date={today()}"
    assert merchant.vouched(merchant.call("GET", target))[1]["code"] == "INVALID_REQUEST"
    tomorrow(wechat, merchant, 9)
    status, refused = merchant.vouched(merchant.call("GET", target))
    assert (status, refused["code"]) == (400, "STATEMENT_CREATING")
    tomorrow(wechat, merchant, 10)
    assert fetch(merchant, target)[1]
    empty = f"/v3/bill/tradebill?bill_date={datetime.now(UTC).astimezone(BEIJING) - timedelta(days=3):%Y-%m-%d}"
    assert merchant.vouched(merchant.call("GET", empty)) == (
        400,
        {"code": "NO_STATEMENT_EXIST", "message": "账单文件不存在：当日无交易"},
    )
    wechat.control("POST", "/terms", empty_bill_status=404)
    assert merchant.call("GET", empty).status_code == 404


def test_the_trade_bill_is_the_books(wechat: Wechat, merchant: Merchant, traded: None) -> None:
    tomorrow(wechat, merchant, 10)
    told, text = fetch(merchant, f"/v3/bill/tradebill?bill_date={today()}&bill_type=ALL")
    assert hashlib.sha1(text).hexdigest() == told["hash_value"]
    assert text.startswith(b"\xef\xbb\xbf")
    assert b"\r\n" in text
    rows, sums = read(text)
    assert len(rows[0]) == 27
    first, second, back = rows
    order = wechat.order("BILL-0001")
    assert (first["商户订单号"], first["微信订单号"]) == ("BILL-0001", order["transaction_id"])
    assert (first["交易类型"], first["交易状态"], first["订单金额"]) == ("JSAPI", "SUCCESS", "59.90")
    assert (first["手续费"], first["费率"], first["微信退款单号"]) == ("0.36000", "0.60%", "0")
    assert first["商户数据包"] == "a\\ b"
    assert (second["交易类型"], second["应结订单金额"], second["代金券金额"]) == ("MWEB", "100.00", "10.00")
    assert (back["交易状态"], back["商户退款单号"], back["退款状态"]) == ("REFUND", "BILL-0002-R1", "SUCCESS")
    assert (back["订单金额"], back["申请退款金额"], back["手续费"]) == ("0.00", "50.00", "-0.30000")
    assert back["充值券退款金额"] == "5.00"
    assert sums == {
        "总交易单数": "3",
        "应结订单总金额": "159.90",
        "退款总金额": "50.00",
        "充值券退款总金额": "5.00",
        "手续费总金额": "0.66000",
        "订单总金额": "159.90",
        "申请退款总金额": "50.00",
    }


def test_the_kinds_have_columns_of_their_own(wechat: Wechat, merchant: Merchant, traded: None) -> None:
    tomorrow(wechat, merchant, 10)
    paid, _ = read(fetch(merchant, f"/v3/bill/tradebill?bill_date={today()}&bill_type=SUCCESS")[1])
    assert [row["商户订单号"] for row in paid] == ["BILL-0001", "BILL-0002"]
    assert "微信退款单号" not in paid[0]
    back, _ = read(fetch(merchant, f"/v3/bill/tradebill?bill_date={today()}&bill_type=REFUND")[1])
    assert [row["商户退款单号"] for row in back] == ["BILL-0002-R1"]
    assert back[0]["退款成功时间"].startswith(today())


def test_the_statement_ends_at_the_balance_of_the_books(wechat: Wechat, merchant: Merchant, traded: None) -> None:
    tomorrow(wechat, merchant, 10)
    rows, sums = read(fetch(merchant, f"/v3/bill/fundflowbill?bill_date={today()}&account_type=BASIC")[1])
    moved = [(row["业务类型"], row["收支类型"], row["收支金额(元)"]) for row in rows]
    assert moved == [
        ("交易", "收入", "59.90"),
        ("扣除交易手续费", "支出", "0.36"),
        ("交易", "收入", "100.00"),
        ("扣除交易手续费", "支出", "0.60"),
        ("退款", "支出", "49.70"),
    ]
    assert rows[-1]["账户结余(元)"] == "109.24"
    assert Decimal(sums["收入金额"]) - Decimal(sums["支出金额"]) == Decimal("109.24")
    assert sums["资金流水总笔数"] == "5.0"
    other = f"/v3/bill/fundflowbill?bill_date={today()}&account_type=FEES"
    assert merchant.call("GET", other).json()["code"] == "NO_STATEMENT_EXIST"
    wechat.control("POST", "/terms", bill_wide_brackets=True, bill_bom=False, bill_newline="\n")
    _, text = fetch(merchant, f"/v3/bill/fundflowbill?bill_date={today()}")
    assert text.startswith("记账时间,微信支付业务单号".encode())
    assert "收支金额（元）".encode() in text
    assert b"\r" not in text


def test_what_was_shared_and_came_back_moves_the_account(wechat: Wechat, merchant: Merchant, pos: Till) -> None:
    pos.prepay("BILL-0009", 10_000, settle_info={"profit_sharing": True})
    wechat.control("POST", "/pay", out_trade_no="BILL-0009")
    transaction_id = wechat.order("BILL-0009")["transaction_id"]
    seller = {"type": "MERCHANT_ID", "account": "1900000109"}
    name = merchant.concealed("砀山果业有限公司", merchant.public_key_id)
    appid = wechat.settings["WECHAT_OFFICIAL_APPID"]
    added = {"appid": appid, "name": name, "relation_type": "DISTRIBUTOR"} | seller
    stranger = {"type": "MERCHANT_ID", "account": "1900000110", "amount": 7, "description": "佣金"}
    asked = {
        "appid": appid,
        "transaction_id": transaction_id,
        "out_order_no": "S-BILL-1",
        "receivers": [seller | {"amount": 2_000, "description": "佣金"}, stranger],
        "unfreeze_unsplit": True,
    }
    back = {"out_order_no": "S-BILL-1", "out_return_no": "B-BILL-1", "return_mchid": "1900000109"}
    back |= {"amount": 500, "description": "退"}  # type: ignore[dict-item]
    sharing = "/v3/profitsharing"
    serial = {"Wechatpay_Serial": merchant.public_key_id}
    assert merchant.call("POST", f"{sharing}/receivers/add", added, **serial).status_code == 200
    wait_until(lambda: merchant.call("POST", f"{sharing}/orders", asked).status_code == 200)
    assert merchant.call("POST", f"{sharing}/return-orders", back).status_code == 200
    kept = wechat.control("GET", "/books")["sharing"]
    tomorrow(wechat, merchant, 10)
    rows, sums = read(fetch(merchant, f"/v3/bill/fundflowbill?bill_date={today()}")[1])
    assert [
        (row["业务类型"], row["收支类型"], row["收支金额(元)"], row["业务凭证号"], row["微信支付业务单号"])
        for row in rows
        if row["业务名称"] == "分账"
    ] == [
        ("分账", "支出", "20.00", "S-BILL-1", kept["orders"][0]["receivers"][0]["detail_id"]),
        ("分账回退", "收入", "5.00", "B-BILL-1", kept["returns"][0]["return_id"]),
    ]
    assert Decimal(sums["收入金额"]) - Decimal(sums["支出金额"]) == Decimal("100") - Decimal("0.60") - 15
    assert rows[-1]["账户结余(元)"] == "84.40"


@pytest.mark.parametrize("over", ["plain", "gzip"])
def test_a_packed_bill_and_what_its_hash_is_of(wechat: Wechat, merchant: Merchant, traded: None, over: str) -> None:
    wechat.control("POST", "/terms", bill_hash_over=over)
    tomorrow(wechat, merchant, 10)
    told, packed = fetch(merchant, f"/v3/bill/tradebill?bill_date={today()}&tar_type=GZIP")
    assert told["download_url"].endswith("&tartype=gzip")
    hashed = packed if over == "gzip" else gzip.decompress(packed)
    assert hashlib.sha1(hashed).hexdigest() == told["hash_value"]
    assert len(read(gzip.decompress(packed))[0]) == 3


def test_an_address_is_good_for_five_minutes_and_for_its_merchant(
    wechat: Wechat, merchant: Merchant, traded: None
) -> None:
    tomorrow(wechat, merchant, 10)
    told = merchant.call("GET", f"/v3/bill/tradebill?bill_date={today()}").json()
    unsigned = requests.get(told["download_url"], headers={"User-Agent": "x"}, timeout=30)
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SIGN_ERROR")
    merchant.skew += 301
    wechat.control("POST", "/clock", offset_seconds=merchant.skew)
    expired = merchant.call("GET", told["download_url"])
    assert (expired.status_code, expired.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("bill_date=20260101", "PARAM_ERROR"),
        ("bill_date=", "PARAM_ERROR"),
        ("bill_date=2020-01-01", "INVALID_REQUEST"),
        ("bill_date=2099-01-01", "INVALID_REQUEST"),
        ("bill_date=TODAY&bill_type=SOME", "INVALID_REQUEST"),
        ("bill_date=TODAY&tar_type=ZIP", "PARAM_ERROR"),
    ],
)
def test_wrong_questions(merchant: Merchant, query: str, code: str) -> None:
    status, refused = merchant.vouched(merchant.call("GET", f"/v3/bill/tradebill?{query.replace('TODAY', today())}"))
    assert (status, refused["code"]) == (400, code)


def test_faults_of_bills(wechat: Wechat, merchant: Merchant, traded: None) -> None:
    tomorrow(wechat, merchant, 10)
    target = f"/v3/bill/tradebill?bill_date={today()}"
    wechat.control("POST", "/faults", fault="bill_creating")
    assert merchant.call("GET", target).json()["code"] == "STATEMENT_CREATING"
    wechat.control("POST", "/faults", fault="foreign_url")
    assert "@169.254.169.254" in merchant.call("GET", target).json()["download_url"]
    wechat.control("POST", "/faults", fault="wrong_hash")
    told, text = fetch(merchant, target)
    assert hashlib.sha1(text).hexdigest() != told["hash_value"]
    wechat.control("POST", "/faults", fault="row_missing", match="BILL-0001")
    wechat.control("POST", "/faults", fault="row_doubled", match="BILL-0002")
    wechat.control("POST", "/faults", fault="row_amount", match="BILL-0002-R1", options={"amount_fen": 5001})
    rows, _ = read(fetch(merchant, target)[1])
    assert [row["商户订单号"] for row in rows] == ["BILL-0002"] * 3
    assert rows[2]["申请退款金额"] == "50.01"


def test_a_fabricated_day_is_big_and_always_the_same(wechat: Wechat, merchant: Merchant) -> None:
    day = f"{datetime.now(UTC).astimezone(BEIJING) - timedelta(days=2):%Y-%m-%d}"
    wechat.control("POST", "/fabrications", day=day, payments=20_000, refunds=500, seed=7)
    started = time.monotonic()
    told, text = fetch(merchant, f"/v3/bill/tradebill?bill_date={day}")
    # A hundred thousand rows would take five times this.
    assert time.monotonic() - started < 12
    rows, sums = read(text)
    assert (len(rows), sums["总交易单数"]) == (20_500, "20500")
    assert sum(Decimal(row["订单金额"]) for row in rows) == Decimal(sums["订单总金额"])
    assert merchant.call("GET", f"/v3/bill/tradebill?bill_date={day}").json()["hash_value"] == told["hash_value"]
    lines = requests.get(f"{wechat.url}/_control/bookings/{day}", timeout=30).content.splitlines()
    assert len(lines) == 20_500
    _, statement = read(fetch(merchant, f"/v3/bill/fundflowbill?bill_date={day}")[1])
    fees = sum((Decimal(row["手续费"]) for row in rows), Decimal(0))
    assert Decimal(statement["收入金额"]) - Decimal(statement["支出金额"]) == (
        Decimal(sums["订单总金额"]) - Decimal(sums["退款总金额"]) - fees
    )

"""The requests: what phones and WeChat would send, as ready bytes.

Invariant: product and reference get the same requests but for their paths; what must be used once (keys, payments) is
made anew for each round.
"""

import itertools
import random
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta

import orjson

from benchmarks import goods, load
from benchmarks.stand import Stand
from catalog import cursors
from emulator import signing

_PHONE = {
    "User-Agent": "Mozilla/5.0 (Linux; Android 10; V1936A) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/86.0.4240.99 XWEB/4313 MMWEBSDK/20220805 Mobile Safari/537.36 MicroMessenger/8.0.27.2220(0x28001B36)",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "zh-CN,zh;q=0.9",
}
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
ADDRESS = {"name": "王小明", "phone": "13800001234", "region_code": "340104", "detail": "长江西路 1 号 2 幢 301"}
AMOUNT_FEN = 5980

_turns = itertools.count()


def scans(stand: Stand, count: int) -> list[bytes]:
    """Scan codes of the whole inventory; half of the riders have scanned before and bring their cookie."""
    with stand.connect() as connection:
        codes = [slug for (slug,) in connection.execute("SELECT slug FROM codes ORDER BY id").fetchall()]
    plain = [load.request("GET", f"/s/{code}", headers=_PHONE) for code in codes]
    known = [
        load.request("GET", f"/s/{code}", headers=_PHONE | {"Cookie": f"hall_visitor={uuid.uuid4()}"}) for code in codes
    ]
    return [random.choice(plain if turn % 2 else known) for turn in range(count)]


def lists(stand: Stand, count: int, *, reference: bool) -> list[bytes]:
    """Ask for pages of twenty that begin anywhere on the shelf: more pages than any cache holds."""
    if reference:
        paths = [f"/products?after={position}" for position, _ in positions(stand)]
    else:
        paths = [
            f"/api/v1/products?cursor={cursors.write(sort='shelf', key=position, slug=slug)}"
            for position, slug in positions(stand)
        ]
    ready = [load.request("GET", path, headers=_PHONE | _JSON) for path in paths]
    return random.choices(ready, k=count)


def first_lists(count: int, *, reference: bool) -> list[bytes]:
    """Ask for the first page over and over."""
    path = "/products/cached" if reference else "/api/v1/products"
    return [load.request("GET", path, headers=_PHONE | _JSON)] * count


def hellos(count: int) -> list[bytes]:
    """Ask for as little as there is."""
    return [load.request("GET", "/hello", headers=_PHONE)] * count


def pages(stand: Stand, count: int) -> list[bytes]:
    """Open the pages of products, any of them."""
    ready = [load.request("GET", f"/p/{slug}", headers=_PHONE) for _, slug in positions(stand)]
    return random.choices(ready, k=count)


def orders(stand: Stand, count: int, *, lines: int, sku: str | None, reference: bool) -> list[bytes]:
    """Order `lines` SKUs, any of them or always `sku`, each order by another shopper with a scan behind it."""
    with stand.connect() as connection:
        skus = [number for (number,) in connection.execute("SELECT number FROM skus WHERE number > 'BENCH00003'")]
    made = []
    for _ in range(count):
        turn = next(_turns) % goods.SHOPPERS
        wanted = [sku] if sku else random.sample(skus, lines)
        body = {"lines": [{"sku": each, "quantity": 1} for each in wanted], "address": ADDRESS}
        headers = _JSON | {
            "User-Agent": _PHONE["User-Agent"],
            "Idempotency-Key": secrets.token_urlsafe(12),
            "Authorization": f"Bearer {goods.token(turn)}",
            "Cookie": f"hall_visitor={goods.visitor(turn)}",
        }
        path = "/orders" if reference else "/api/v1/orders"
        made.append(load.request("POST", path, headers=headers, body=orjson.dumps(body)))
    return made


def payments(stand: Stand, count: int) -> list[str]:
    """Open `count` payments of orders that nobody placed, and return their numbers."""
    who, now = stand.wechat.identity, datetime.now(UTC)
    numbers = [f"B{secrets.token_hex(10)}" for _ in range(count)]
    sql = """COPY payments (number, reference, channel, mchid, appid, amount_fen, state, request, pay_until, opened_at)
             FROM STDIN"""
    with stand.connect() as connection, connection.cursor().copy(sql) as copy:
        for number in numbers:
            channel = ("miniprogram", who.mchid, who.miniprogram_appid)
            copy.write_row((number, f"R{number}", *channel, AMOUNT_FEN, "open", "{}", now + timedelta(hours=1), now))
    return numbers


def reference_orders(stand: Stand, count: int) -> list[str]:
    """Put `count` unpaid orders into the reference and return their numbers."""
    numbers = [f"B{secrets.token_hex(10)}" for _ in range(count)]
    sql = "COPY orders (number, shopper, amount_fen, address) FROM STDIN"
    with stand.connect("reference") as connection, connection.cursor().copy(sql) as copy:
        for number in numbers:
            copy.write_row((number, 1, AMOUNT_FEN, "{}"))
    return numbers


def letters(stand: Stand, amounts: dict[str, int]) -> list[tuple[dict[str, str], bytes]]:
    """Return WeChat's notifications, headers and body, that payments (number → fen) succeeded."""
    who, made = stand.wechat.identity, []
    for number, amount_fen in amounts.items():
        told = {
            "mchid": who.mchid,
            "appid": who.miniprogram_appid,
            "out_trade_no": number,
            "transaction_id": f"42{secrets.randbelow(10**26):026d}",
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "OTHERS",
            "success_time": datetime.now(UTC).isoformat(timespec="seconds"),
            "payer": {"openid": "oBENCH0000000000000000000000"},
            "amount": {"total": amount_fen, "payer_total": amount_fen, "currency": "CNY", "payer_currency": "CNY"},
        }
        body = orjson.dumps(
            {
                "id": str(uuid.uuid4()),
                "create_time": told["success_time"],
                "resource_type": "encrypt-resource",
                "event_type": "TRANSACTION.SUCCESS",
                "summary": "支付成功",
                "resource": {"original_type": "transaction"}
                | signing.seal(who.apiv3_key, orjson.dumps(told), associated_data="transaction"),
            }
        )
        headers = signing.signature_headers(
            stand.wechat.wechatpay, serial=who.public_key_id, timestamp=int(time.time()), body=body
        )
        made.append((headers, body))
    return made


def notifications(letters_: list[tuple[dict[str, str], bytes]], *, reference: bool) -> list[bytes]:
    """Return letters as requests."""
    path = "/notifications" if reference else "/wechatpay/notifications/payments"
    return [load.request("POST", path, headers=_JSON | headers, body=body) for headers, body in letters_]


def positions(stand: Stand) -> list[tuple[int, str]]:
    """Return the place on the shelf and the slug of each product of the bench."""
    with stand.connect() as connection:
        return connection.execute("SELECT position, slug FROM products WHERE position > 10000 ORDER BY 1").fetchall()

"""Looks for secrets and for people's data in everything that a running shop has written to its logs."""

import base64
import hashlib
import hmac
import re
import secrets
import subprocess
import sys
from urllib.parse import quote

import requests
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

from emulator.browser import Browser
from emulator.riders import API, COUNTY, IN_WECHAT, RECIPIENT
from emulator.staff import Staff, one_time_code, read_account
from storefront import csrf
from tests.shop import ROOT, Shop

_CARD, _HOLDER, _REFUSED, _WRONG_PASSWORD = "6222021234567890123", "欧阳持卡人", "欧阳失败", "wrong horse battery"
_SECRET_SETTINGS = re.compile(r"SECRET|APIV3_KEY|AES_KEY|PUSH_TOKEN")
# 256 random bits in base 64: what a session token, a link or a visitor's proof looks like.
_TOKEN = re.compile(r"(?<![\w/+=-])[A-Za-z0-9_-]{43}(?![\w/+=-])")
_PEOPLE = {
    "openid": "SELECT DISTINCT openid FROM shoppers WHERE openid IS NOT NULL",
    "unionid": "SELECT DISTINCT unionid FROM shoppers WHERE unionid IS NOT NULL",
    "password hash": "SELECT password_hash FROM staff_accounts",
    "sealed access token": "SELECT sealed FROM wechat_access_tokens WHERE sealed IS NOT NULL",
    "sealed second factor": "SELECT totp_sealed FROM staff_accounts WHERE totp_sealed IS NOT NULL",
}


def known(shop: Shop) -> dict[str, str]:
    """Return what the shop's settings, files and tables hold that no log may: what it is → the text of it."""
    hidden = {name: value for name, value in shop.environment.items() if _SECRET_SETTINGS.search(name) and value}
    if password := make_url(shop.environment["DATABASE_URL"]).password:
        hidden["the database's password"] = password
    for path in sorted((shop.data_dir / "wechat").glob("*_key.pem")):
        if "PRIVATE" in (text := path.read_text()):
            lines = [line for line in text.splitlines() if len(line) == 64]
            hidden |= {f"line {at} of {path.name}": line for at, line in enumerate(lines, start=1)}
    account = read_account(shop.data_dir / "desk-account.json")
    hidden |= {"a password": account.password, "a second factor": account.totp_secret or ""}
    for what, sql in _PEOPLE.items():
        hidden |= {f"{what} {at}": value for at, (value,) in enumerate(shop.rows(sql), start=1)}
    return hidden | _access_tokens(shop) | {f"a recipient's {part}": text for part, text in RECIPIENT.items()}


def _access_tokens(shop: Shop) -> dict[str, str]:
    """Return WeChat's access tokens as the shop's processes use them, opened with its secret key."""
    key = b"wechat access tokens:" + shop.environment["SECRET_KEY"].encode()
    opener = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key).digest()))
    sealed = shop.rows("SELECT key, sealed FROM wechat_access_tokens WHERE sealed IS NOT NULL")
    return {f"an access token, {name}": opener.decrypt(value).decode() for name, value in sealed}


def provoke(shop: Shop) -> dict[str, str]:
    """Bring secrets where things go wrong: refused forms, calls that WeChat declines, tokens in wrong places."""
    staff = Staff(shop.url, read_account(shop.data_dir / "desk-account.json"))
    staff.login()
    bearer = {"Authorization": f"Bearer {staff.token}"}
    code = one_time_code(read_account(shop.data_dir / "desk-account.json").totp_secret or "", 0)
    shopper = _shopper(shop)
    card = {"bank_type": "ICBC_DEBIT", "account": _CARD, "holder": _HOLDER}
    key = {"Idempotency-Key": "secrecy-0001", "Authorization": f"Bearer {shopper}"}
    for method, path, headers, body in (
        ("POST", "/api/staff/v1/sessions", {}, {"username": "desk", "password": _WRONG_PASSWORD, "totp": code}),
        ("POST", "/api/staff/v1/stranded-refunds/R000000000000/card", bearer, card),
        ("GET", "/api/v1/orders/none", {"Authorization": f"Basic {staff.token}"}, None),
        ("GET", f"/s/{staff.token}", {"Cookie": f"hall_staff={staff.token}"}, None),
        ("POST", "/api/v1/orders", key, {"lines": [], "address": RECIPIENT | {"region_code": COUNTY}}),
        ("POST", "/api/v1/addresses", key, RECIPIENT | {"region_code": "999999"}),
        ("POST", "/wechatpay/notifications/payments", bearer, {"id": shopper}),
    ):
        requests.request(method, shop.url + path, headers=headers, json=body, timeout=60)
    _refuse_a_row(shop, key)
    link = _open_a_link(shop)
    proof = csrf.token(staff.token or "", secret_key=shop.environment["SECRET_KEY"])
    return {
        "a card": _CARD,
        "its holder": _HOLDER,
        "a name that the database refuses": _REFUSED,
        "a wrong password": _WRONG_PASSWORD,
        "a staff token": staff.token or "",
        "a shopper's token": shopper,
        "the link of an order": link,
        "a proof against forgery": proof,
    }


def _refuse_a_row(shop: Shop, key: dict[str, str]) -> None:
    """Let the database refuse an address: it says why with all the row's values, and the traceback quotes it."""
    shop.write(f"ALTER TABLE addresses ADD CONSTRAINT refused CHECK (name <> '{_REFUSED}') NOT VALID")
    address = RECIPIENT | {"region_code": COUNTY, "name": _REFUSED}
    answer = requests.post(f"{shop.url}/api/v1/addresses", headers=key, json=address, timeout=60)
    shop.write("ALTER TABLE addresses DROP CONSTRAINT refused")
    assert answer.status_code == 500, answer.text


def _open_a_link(shop: Shop) -> str:
    """Follow the link of an order, then once more after it was revoked, and return it."""
    seed = secrets.token_bytes(16)
    mac = hmac.new(shop.environment["SECRET_KEY"].encode(), b"storefront.order_links:" + seed, hashlib.sha256)
    link = base64.urlsafe_b64encode(mac.digest()[:16]).rstrip(b"=").decode()
    digest = hashlib.sha256(link.encode()).hexdigest()
    shop.write(
        "INSERT INTO order_links (link_digest, seed, order_number, created_at)"
        f" SELECT '\\x{digest}', '\\x{seed.hex()}', number, now() FROM orders ORDER BY id DESC LIMIT 1"
    )
    assert requests.get(f"{shop.url}/o/{link}", timeout=60).status_code == 200
    shop.write(f"UPDATE order_links SET revoked_at = now() WHERE link_digest = '\\x{digest}'")
    assert requests.get(f"{shop.url}/o/{link}", timeout=60).status_code == 404
    return link


def _shopper(shop: Shop) -> str:
    """Log a shopper of the mini-program in, and return the token."""
    wechat, phone = Browser(shop.wechat_url), Browser(shop.url, user_agent=IN_WECHAT)
    try:
        code = wechat.call("POST", "/_control/js_codes", {"person": "欧阳保密"}).json()
        return str(phone.call("POST", f"{API}/sessions/miniprogram", code).json()["token"])
    finally:
        wechat.close()
        phone.close()


def logs(shop: Shop) -> str:
    """Return all that web, worker, WeChat and the engines have written."""
    paths = (shop.data_dir / "shop.log", shop.data_dir / "pg" / "log", shop.data_dir / "redis.log")
    return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())


def leaks(hidden: dict[str, str], text: str) -> list[str]:
    """Return which of the hidden stand in a text, plain, percent-encoded or in base 64, and what looks like a token."""
    found = [
        f"{what}: {secret[:4]}…"
        for what, secret in hidden.items()
        if any(form in text for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()))
    ]
    return found + [f"something like a token: {match[:4]}…" for match in _TOKEN.findall(text)]


def written(texts: list[str]) -> list[str]:
    """Return the lines that the shop's own logger writes of texts, one each, as a bug might make it."""
    code = """
import sys
from config import logs
logs.configure()
for text in sys.argv[1:]:
    logs.get('bug').warning('bug', detail=text)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, *texts], cwd=ROOT, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    return run.stderr.decode().splitlines()

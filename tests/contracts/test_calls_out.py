"""What the shop can call, and what it reads of the answers: WeChat, by its protocol, where the settings say, and the
endpoints of partners, through one module that judges each address.

Pictures, the `q` of a scanned code and any other address that somebody tells us cannot be fetched, because of all
modules only those named here can call out at all. Nor does anything ask an emulator for more than WeChat would answer,
so that any emulator of that protocol can stand in for ours.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("config", "catalog", "payments", "subway_campaign", "storefront")
_CAN_CALL = (
    *("aiohttp", "asyncio", "boto3", "botocore", "ftplib", "http.client", "httpx", "imaplib", "poplib", "pycurl"),
    *("requests", "smtplib", "socket", "ssl", "telnetlib", "tornado", "urllib.request", "urllib3", "websockets"),
    *("wechatpy", "wechatpayv3", "xmlrpc"),
)
# Each module that can call out, and why nobody can tell it whom to call.
CALLERS = {
    "payments/wechatpay/transport.py": "one of two configured hosts, joined with a path that begins with a slash",
    "payments/wechatpay/client.py": "the library's calls, over the transport",
    "storefront/wechat/wire.py": "one configured host, joined with paths of this module and of trade",
    "storefront/wechat/trade.py": "catches the wire's errors",
    "storefront/wechat/token_store.py": "the library's store of tokens: calls nothing",
    "storefront/wechat/pushes.py": "the library's cipher: calls nothing",
    "storefront/egress.py": "public https hosts that partners name, judged by the address that is connected to",
    "config/storage.py": "the configured bucket, joined with keys of the shop's own making",
    "config/jobs.py": "runs the worker's loop, whose queue is the database",
    "config/dispatch.py": "hands work from the worker's loop to its threads; calls nothing",
    "config/server.py": "answers on connections that others opened; opens none",
    "config/desk.py": "the desk's own web server, to see whether it is ready; no part of a running shop",
}
# For each of them that calls other hosts: the tests that nothing anybody tells it or answers leads it to a third.
NOWHERE_ELSE = {
    "payments/wechatpay/transport.py": (
        "tests/payments/wechatpay/test_bills.py::test_29_a_foreign_download_address_is_never_called",
        "tests/payments/wechatpay/test_bills.py::test_29_a_download_that_is_led_elsewhere_is_not_followed",
        "tests/payments/wechatpay/test_bills.py::test_no_path_can_change_the_host",
        "tests/payments/wechatpay/test_client.py::test_a_redirect_is_not_followed",
    ),
    "storefront/wechat/wire.py": (
        "tests/storefront/wechat/test_wire.py::test_29_an_answer_that_leads_elsewhere_is_not_followed",
    ),
    "storefront/egress.py": (
        "tests/storefront/test_egress.py::test_what_may_not_be_called_whatever_it_resolves_to",
        "tests/storefront/test_egress.py::test_a_name_that_leads_inside_is_not_called",
        "tests/storefront/test_egress.py::test_the_address_that_was_judged_is_the_one_that_is_called",
        "tests/storefront/test_egress.py::test_a_redirect_is_not_followed",
    ),
    "config/storage.py": (
        "tests/config/test_storage.py::test_a_name_that_is_none_of_ours_is_never_looked_up",
        "tests/config/test_storage.py::test_29_a_bucket_that_leads_elsewhere_is_not_followed",
    ),
}
# What WeChat's documents name; wechatpayv3 builds the paths below /v3 itself.
_DOCUMENTED_PATHS = {
    "cgi-bin/message/subscribe/send",
    "cgi-bin/stable_token",
    "sns/jscode2session",
    "sns/oauth2/access_token",
    "wxa/generate_urllink",
    "wxa/sec/order/get_order",
    "wxa/sec/order/upload_shipping_info",
}
_DOCUMENTED_HEADERS = {
    "Date",
    "Wechatpay-Nonce",
    "Wechatpay-Serial",
    "Wechatpay-Signature",
    "Wechatpay-Signature-Type",
    "Wechatpay-Timestamp",
}


def sources() -> Iterator[tuple[str, str]]:
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def callers(source: str) -> set[str]:
    """What of `_CAN_CALL` a module imports."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {each for each in _CAN_CALL if any(f"{name}.".startswith(f"{each}.") for name in named)}


def test_only_these_modules_can_call_out() -> None:
    assert {path for path, source in sources() if callers(source)} == set(CALLERS)


def test_each_that_calls_another_host_is_tested_to_call_no_third() -> None:
    assert {path for path, why in CALLERS.items() if "host" in why or "bucket" in why} - {
        "payments/wechatpay/client.py"
    } == set(NOWHERE_ELSE)
    for path, name in (named.split("::") for tests in NOWHERE_ELSE.values() for named in tests):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no {name}"


@pytest.mark.parametrize(
    "planted",
    [
        "import requests",
        "import urllib.request",
        "from urllib import request",
        "def later():\n    from http import client\n",
        "import urllib3.util as u",
        "from wechatpy.client import WeChatClient",
    ],
)
def test_one_that_fetched_a_picture_would_be_seen(planted: str) -> None:
    assert callers(planted)
    assert not callers("from urllib.parse import urlsplit\nfrom http import HTTPStatus\nimport re")


def test_nothing_asks_an_emulator_for_more_than_wechat_would_answer() -> None:
    asked, read = set(), set()
    for path, source in sources():
        assert "_control" not in source, path
        if path.startswith(("payments/", "storefront/wechat/")):
            asked |= set(re.findall(r"[\"`]((?:cgi-bin|sns|wxa)/[\w/]+)", source))
            read |= set(re.findall(r"headers(?:\.get\(|\[)\"([\w-]+)", source))
    assert asked == _DOCUMENTED_PATHS
    assert read == _DOCUMENTED_HEADERS


def test_the_one_thing_of_a_desk_is_asked_for_by_its_browser() -> None:
    """WeChat's own browser brings its bridge along; a browser on a desk is told where to find one, if it is there."""
    known = {path for path, source in sources() if re.search(r"allow_emulated_wechat", source)}
    assert known == {"config/settings.py", "storefront/cli.py", "storefront/h5/pages.py"}

"""Nothing that an attacker could guess piece by piece is compared by `==`, which stops at the first difference.

Secrets are compared in constant time, or found in the database by their SHA-256: how long that takes tells of the
digest, from which nobody gets back to the secret.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("config", "catalog", "payments", "subway_campaign", "storefront")
_SECRET = re.compile(r"secret|token|signature|digest|\bmac$|password|passcode|totp|csrf|nonce|sha(1|256|512)\b", re.I)
# What looks like a comparison of secrets and is none.
NONE_OF_THEM = {
    "config/settings.py: value.lower() not in WEAK_SECRETS": "our own setting, when the process starts",
    "config/storage.py: hashlib.sha256(body).hexdigest() != name.rsplit('/', 1)[1].partition('.')[0]": "a file's name",
    "payments/wechatpay/bills.py: found.sha1 not in (packed, plain)": "the check sum of a bill, which WeChat publishes",
    "payments/wechatpay/bills.py: found.sha1 == plain": "the same",
    "storefront/login.py: LoginState.state_digest == tokens.digest(state)": "SQL, by digest",
    "storefront/login.py: LoginState.browser_digest == tokens.digest(browser)": "SQL, by digest",
    "storefront/order_links.py: OrderLink.link_digest == tokens.digest(link)": "SQL, by digest",
    "storefront/sessions.py: LoginSession.token_digest == tokens.digest(token)": "SQL, by digest",
    "storefront/roles.py: grant.role in TOTP_ROLES": "a role",
    "storefront/staff/accounts.py: len(password) in PASSWORD_LENGTHS": "a length",
    "storefront/staff/accounts.py: StaffAccount.password_hash == account.password_hash": "SQL, hashes of our own",
    "storefront/staff/enrolment.py: StaffAccount.password_hash == held": "the same",
    "storefront/wechat/wire.py: refusal.errcode not in TOKEN_REFUSALS": "an error's number",
}
# Where a secret that somebody shows is held against ours → by what.
COMPARED = {
    "storefront/wechat/pushes.py": "hmac.compare_digest(expected",
    "subway_campaign/tokens.py": "hmac.compare_digest(mac",
    "storefront/audit.py": "hmac.compare_digest(row.digest",
    "storefront/csrf.py": ".verify_signature(session_token",
    "storefront/staff/factors.py": "strings_equal(totp.at(",
    "storefront/sessions.py": 'Question(_SHOPPER, {"digest": tokens.digest(token)',
    "storefront/partner_keys.py": '_VERIFY, {"digest": tokens.digest(key)',
    "storefront/order_links.py": "OrderLink.link_digest == tokens.digest(link)",
    "storefront/login.py": "LoginState.state_digest == tokens.digest(state)",
}


def named(node: ast.expr) -> str:
    """What an operand is called: its last name, that of the function it calls, or the key that it looks up."""
    if isinstance(node, ast.Call):
        return named(node.func)
    if isinstance(node, ast.Subscript):
        return str(node.slice.value) if isinstance(node.slice, ast.Constant) else named(node.value)
    return getattr(node, "attr", None) or getattr(node, "id", "")


def comparisons(source: str) -> list[str]:
    """Every comparison by value in which something is called like a secret."""
    by_value = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], by_value)
        and any(_SECRET.search(named(side)) for side in (node.left, *node.comparators))
    ]


def test_no_secret_is_compared_by_value() -> None:
    found = set()
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            found |= {f"{where}: {each}" for each in comparisons(path.read_text(encoding="utf-8"))}
    assert found == set(NONE_OF_THEM)


@pytest.mark.parametrize(
    "planted",
    [
        "if given == token: pass",
        "ok = request.args['signature'] == expected",
        "ok = header != self.secret",
        "ok = mac == hmac.new(key, body).hexdigest()",
        "ok = key.digest() == told",
        "ok = password in known",
    ],
)
def test_one_that_is_would_be_seen(planted: str) -> None:
    assert comparisons(planted)


def test_each_secret_is_held_against_ours_in_constant_time_or_by_its_digest() -> None:
    for path, how in COMPARED.items():
        assert how in (ROOT / path).read_text(encoding="utf-8"), path

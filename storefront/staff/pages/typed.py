"""What was typed into a form that was refused: it stands again in the page that says why, also without a script.

Invariant: kept for one page and one minute, in Redis, under the session that typed it; a form that no browser is to
complete is kept nowhere. A shop without Redis, and whatever cannot be found again, shows the form as it always is.
"""

import re
from collections.abc import Callable
from html import escape, unescape
from typing import Any

import orjson
import redis
from flask import Flask, Response, request

from config import http
from config import redis as shared_redis
from storefront import csrf, sessions, tokens

_KEPT_S = 60
_MOST_BYTES = 20_000
# Names of people, accounts and passwords: the forms with autocomplete="off" that do not say `data-keep`.
SECRET = re.compile(r"/(?:accounts|second-factor|login|households|payee|card)$")
_FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL)
_FIELD = re.compile(
    r"(?P<textarea><textarea\b[^>]*>).*?</textarea>|(?P<select><select\b[^>]*>)(?P<options>.*?)</select>|<input\b[^>]*>",
    re.DOTALL,
)
_OPTION = re.compile(r"<option\b[^>]*>")
_PLAIN = {"text", "date", "datetime-local", "month", "number", "search", "tel", "url", "email"}
Form = dict[str, list[str]]


def install(app: Flask) -> None:
    """Let `app` keep what a refused form held, and put it back into the page that follows."""
    app.after_request(_after)


def _after(response: Response) -> Response:
    if not http.asked().path.startswith("/staff/"):
        return response
    if request.method == "POST" and response.status_code == 303 and "fault=" in response.headers.get("Location", ""):
        fields = {name: values for name, values in request.form.lists() if name != csrf.FIELD}
        kept = orjson.dumps({"action": request.path, "fields": fields})
        if not SECRET.search(request.path) and len(kept) <= _MOST_BYTES:
            _with_redis(lambda client, key: client.set(key, kept, ex=_KEPT_S))
    elif request.method == "GET" and "fault" in request.args and response.mimetype == "text/html":
        found = _with_redis(lambda client, key: client.getdel(key))
        if found:
            told = orjson.loads(found)
            response.set_data(refilled(response.get_data(as_text=True), told["action"], told["fields"]))
    return response


def _with_redis(act: Callable[[Any, str], Any]) -> Any:
    token, client = request.cookies.get(sessions.cookie_name(staff=True)), shared_redis.shared()
    if not token or client is None:
        return None
    try:
        return act(client, f"typed:{tokens.digest(token).hex()}")
    except redis.RedisError:
        return None


def refilled(page: str, action: str, typed: Form) -> str:
    """Return a page whose form that leads to `action`, the one with the same hidden fields, holds what was `typed`.

    The page is one of ours: attributes stand in double quotes and hold no angle bracket.
    """
    for found in _FORM.finditer(page):
        form = found[0]
        opening = form[: form.index(">") + 1]
        if (
            _attribute(opening, "action") != action
            or _attribute(opening, "method") != "post"
            or not _is_same(form, typed)
        ):
            continue
        before, filled = page[: found.start()], _FIELD.sub(lambda field: _filled(field, typed), form)
        box = before.rfind("<details")
        if box > before.rfind("</details>"):
            before = f"{before[:box]}<details open{before[box + len('<details') :]}"
        return f"{before}{filled}{page[found.end() :]}"
    return page


def _is_same(form: str, typed: Form) -> bool:
    # A key is new with every page.
    names = {csrf.FIELD, "key"}
    fields = [field[0] for field in _FIELD.finditer(form) if _attribute(field[0], "type") == "hidden"]
    hidden = {_attribute(field, "name"): _attribute(field, "value") or "" for field in fields}
    return all(typed.get(name or "") == [unescape(value)] for name, value in hidden.items() if name not in names)


def _filled(field: re.Match[str], typed: Form) -> str:
    whole = field[0]
    opening = whole[: whole.index(">") + 1]
    name, kind = _attribute(opening, "name") or "", _attribute(opening, "type") or "text"
    given = typed.get(name, [])
    if field["textarea"]:
        return f"{opening}{escape(given[0])}</textarea>" if given else whole
    if field["select"]:
        return f"{opening}{_OPTION.sub(lambda one: _marked(one[0], 'selected', given), field['options'])}</select>"
    if kind in {"checkbox", "radio"}:
        return _marked(opening, "checked", given)
    if kind not in _PLAIN or not given:
        return whole
    without = re.sub(r'\svalue="[^"]*"', "", opening)
    return f'{without[:-1]} value="{escape(given[0])}">'


def _marked(tag: str, mark: str, given: list[str]) -> str:
    plain = re.sub(rf"\s{mark}(?=[\s>])", "", tag)
    value = _attribute(plain, "value")
    return f"{plain[:-1]} {mark}>" if unescape(value if value is not None else "on") in given else plain


def _attribute(tag: str, name: str) -> str | None:
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return found[1] if found else None

"""A commuter's phone: it reads pages as a thumb does, and waits for a shop that is away."""

import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from emulator.browser import Browser, GaveUp

PAGE = """<!doctype html><title>x</title><script src="/shop.js"></script>
<img src="/seen.gif"><img src="/later.gif" loading="lazy">
<a href="/p/1" id="go">go</a>
<div id="live" data-order="D1" data-channel="h5"></div>
<form id="order" action="/p/1/orders"><input name="csrf_token" value="c1">
<input type="radio" name="sku" value="S1" data-fen="990">
<input type="radio" name="sku" value="S2" data-fen="1990" checked><input type="checkbox" name="consent" value="v2">
<select name="city"><option value="">-<option value="340100" selected>合肥</select><textarea name="detail">x</textarea>
<input name="off" value="1" disabled></form>"""


@dataclass
class Site:
    """A site that fails as often as the test wants before it answers."""

    url: str = ""
    failures: list[str] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            site.seen.append((self.command, self.path, dict(self.headers.items()), body))
            failure = site.failures.pop(0) if site.failures else ""
            if failure == "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            moves = {"/s/1": "/p/1?tk=t1", "/circle": "/circle", "/p/1/orders": "/p/1/orders?again=1"}
            moved = 307 if self.command == "POST" else 303
            self.send_response(int(failure or (moved if self.path in moves else 200)))
            if self.path in moves:
                self.send_header("Location", moves[self.path])
                self.send_header("Set-Cookie", "visit=1; Path=/")
            content = b'{"ok": true}' if self.path.startswith("/api") else PAGE.encode()
            content = b'fetch("/api/v1/visits/confirmation")' if self.path == "/shop.js" else content
            self.send_header("Content-Type", "application/json" if self.path.startswith("/api") else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def phone(site: Site) -> Iterator[Browser]:
    phone = Browser(site.url, user_agent="MicroMessenger", patience=60)
    yield phone
    phone.close()


def test_a_page_is_followed_read_and_its_pictures_fetched(site: Site, phone: Browser) -> None:
    page = phone.open("/s/1")
    assert (page.path, page.status, page.data["live"]) == ("/p/1", 200, {"order": "D1", "channel": "h5"})
    assert page.links == {f"{site.url}/p/1": "go"}
    [form] = page.forms
    assert form.fields == {"csrf_token": "c1", "sku": "S2", "city": "340100", "detail": ""}
    assert (form.unticked, form.prices) == ({"consent": "v2"}, {"S1": 990, "S2": 1990})
    seen = [path for _, path, _, _ in site.seen]
    assert seen == ["/s/1", "/p/1?tk=t1", "/shop.js", "/seen.gif", "/api/v1/visits/confirmation?tk=t1"]
    assert all(headers.get("Cookie") == "visit=1" for _, path, headers, _ in site.seen if path != "/s/1")


def test_forms_and_calls_prove_their_origin(site: Site, phone: Browser) -> None:
    page = phone.open("/p/1")
    phone.submit(page, page.forms[0], detail="长江中路", **page.forms[0].unticked)
    method, path, headers, body = site.seen[-1]
    assert (method, path, headers["Origin"]) == ("POST", "/p/1/orders?again=1", site.url)
    assert b"consent=v2" in body
    assert phone.call("POST", "/api/x", {"a": 1}, key="k" * 8).json() == {"ok": True}
    _, _, headers, body = site.seen[-1]
    assert (headers["X-CSRF-Token"], headers["Idempotency-Key"], body) == ("c1", "k" * 8, b'{"a": 1}')
    phone.token = "t"
    phone.call("POST", "/api/x")
    assert site.seen[-1][2]["Authorization"] == "Bearer t"


@pytest.mark.parametrize("failures", [["drop", "drop"], ["503", "502"], ["429"]])
def test_patience(site: Site, phone: Browser, failures: list[str]) -> None:
    site.failures[:] = failures
    assert phone.call("POST", "/api/x", {"a": 1}, key="k" * 8).status == 200
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in site.seen}
    assert (len(site.seen), keys) == (len(failures) + 1, {"k" * 8})


def test_patience_ends_and_refusals_are_not_repeated(site: Site) -> None:
    phone = Browser(site.url, patience=0.3)
    site.failures[:] = ["503"] * 10
    with pytest.raises(GaveUp, match="503"):
        phone.call("GET", "/api/x")
    for refusal in ("404", "500"):
        site.failures[:] = [refusal]
        seen = len(site.seen)
        with pytest.raises(GaveUp, match=refusal):
            phone.call("GET", "/api/x")
        assert len(site.seen) == seen + 1
    with pytest.raises(GaveUp, match="circles"):
        phone.open("/circle")
    phone.close()

"""A commuter's phone: cookies, pages with forms, calls to an API, and patience when the shop is away for a while.

A request is repeated only against silence and server trouble, so whoever sends one that must not happen twice gives it
an Idempotency-Key or knows that the other side takes it once.
"""

import contextlib
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

import orjson
import requests

PATIENCE_SECONDS = 90
TIMEOUT_SECONDS = 20
MOST_REDIRECTS = 10
# What says "later". A plain 500 says that the shop has a fault, which no waiting mends.
LATER = frozenset({429, 502, 503, 504})
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 3.0
# Where a page's script says that the page stands before a person.
CONFIRMATION = "/api/v1/visits/confirmation"


class GaveUp(Exception):
    """The shop did not answer for longer than a commuter waits, or answered what it never should."""


@dataclass
class Form:
    """A form of a page: the values of its fields, what could still be ticked, what its choices cost (fen)."""

    id: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    unticked: dict[str, str] = field(default_factory=dict)
    prices: dict[str, int] = field(default_factory=dict)


@dataclass
class Page:
    """What a phone got: where it ended up, and the parts of it that a thumb can use."""

    url: str
    status: int
    body: bytes
    forms: list[Form] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    data: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the page's address."""
        return urlsplit(self.url).path

    @property
    def csrf(self) -> str | None:
        """The token with which the page's forms, and its script, prove where they come from."""
        return next((form.fields["csrf_token"] for form in self.forms if form.fields.get("csrf_token")), None)

    def form(self, action: str) -> Form:
        """Return the form that leads to `action` (the end of its address). Raises GaveUp."""
        for form in self.forms:
            if urlsplit(form.action).path.endswith(action):
                return form
        raise GaveUp(f"no form to {action} on {self.url} ({self.status})")

    def links_to(self, prefix: str) -> list[str]:
        """Return the addresses of links whose path begins with `prefix`, in the order of the page."""
        return [link for link in self.links if urlsplit(link).path.startswith(prefix)]

    @property
    def text(self) -> str:
        """The words of the body, for a complaint."""
        return " ".join(
            re.sub(r"<style.*?</style>|<[^>]*>", " ", self.body.decode(errors="replace"), flags=re.S).split()
        )[:300]

    def json(self) -> Any:
        """Return the body as JSON. Raises GaveUp."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise GaveUp(f"{self.url} answered {self.status} and no JSON") from None


class Browser:
    """One phone, or one program, with its own cookies."""

    def __init__(
        self, base: str, *, user_agent: str = "Mozilla/5.0", person: str = "", patience: float = PATIENCE_SECONDS
    ) -> None:
        self.base = base.rstrip("/")
        self.token: str | None = None
        self.csrf: str | None = None
        self.person = person
        self.user_agent = user_agent
        # How often each path was asked for without an answer; the shop may have noted it all the same.
        self.unheard: Counter[str] = Counter()
        self._patience = patience
        self._cache: dict[str, bytes] = {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = user_agent

    def close(self) -> None:
        """Put the phone away."""
        self._session.close()

    def open(self, url: str, *, referer: str | None = None) -> Page:
        """Open an address and follow where it leads."""
        headers = {"Accept": "text/html,application/xhtml+xml"} | ({"Referer": referer} if referer else {})
        return self._follow("GET", self._as_person(urljoin(self.base + "/", url)), headers=headers)

    def glance(self, url: str) -> str:
        """Open an address and turn away before its page is there; returns where it would have led."""
        answer = self._send("GET", urljoin(self.base + "/", url), headers={"Accept": "text/html"})
        if not answer.is_redirect:
            raise GaveUp(f"{url} answered {answer.status_code} and leads nowhere")
        return urljoin(self.base + "/", answer.headers["Location"])

    def submit(self, page: Page, form: Form, **changes: str) -> Page:
        """Send a form of a page with some fields changed, and follow where it leads."""
        parts = urlsplit(page.url)
        headers = {
            "Accept": "text/html,application/xhtml+xml",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Referer": page.url,
        }
        return self._follow("POST", urljoin(page.url, form.action), headers=headers, data=form.fields | changes)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        accept: tuple[int, ...] = (),
        referer: str | None = None,
    ) -> Page:
        """Call the API with whatever proves who we are. Raises GaveUp unless the answer is 2xx or in `accept`.

        `referer` is the page whose script calls.
        """
        headers = {"Accept": "application/json"} | ({"Referer": referer} if referer else {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif method != "GET":
            headers |= {"Origin": self.base} | ({"X-CSRF-Token": self.csrf} if self.csrf else {})
        if key:
            headers["Idempotency-Key"] = key
        answer = self._send(method, urljoin(self.base + "/", path), headers=headers, json=body)
        page = Page(answer.url, answer.status_code, answer.content)
        if page.status >= 300 and page.status not in accept:
            raise GaveUp(f"{method} {path} answered {page.status}: {page.text}")
        return page

    def _follow(self, method: str, url: str, **request: Any) -> Page:
        for _ in range(MOST_REDIRECTS):
            answer = self._send(method, url, **request)
            if not answer.is_redirect:
                page = _read(answer)
                if page.url.startswith(f"{self.base}/"):
                    self.csrf = page.csrf or self.csrf
                self._look_at(page)
                return page
            url = self._as_person(urljoin(url, answer.headers["Location"]))
            if answer.status_code not in (307, 308):
                method, request = "GET", {"headers": {"Accept": "text/html", "Referer": answer.url}}
        raise GaveUp(f"{url} leads in circles")

    def _look_at(self, page: Page) -> None:
        """Fetch what a real browser fetches with a page, and confirm a visit if the page's script would."""
        here = urlsplit(page.url)
        for address in (*page.scripts, *page.pictures):
            if urlsplit(address)[:2] == here[:2] and address not in self._cache:
                headers = {"Referer": page.url}
                if address in page.scripts:
                    self._cache[address] = self._send("GET", address, headers=headers).content
                    continue
                with contextlib.suppress(requests.RequestException):  # A picture that fails to load hurts nobody.
                    self._session.get(address, timeout=TIMEOUT_SECONDS, headers=headers)
                self._cache[address] = b""
        visit = dict(parse_qsl(here.query)).get("tk")
        if visit and any(CONFIRMATION.encode() in self._cache.get(address, b"") for address in page.scripts):
            self.call("POST", f"{CONFIRMATION}?{urlencode({'tk': visit})}", referer=page.url)

    def _as_person(self, url: str) -> str:
        """Tell the emulated WeChat who holds this phone: the real one would know."""
        if urlsplit(url).path != "/connect/oauth2/authorize" or not self.person:
            return url
        return f"{urldefrag(url).url}&{urlencode({'as': self.person})}"

    def _send(self, method: str, url: str, **request: Any) -> requests.Response:
        deadline, pause, trouble = time.monotonic() + self._patience, SHORTEST_PAUSE, ""
        while time.monotonic() < deadline:
            try:
                answer = self._session.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **request)
            except requests.RequestException as error:
                trouble = type(error).__name__
            else:
                if answer.status_code not in LATER:
                    return answer
                trouble = str(answer.status_code)
                pause = max(pause, _retry_after(answer.headers))
            self.unheard[urlsplit(url).path] += 1
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        raise GaveUp(f"{method} {url}: {trouble}")


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _read(answer: requests.Response) -> Page:
    page = Page(answer.url, answer.status_code, answer.content)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        reader = _Reader(page)
        reader.feed(answer.content.decode("utf-8", errors="replace"))
        reader.close()
    return page


class _Reader(HTMLParser):
    """Collects forms with their fields, links, and the data-* of elements with an id."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._form: Form | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of one element."""
        values = {name: value if value is not None else "" for name, value in attrs}
        data = {name[5:]: value for name, value in values.items() if name.startswith("data-")}
        if "id" in values:
            self._page.data[values["id"]] = data
        if tag == "form":
            self._form = Form(values.get("id", ""), values.get("action", ""))
            self._page.forms.append(self._form)
        elif tag == "script" and values.get("src"):
            self._page.scripts.append(urljoin(self._page.url, values["src"]))
        elif tag == "img" and values.get("loading") != "lazy" and values.get("src"):
            self._page.pictures.append(urljoin(self._page.url, values["src"]))
        elif tag == "a" and "href" in values:
            self._page.links[urljoin(self._page.url, values["href"])] = values.get("id", "")
        elif self._form is not None:
            self._note_field(self._form, tag, values)

    def handle_endtag(self, tag: str) -> None:
        """Leave a form or a list of choices."""
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None

    def _note_field(self, form: Form, tag: str, values: dict[str, str]) -> None:
        name = values.get("name", "")
        if tag == "option" and self._select and ("selected" in values or self._select not in form.fields):
            form.fields[self._select] = values.get("value", "")
        elif tag == "select":
            self._select = name
        elif not name or "disabled" in values:
            return
        elif tag == "textarea":
            form.fields[name] = ""
        elif tag == "input":
            kind = values.get("type")
            if values.get("data-fen", "").isdigit():
                form.prices[values.get("value", "")] = int(values["data-fen"])
            if kind not in ("radio", "checkbox") or "checked" in values:
                form.fields[name] = values.get("value", "on")
            elif kind == "checkbox":
                form.unticked[name] = values.get("value", "on")

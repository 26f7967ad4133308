"""What every staff page has in common: its policy, its errors, its messages, its files."""

import gzip
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from config import http
from storefront.roles import Role
from storefront.staff.pages import frame
from tests.storefront.staff.conftest import Clerk


def test_nothing_is_loaded_from_elsewhere(clerk: Callable[..., Clerk]) -> None:
    page = clerk(Role.ADMIN).open("/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Cache-Control"] == "no-store"
    markup = page.get_data(as_text=True)
    assert "http://" not in markup
    assert "https://" not in markup
    assert " style=" not in markup


@pytest.mark.parametrize("name", frame.ASSETS)
def test_style_and_script_may_be_kept_for_ever(client: FlaskClient, name: str) -> None:
    asset = client.get(f"/staff/{name}")
    assert asset.status_code == 200
    assert "immutable" in asset.headers["Cache-Control"]


def test_an_error_is_a_page_of_the_staffs_own(clerk: Callable[..., Clerk]) -> None:
    packer = clerk(Role.FULFILMENT)
    assert "没有权限" in packer.open("/report").get_data(as_text=True)
    lost = packer.open("/orders/1")
    assert lost.status_code == 404
    assert "回到今日" in lost.get_data(as_text=True)


def test_what_no_database_can_hold_is_refused_on_a_page(clerk: Callable[..., Clerk]) -> None:
    admin = clerk(Role.ADMIN)
    for path in ("/report?campaign=%00", "/orders?q=a%00b", "/audit?subject=%00"):
        page = admin.open(path)
        assert page.status_code == 400, path
        assert "<main" in page.text
    assert admin.send("/suppliers", name="梨\x00园", kind="supplier").status_code == 400


def test_what_is_too_large_is_refused_on_a_page_with_the_menu(clerk: Callable[..., Clerk]) -> None:
    answer = clerk(Role.FULFILMENT).send("/phone/mark", label="x" * http.MAX_BODY_BYTES)
    assert answer.status_code == 413
    assert "文件太大" in answer.text
    assert 'href="/staff/orders"' in answer.text, "who sent it is not shut out of what else there is"


def test_an_address_cannot_put_words_on_a_page(clerk: Callable[..., Clerk]) -> None:
    packer = clerk(Role.FULFILMENT)
    markup = packer.open("/orders?fault=<b>pay+here</b>&done=<i>all</i>&q=<script>").get_data(as_text=True)
    assert "pay here" not in markup
    assert "<script>" not in markup
    assert "订单当前状态不能这样操作" in packer.open("/orders?fault=order.not_paid").get_data(as_text=True)


@pytest.mark.parametrize("proof", [{}, {"csrf_token": "x" * 43}])
def test_a_form_without_its_proof_changes_nothing(clerk: Callable[..., Clerk], proof: dict[str, str]) -> None:
    packer = clerk(Role.FULFILMENT)
    answer = packer.client.post("/staff/phone/mark", data={"label": "x", **proof}, headers={"Origin": packer.origin})
    assert answer.status_code == 403
    assert "未标记" in packer.open("/phone").get_data(as_text=True)


class Labels(HTMLParser):
    """Collects what a page's fields are called."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: set[str] = set()
        self.named: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in {"input", "select", "textarea"} and found.get("type") not in {"hidden", "checkbox"}:
            self.fields.add(str(found.get("id")))
        if tag == "label" and found.get("for"):
            self.named.add(str(found["for"]))


@pytest.mark.parametrize("path", ["/", "/report", "/orders", "/codes", "/phone", "/audit", "/login"])
def test_every_field_has_a_label_and_every_page_a_heading(clerk: Callable[..., Clerk], path: str) -> None:
    markup = clerk(Role.ADMIN).open(path).get_data(as_text=True)
    labels = Labels()
    labels.feed(markup)
    assert labels.fields <= labels.named
    assert markup.count("<h1") == 1


def test_a_fetched_script_is_served_compressed_and_kept_for_ever(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "SHELF", tmp_path)
    (tmp_path / frame.ECHARTS).write_bytes(b"draw()")
    (tmp_path / f"{frame.ECHARTS}.gz").write_bytes(gzip.compress(b"draw()"))
    plain = client.get(f"/staff/{frame.ECHARTS}", headers={"Accept-Encoding": "identity"})
    assert (plain.get_data(), plain.headers.get("Content-Encoding")) == (b"draw()", None)
    small = client.get(f"/staff/{frame.ECHARTS}", headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(small.get_data()) == b"draw()"
    assert small.headers["Content-Encoding"] == "gzip"
    assert "immutable" in small.headers["Cache-Control"]
    plain.close()
    small.close()


def test_a_shop_that_could_not_reach_npm_has_no_script_and_says_404(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "SHELF", tmp_path)
    assert client.get(f"/staff/{frame.HTMX}").status_code == 404


def test_what_npm_brings_is_pinned_by_hash_and_names_no_host() -> None:
    folder = Path(__file__).parents[4] / "clients" / "console"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    text = (folder / "package-lock.json").read_text()
    locked = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert "://" not in text + (folder / "node.lock").read_text()

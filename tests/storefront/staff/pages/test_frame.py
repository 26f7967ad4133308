"""What every staff page has in common: its policy, its errors, its messages, its two files."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

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

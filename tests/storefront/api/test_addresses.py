"""An address book over HTTP."""

from itertools import product
from typing import Any

import pytest

from tests.storefront.api.conftest import ADDRESS, HOSTILE_TEXTS, Caller, code_of


def test_a_book_is_written_changed_and_read(shopper: Caller) -> None:
    first = shopper.post("/addresses", ADDRESS)
    assert first.status_code == 201
    entry = first.get_json()
    assert entry == {**ADDRESS, "number": entry["number"], "region": "安徽省 合肥市 瑶海区", "is_default": True}
    second = shopper.post("/addresses", {**ADDRESS, "name": "李明", "is_default": True}).get_json()
    book = shopper.get("/addresses").get_json()
    assert [item["number"] for item in book["items"]] == [second["number"], entry["number"]]
    assert book["next_cursor"] is None
    changed = shopper.put(f"/addresses/{entry['number']}", {**ADDRESS, "detail": "2 号"})
    assert (changed.status_code, changed.get_json()["detail"]) == (200, "2 号")
    assert shopper.delete(f"/addresses/{second['number']}").status_code == 204
    assert [item["is_default"] for item in shopper.get("/addresses").get_json()["items"]] == [True]


def test_somebody_else_s_address_does_not_exist(shopper: Caller, stranger: Caller) -> None:
    number = shopper.post("/addresses", ADDRESS).get_json()["number"]
    assert stranger.get("/addresses").get_json()["items"] == []
    assert code_of(stranger.put(f"/addresses/{number}", ADDRESS)) == (404, "address.not_found")
    assert code_of(stranger.delete(f"/addresses/{number}")) == (404, "address.not_found")
    assert len(shopper.get("/addresses").get_json()["items"]) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "👩‍🌾 王"}, None),
        ({"detail": "龑龘𠮷 1 号"}, None),
        ({"phone": "0551-62831234"}, None),
        ({"phone": "12345"}, "address.invalid"),
        ({"region_code": "340100"}, "address.invalid"),
        ({"region_code": "999999"}, "address.invalid"),
        ({"region_code": 340102}, "request.invalid"),
        ({"name": "x" * 33}, "address.invalid"),
        ({"is_default": "yes"}, "request.invalid"),
        ({"is_default": 1}, "request.invalid"),
        ({"zip": "230000"}, "request.invalid"),
    ],
)
def test_an_address_that_no_parcel_finds_is_refused(shopper: Caller, changes: dict[str, Any], code: str | None) -> None:
    answer = shopper.post("/addresses", {**ADDRESS, **changes})
    assert code_of(answer) == ((422, code) if code else (201, ""))


def test_hostile_text_never_reaches_a_waybill(shopper: Caller) -> None:
    for field, text in product(("name", "phone", "detail", "region_code"), HOSTILE_TEXTS):
        answer = shopper.post("/addresses", {**ADDRESS, field: text})
        assert answer.status_code == 422, (field, text)
    assert shopper.get("/addresses").get_json()["items"] == []


def test_what_only_looks_hostile_is_text(shopper: Caller) -> None:
    answer = shopper.post("/addresses", {**ADDRESS, "name": "'; DROP TABLE orders; --"})
    assert (answer.status_code, answer.get_json()["name"]) == (201, "'; DROP TABLE orders; --")


def test_every_wrong_field_is_named_at_once(shopper: Caller) -> None:
    answer = shopper.post("/addresses", {"name": " ", "phone": "1", "region_code": "1", "detail": " "})
    assert set(answer.get_json()["error"]["details"]["fields"]) == {"name", "phone", "region_code", "detail"}


def test_a_full_book_takes_no_more(shopper: Caller) -> None:
    for _ in range(20):
        assert shopper.post("/addresses", ADDRESS).status_code == 201
    assert code_of(shopper.post("/addresses", ADDRESS)) == (409, "address.too_many")

from dataclasses import replace

import pytest

from storefront.declaration_models import DeclarationKind
from storefront.h5 import forms, shelves
from tests.storefront.h5.test_shelves import found

PRODUCT = shelves.product(
    found(
        skus=[
            {"number": "AH001A", "spec": "5斤", "price_fen": 2990, "available": 0},
            {"number": "AH001B", "spec": "10斤", "price_fen": 5490, "available": 3},
        ]
    )
)
TYPED = {
    "key": "k" * 22,
    "sku": "AH001B",
    "quantity": "2",
    "name": " 王小明 ",
    "phone": "138 1234-5678",
    "detail": "黄山路 100 号",
    "returns": "yes",
    "consent": "2026-11-21",
}


def faults(**changed: str) -> list[str]:
    form = forms.read(PRODUCT, {**TYPED, **changed})
    return list(forms.judge(PRODUCT, form, is_region_whole=True))


def test_a_blank_form_opens_with_what_is_to_be_had_and_a_key_of_its_own() -> None:
    first, second = forms.blank(PRODUCT), forms.blank(PRODUCT)
    assert first.sku == "AH001B"
    assert first.key != second.key


def test_what_was_typed_is_kept_and_tidied() -> None:
    form = forms.read(PRODUCT, TYPED)
    assert (form.name, form.phone, form.quantity, form.key) == ("王小明", "13812345678", 2, "k" * 22)
    assert faults() == []


@pytest.mark.parametrize(
    "phone", ["13812345678", "138 1234 5678", " +86 138-1234-5678", "8613812345678", "0086 13812345678"]
)
def test_a_mobile_number_is_read_as_telephones_write_it(phone: str) -> None:
    assert forms.read(PRODUCT, {**TYPED, "phone": phone}).phone == "13812345678"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"sku": "AH001A"}, "sku"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "1e3"}, "quantity"),
        ({"quantity": "٣"}, "quantity"),
        ({"quantity": "99999999999999999999"}, "quantity"),
        ({"name": "   "}, "name"),
        ({"phone": "1381234567"}, "phone"),
        ({"phone": "23812345678"}, "phone"),
        ({"detail": "1"}, "detail"),
        ({"returns": ""}, "returns"),
        ({"consent": ""}, "consent"),
    ],
)
def test_each_wrong_field_is_named(changed: dict[str, str], field: str) -> None:
    assert faults(**changed) == [field]


def test_a_region_must_be_whole() -> None:
    assert list(forms.judge(PRODUCT, forms.read(PRODUCT, TYPED), is_region_whole=False)) == ["region"]


def test_boxes_that_the_goods_do_not_need_are_not_asked_for() -> None:
    goods = replace(PRODUCT, return_class="allowed")
    assert forms.judge(goods, forms.read(goods, {**TYPED, "returns": ""}), is_region_whole=True) == {}
    alcohol = replace(PRODUCT, needs_adult=True)
    assert list(forms.judge(alcohol, forms.read(alcohol, TYPED), is_region_whole=True)) == ["adult"]


def test_hostile_input_becomes_ordinary_text_or_nothing() -> None:
    form = forms.read(PRODUCT, {**TYPED, "name": "a\x00b" * 50, "key": "<script>", "sku": "' OR 1=1"})
    assert "\x00" not in form.name
    assert len(form.name) <= 32
    assert form.key != "<script>"
    assert form.sku == "AH001B"


def test_only_what_the_goods_ask_for_is_declared() -> None:
    ticked = forms.read(PRODUCT, {**TYPED, "adult": "yes"})
    assert forms.declared(PRODUCT, ticked) == (DeclarationKind.RETURNS_PERISHABLE,)
    sealed = replace(PRODUCT, return_class="sealed_only", needs_adult=True)
    assert forms.declared(sealed, ticked) == (DeclarationKind.RETURNS_SEALED, DeclarationKind.ADULT)
    assert forms.declared(replace(PRODUCT, return_class="allowed"), ticked) == ()
    assert forms.declared(PRODUCT, replace(ticked, has_confirmed_returns=False)) == ()

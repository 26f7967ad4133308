"""Own what a shopper typed: read from a form, kept for showing again, and judged field by field.

Pure: knows neither stock nor prices; a form that is judged well may still be refused by checkout.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from catalog import identifiers
from storefront.declaration_models import DeclarationKind
from storefront.declarations import OF_CLASS
from storefront.errors import AddressInvalid
from storefront.h5.buying_models import OrderForm, Product
from storefront.h5.cart_models import CartForm
from storefront.h5.delivery_models import DeliveryForm

MAX_QUANTITY = 99
# What the API asks of an Idempotency-Key.
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
# A telephone's own address book writes 138 1234 5678, or +86 before it.
_FILLING = re.compile(r"^\s*(?:\+|00)?86(?=[\s-]*1[3-9])|[\s-]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_COUNT = re.compile(r"[0-9]{1,4}")
# Fifty lines, each a SKU's number and how many.
_LONGEST_LINES = 2000
# What is said where a confirmation is missing.
TO_CONFIRM = {
    DeclarationKind.RETURNS_SEALED: "请确认退货说明",
    DeclarationKind.RETURNS_PERISHABLE: "请确认退货说明",
    DeclarationKind.ADULT: "请确认年龄",
}
_LENGTHS = {"name": 32, "detail": 120, "remark": 100}


def blank(product: Product) -> OrderForm:
    """Return the form that a page opens with: one of the first spec that is to be had, and a key of its own."""
    spec = next((spec for spec in product.specs if spec.is_available), product.specs[0])
    return OrderForm(key=new_key(), sku=spec.sku)


def new_key() -> str:
    """Return the key of one order that is yet to be placed."""
    return secrets.token_urlsafe(16)


def read(product: Product, fields: Mapping[str, str]) -> OrderForm:
    """Return what was typed, cut to what the fields hold; a spec or key that is not ours is replaced by a fresh one."""
    sku = fields.get("sku", "")
    return OrderForm(
        **_typed(fields),
        sku=sku if any(spec.sku == sku for spec in product.specs) else blank(product).sku,
        quantity=quantity(fields),
        has_confirmed_returns=fields.get("returns") == "yes",
        has_declared_adult=fields.get("adult") == "yes",
    )


def read_cart(fields: Mapping[str, str]) -> CartForm:
    """Return what was typed on the way from a cart to an order, without lines where these are not as we wrote them."""
    found = [line.partition(":") for line in fields.get("lines", "")[:_LONGEST_LINES].split()]
    lines = {sku: int(count) for sku, _, count in found if identifiers.is_sku(sku) and _COUNT.fullmatch(count)}
    return CartForm(
        **_typed(fields),
        lines=tuple(lines.items()) if len(lines) == len(found) else (),
        declared=frozenset(kind for kind in DeclarationKind if fields.get(kind.value) == "yes"),
    )


def written(lines: Mapping[str, int]) -> str:
    """Return lines as a hidden field carries them; `read_cart` reads them again."""
    return " ".join(f"{sku}:{count}" for sku, count in lines.items())


def quantity(fields: Mapping[str, str]) -> int:
    """Return how many pieces were typed, 0 for what is no such number."""
    typed = fields.get("quantity", "").strip()
    return int(typed) if _COUNT.fullmatch(typed) else 0


def _typed(fields: Mapping[str, str]) -> dict[str, Any]:
    text = {name: _CONTROL.sub(" ", fields.get(name, "")).strip()[:length] for name, length in _LENGTHS.items()}
    key, seen = fields.get("key", ""), fields.get("seen", "")
    return {
        "key": key if _KEY.fullmatch(key) else new_key(),
        "phone": _FILLING.sub("", fields.get("phone", ""))[:20],
        "consent": fields.get("consent", "")[:100],
        # A saved address is kept already.
        "keeps": fields.get("keep") == "yes" and not fields.get("to"),
        "seen_fen": int(seen) if re.fullmatch(r"[0-9]{1,12}", seen) else 0,
        **text,
    }


def read_address(fields: Mapping[str, str]) -> DeliveryForm:
    """Return what was typed into the form of a saved address."""
    return DeliveryForm(**_typed(fields))


def judge(product: Product, form: OrderForm, *, is_region_whole: bool, is_saved: bool = False) -> dict[str, str]:
    """Return what is wrong with a form, by field and in the order of the page; empty when nothing is.

    One that goes to a saved address, `is_saved`, need not name another.
    """
    return judge_choice(product, form) | _faults(
        {
            **({} if is_saved else _of_delivery(form, is_region_whole=is_region_whole)),
            "returns": form.has_confirmed_returns or product.return_class not in OF_CLASS or "请确认退货说明",
            "adult": form.has_declared_adult or not product.needs_adult or "请确认年龄",
            "consent": bool(form.consent) or "同意后才能下单",
        }
    )


def judge_choice(product: Product, form: OrderForm) -> dict[str, str]:
    """Return what is wrong with the pack and the quantity that were chosen."""
    spec = next(spec for spec in product.specs if spec.sku == form.sku)
    return _faults(
        {
            "sku": spec.is_available or "这个规格暂时缺货",
            "quantity": 1 <= form.quantity <= MAX_QUANTITY or f"数量在 1 到 {MAX_QUANTITY} 之间",
        }
    )


def judge_cart(
    form: CartForm, terms: Iterable[DeclarationKind], *, is_region_whole: bool, is_saved: bool = False
) -> dict[str, str]:
    """Return what is wrong with the form of a cart that asks for these confirmations, in the order of the page."""
    delivery = {} if is_saved else _of_delivery(form, is_region_whole=is_region_whole)
    asked = {kind.value: kind in form.declared or TO_CONFIRM[kind] for kind in terms}
    consent = {"consent": bool(form.consent) or "同意后才能下单"}
    return _faults(delivery | asked | consent)


def faults_of(error: AddressInvalid) -> dict[str, str]:
    """Return what is wrong with an address by the fields of our forms."""
    return {"region" if name == "region_code" else name: text for name, text in error.details["fields"].items()}


def _of_delivery(form: DeliveryForm, *, is_region_whole: bool) -> dict[str, bool | str]:
    return {
        "name": bool(form.name) or "请填写收货人",
        "phone": bool(_MOBILE.fullmatch(form.phone)) or "请填写 11 位手机号",
        "region": is_region_whole or "请选到最后一级地区",
        "detail": len(form.detail) >= 4 or "请填写街道与门牌",
    }


def _faults(found: Mapping[str, bool | str]) -> dict[str, str]:
    return {name: fault for name, fault in found.items() if isinstance(fault, str)}


def declared(product: Product, form: OrderForm) -> tuple[DeclarationKind, ...]:
    """Return what the ticked boxes of a form confirm, as far as these goods ask for it."""
    kinds = []
    if form.has_confirmed_returns and product.return_class in OF_CLASS:
        kinds.append(OF_CLASS[product.return_class])
    if form.has_declared_adult and product.needs_adult:
        kinds.append(DeclarationKind.ADULT)
    return tuple(kinds)

"""Own what a shopper typed: read from a form, kept for showing again, and judged field by field.

Pure: knows neither stock nor prices; a form that is judged well may still be refused by checkout.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace

from storefront.declaration_models import DeclarationKind
from storefront.declarations import OF_CLASS
from storefront.h5.viewmodels import OrderForm, Product

MAX_QUANTITY = 99
# What the API asks of an Idempotency-Key.
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
# A telephone's own address book writes 138 1234 5678, or +86 before it.
_FILLING = re.compile(r"^\s*(?:\+|00)?86(?=[\s-]*1[3-9])|[\s-]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LENGTHS = {"name": 32, "detail": 120, "remark": 100}


def blank(product: Product) -> OrderForm:
    """Return the form that a page opens with: one of the first spec that is to be had, and a key of its own."""
    spec = next((spec for spec in product.specs if spec.is_available), product.specs[0])
    return OrderForm(key=secrets.token_urlsafe(16), sku=spec.sku)


def read(product: Product, fields: Mapping[str, str]) -> OrderForm:
    """Return what was typed, cut to what the fields hold; a spec or key that is not ours is replaced by a fresh one."""
    form = blank(product)
    text = {name: _CONTROL.sub(" ", fields.get(name, "")).strip()[:length] for name, length in _LENGTHS.items()}
    sku, key, quantity, seen = (fields.get(name, "") for name in ("sku", "key", "quantity", "seen"))
    return replace(
        form,
        key=key if _KEY.fullmatch(key) else form.key,
        sku=sku if any(spec.sku == sku for spec in product.specs) else form.sku,
        quantity=int(quantity) if re.fullmatch(r"[0-9]{1,4}", quantity) else 0,
        name=text["name"],
        phone=_FILLING.sub("", fields.get("phone", ""))[:20],
        detail=text["detail"],
        remark=text["remark"],
        consent=fields.get("consent", "")[:100],
        seen_fen=int(seen) if re.fullmatch(r"[0-9]{1,12}", seen) else 0,
        has_confirmed_returns=fields.get("returns") == "yes",
        has_declared_adult=fields.get("adult") == "yes",
    )


def judge(product: Product, form: OrderForm, *, is_region_whole: bool) -> dict[str, str]:
    """Return what is wrong with a form, by field and in the order of the page; empty when nothing is."""
    spec = next(spec for spec in product.specs if spec.sku == form.sku)
    faults = {
        "sku": "" if spec.is_available else "这个规格暂时缺货",
        "quantity": "" if 1 <= form.quantity <= MAX_QUANTITY else f"数量在 1 到 {MAX_QUANTITY} 之间",
        "name": "" if form.name else "请填写收货人",
        "phone": "" if _MOBILE.fullmatch(form.phone) else "请填写 11 位手机号",
        "region": "" if is_region_whole else "请选到最后一级地区",
        "detail": "" if len(form.detail) >= 4 else "请填写街道与门牌",
        "returns": "" if form.has_confirmed_returns or product.return_class not in OF_CLASS else "请确认退货说明",
        "adult": "" if form.has_declared_adult or not product.needs_adult else "请确认年龄",
        "consent": "" if form.consent else "同意后才能下单",
    }
    return {name: fault for name, fault in faults.items() if fault}


def declared(product: Product, form: OrderForm) -> tuple[DeclarationKind, ...]:
    """Return what the ticked boxes of a form confirm, as far as these goods ask for it."""
    kinds = []
    if form.has_confirmed_returns and product.return_class in OF_CLASS:
        kinds.append(OF_CLASS[product.return_class])
    if form.has_declared_adult and product.needs_adult:
        kinds.append(DeclarationKind.ADULT)
    return tuple(kinds)

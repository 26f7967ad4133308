"""Readiness for the 832 platform as clerks see it: what is missing in words to act on, and the platform's form.

Invariant: everybody sees the counties and suppliers of their own scope; the form says of each column how we know of
it, and never holds an account number.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import categories, readiness, sheets
from catalog.readiness import County, Gap, Offer, Readiness
from storefront import roles
from storefront.actors import Actor
from storefront.roles import Permission
from storefront.staff import tables

# What to do about a gap, and who.
WORDS: dict[Gap, str] = {
    Gap.PROFILE: "主体类型和统一社会信用代码没有填：请供应商补全资料",
    Gap.LICENCE: "没有营业执照照片：请供应商上传",
    Gap.LICENCE_ENDED: "营业执照已过期：请供应商换证后重新登记",
    Gap.PERMIT: "没有食品经营许可或备案：请供应商补办并上传（只卖食用农产品的选“不需要”）",
    Gap.PERMIT_ENDED: "食品许可已过期：请供应商换证后重新登记",
    Gap.AGREEMENT: "没有同意现行入驻协议：请供应商登录后确认",
    Gap.ADMISSION: "还没有入驻：请运营方审核",
    Gap.CONTACT: "没有联系人或电话：请供应商补填",
    Gap.PAYEE: "没有登记收款账户：请供应商登记",
    Gap.GOODS: "还没有商品：请供应商录入，或请管理员用商品表导入",
    Gap.ACCREDITATION: "没有有效的认定证书：请供应商申请认定",
    Gap.PICTURE: "没有实物照片：请在认定材料里上传",
    Gap.LABEL: "标签缺",
    Gap.PRICE: "没有价格",
    Gap.STOCK: "没有库存：请供应商补货",
}
SHORT: dict[Gap, str] = {
    Gap.ACCREDITATION: "认定证书",
    Gap.PICTURE: "实物照片",
    Gap.LABEL: "标签",
    Gap.PRICE: "价格",
    Gap.STOCK: "库存",
}
# What our own records cannot show.
UNSEEN = "县级部门的推荐意见本系统看不到，请线下取得"
FORM_NOTE = "尚未取得 832 平台的正式模板：列名按公开资料整理，上传平台前请按平台当日的模板核对"


def counties(session: Session, actor: Actor, *, now: datetime) -> list[County]:
    """Return the counties in sight with their suppliers."""
    scopes = roles.scopes(actor.grants, Permission.READ_ACCREDITATIONS)
    return readiness.counties(session, areas=[(scope.area, scope.supplier) for scope in scopes], now=now)


def summed(found: Iterable[County]) -> dict[str, int]:
    """Return how many counties, suppliers and ready suppliers there are."""
    all_counties = list(found)
    return {
        "counties": len(all_counties),
        "covered": sum(county.ready > 0 for county in all_counties),
        "suppliers": sum(len(county.suppliers) for county in all_counties),
        "ready": sum(county.ready for county in all_counties),
    }


def todo(supplier: Readiness) -> list[str]:
    """Return what is to be done about a supplier, one sentence each; its goods are summed up by what they lack."""
    said = [WORDS[gap] for gap in supplier.gaps]
    for gap, short in SHORT.items():
        lacking = [offer for offer in supplier.offers if gap in offer.gaps]
        if not lacking:
            continue
        names = list(dict.fromkeys(str(offer.values["product"]) for offer in lacking))
        some = "、".join(names[:3]) + (f" 等 {len(names)} 个商品" if len(names) > 3 else "")
        fields = "、".join(dict.fromkeys(name for offer in lacking for name in offer.missing_labels))
        said.append(f"缺{short}{f'（{fields}）' if gap is Gap.LABEL else ''}：{some}")
    return said


def form(found: Iterable[County]) -> tables.Sheet:
    """Return the platform's form: a row for each offer of the suppliers, and of a supplier without offers one row."""
    columns = readiness.listing_columns()
    table = tables.Table(
        "listing-832",
        "832平台上架信息",
        tuple(
            tables.Column(
                column.field,
                column.title + ("*" if column.is_required else ""),
                tables.Kind.MONEY if column.field == "price_fen" else tables.Kind.TEXT,
                width=22,
            )
            for column in columns
        ),
    )
    notes = [("说明", FORM_NOTE), ("推荐意见", UNSEEN)]
    notes += [
        (column.title, "；".join(filter(None, ("必填" if column.is_required else "", column.note, column.source))))
        for column in columns
    ]
    return tables.Sheet.of(table, _rows(found), notes=notes)


def _rows(found: Iterable[County]) -> Iterator[dict[str, Any]]:
    for county in found:
        for supplier in county.suppliers:
            for offer in supplier.offers or (None,):
                yield _row(county, supplier, offer)


def _row(county: County, supplier: Readiness, offer: Offer | None) -> dict[str, Any]:
    goods = offer.values if offer else {}
    until = supplier.values["licence_until"]
    gaps = [*supplier.gaps, *(offer.gaps if offer else ())]
    return {
        **{name: supplier.values[name] for name in ("name", "credit_code", "permit_number", "contact_name",
                                                    "contact_phone", "bank")},
        **{name: goods.get(name) for name in ("product", "origin", "certificate", "spec", "price_fen", "sku")},
        "entity_kind": sheets.ENTITIES.get(supplier.values["entity_kind"] or ""),
        "county": f"{county.city}{county.name}",
        "licence_until": until.isoformat() if until else None,
        "category": categories.NAMES.get(goods.get("category", "")),
        "available": str(goods["available"]) if goods else None,
        "recommendation": None,
        "gaps": "；".join(WORDS[gap] + ("：" + "、".join(offer.missing_labels) if offer and gap is Gap.LABEL else "")
                         for gap in gaps),
    }  # fmt: skip

"""Own the way from the catalog's JSON to what the browse pages show; adds no facts and hides none that the law wants.

A badge needs number and date; goods that are display-only say why; label fields that are missing are said to be.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

import orjson

from catalog import labels, plates, products
from storefront import declarations
from storefront.benefit_public import Benefit
from storefront.h5 import browse_models, buying_models
from storefront.staff import benefit_words

Json = Mapping[str, Any]

# The three systems under which a geographical indication is protected, in the words of their registers.
INDICATIONS = {
    "product": "地理标志保护产品",
    "trademark": "地理标志证明商标",
    "agricultural": "农产品地理标志",
}
OTHERS = 4
KINDS = {"local": "地方馆", "enterprise": "企业馆", "zone": "专区"}
ZONES = {
    "supermarket": "商超专区",
    "wholesale": "批发市场专区",
    "scenic_spot": "景区专区",
    "hotel": "酒店专区",
    "visitor_centre": "游客中心专区",
    "service_area": "服务区专区",
}
_GROUND = re.compile(rb'<rect width="240" height="240" fill="(#[0-9a-f]{6})"')
DISPLAY_ONLY = {
    "alcohol": "酒类经营资质信息录入之前，本品只作展示，不出售。",
    "medicinal_food": "药食两用商品的经营资质信息录入之前，本品只作展示，不出售。",
}


def seal(name: str) -> str:
    """Return the characters for a hall's seal: its place without the word for what it is, four at most."""
    place = name.removesuffix("地方馆").removesuffix("馆")
    return (place[:-1] if len(place) > 2 and place[-1] in "省市县区" else place)[:4]


def hall_link(hall: Json) -> browse_models.HallLink:
    """Return a hall of the catalog as a link."""
    place = hall["region"]["name"] if hall["kind"] == "local" else hall["name"]
    return browse_models.HallLink(
        slug=hall["slug"],
        name=hall["name"],
        place=place,
        seal=seal(place),
        product_count=hall["counts"]["products"],
    )


def by_city(halls: Iterable[Json]) -> tuple[browse_models.HallGroup, ...]:
    """Group home halls under their cities, in the order given."""
    heads: dict[str, browse_models.HallLink] = {}
    members: dict[str, list[browse_models.HallLink]] = {}
    for hall in halls:
        city = hall["region"]["city"]
        members.setdefault(city, [])
        if hall["region"]["level"] == "prefecture":
            heads[city] = hall_link(hall)
        else:
            members[city].append(hall_link(hall))
    return tuple(browse_models.HallGroup(name, heads.get(name), tuple(links)) for name, links in members.items())


def hall_kind(hall: Json) -> str:
    """Return in words what a hall is: 线上地方馆, 实体馆, 线下商超专区."""
    if hall["kind"] == "local" and hall["presence"] == "physical":
        return "实体馆"
    where = "线下" if hall["presence"] == "physical" else "线上"
    return where + ZONES.get(hall["zone_kind"] or "", KINDS[hall["kind"]])


def hall_card(hall: Json) -> browse_models.HallCard:
    """Return a hall of any kind as a card."""
    return browse_models.HallCard(
        slug=hall["slug"],
        name=hall["name"],
        kind=hall_kind(hall),
        region=hall["region"]["name"],
        owner=hall["owner"],
        address=hall["address"],
        hours=hall["hours"],
        product_count=hall["counts"]["products"],
    )


def picture(found: Json | None) -> browse_models.Picture | None:
    """Return a picture in its sizes, the smallest format first."""
    if found is None:
        return None
    files: Mapping[str, str] = found["files"]
    sets = {
        suffix: ", ".join(f"{url} {name.split('.')[0]}w" for name, url in files.items() if name.endswith(f".{suffix}"))
        for suffix in ("avif", "webp")
    }
    return browse_models.Picture(
        sources=tuple((f"image/{suffix}", srcset) for suffix, srcset in sets.items() if srcset),
        image=next(url for name, url in sorted(files.items(), reverse=True) if name.endswith(".jpg")),
        width=found["width"],
        height=found["height"],
    )


def card(product: Json) -> browse_models.ProductCard:
    """Return a product of a list as a card."""
    return browse_models.ProductCard(
        slug=product["slug"],
        name=product["name"],
        hall=product["hall_name"],
        price_fen=product["price_fen"],
        image=product["image"],
        market_fen=product.get("market_price_fen"),
        is_accredited=product["accreditation"] is not None,
        is_available=product["available"] > 0,
        is_display_only=product["is_display_only"],
        is_illustrative=product["is_illustrative"],
    )


def others(hall: str, slug: str) -> tuple[browse_models.ProductCard, ...]:
    """Return a few goods of a hall that can be bought, without the one that cannot."""
    items = orjson.loads(products.page(hall=hall, limit=2 * OTHERS))["items"]
    cards = [card(each) for each in items if each["slug"] != slug and each["available"] > 0]
    return tuple(cards[:OTHERS])


def benefit_of_product(found: Benefit | None) -> str:
    """Return in a sentence whom each sale of a product benefits, nothing when nobody in particular."""
    if found is None or found.share_bp is None:
        return ""
    share = f"{found.share_bp / 100:.2f}".rstrip("0").rstrip(".")
    return f"每笔成交额的 {share}% 计入产地的合作社和农户组{_modes(found)}{_households(found)}；退款时相应冲回。"


def benefit_of_hall(found: Benefit | None) -> str:
    """Return in a sentence whom the sales of a hall benefit, nothing when nobody in particular."""
    if found is None:
        return ""
    return f"本馆 {found.goods} 款商品的销售计入产地的合作社和农户组{_modes(found)}{_households(found)}。"


def _modes(found: Benefit) -> str:
    return "（" + "、".join(benefit_words.MODES[mode] for mode in found.modes) + "）"


def _households(found: Benefit) -> str:
    return f"，涉及农户 {found.households} 户以上" if found.households else ""


def product(found: Json) -> buying_models.Product:
    """Return a product's page of the catalog as what its landing shows."""
    hall = found["hall_name"]
    return buying_models.Product(
        slug=found["slug"],
        name=found["name"],
        hall=browse_models.HallLink(found["hall"], hall, hall, seal(hall)),
        origin=found["origin"],
        description=found["description"],
        image=found["image"],
        tint=_tint(found["image"]),
        specs=tuple(
            buying_models.Spec(
                sku["number"], sku["spec"], sku["price_fen"], sku["available"] > 0, sku.get("market_price_fen")
            )
            for sku in found["skus"]
        ),
        accreditation=_certificate(found["accreditation"], found["accreditation_evidence"]),
        indication=_indication(found["geographical_indication"]),
        label=_label(found),
        label_missing=tuple(field.name for field in labels.fields() if field.key in found["label_missing"]),
        ship_from=found["ship_from"]["name"],
        freight_note=found["freight_note"],
        return_class=found["return_class"],
        return_terms=declarations.WORDING[found["return_class"]],
        has_to_confirm_returns=found["return_class"] in declarations.OF_CLASS,
        refused_because=_refusal(found),
        needs_adult=found["licence_class"] == "alcohol",
        is_illustrative=found["is_illustrative"],
    )


def _tint(image: str) -> str:
    """Return the ground of a plate, so that a wide frame goes on around a square drawing."""
    found = _GROUND.search(plates.find(PurePosixPath(image).stem))
    return found[1].decode() if found else "#e9ebe8"


def _refusal(found: Json) -> str:
    if not found["is_display_only"]:
        return ""
    return DISPLAY_ONLY.get(found["licence_class"], "本品只作展示，不出售。")


def _certificate(found: Json | None, evidence: Json | None) -> buying_models.Accreditation | None:
    if found is None:
        return None
    known, until = evidence or {}, found["valid_until"]
    return buying_models.Accreditation(
        number=found["number"],
        issuer=found["issuer"],
        issued_on=date.fromisoformat(found["issued_on"]),
        valid_until=date.fromisoformat(until) if until else None,
        county=known.get("county", ""),
        batch=known.get("batch", ""),
        notice=known.get("notice", ""),
        noticed_at=_instant(known.get("noticed_at")),
        noticed_until=_instant(known.get("noticed_until")),
    )


def _indication(found: Json | None) -> buying_models.Indication | None:
    if found is None:
        return None
    issued_on = date.fromisoformat(found["issued_on"])
    return buying_models.Indication(INDICATIONS[found["kind"]], found["number"], found["issuer"], issued_on)


def _instant(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


def _label(found: Json) -> tuple[tuple[str, str], ...]:
    label = found["label"]
    return tuple((field.name, str(label[field.key])) for field in labels.fields() if label.get(field.key))

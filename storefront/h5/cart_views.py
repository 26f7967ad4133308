"""Own the way from priced lines to what the pages of a cart show: parcels by where they are sent from, and reasons.

Invariant: a line that cannot be bought now stays, with its reason; it is in no sum.
"""

from collections.abc import Iterable, Mapping, Sequence

from catalog import absences, names, stock
from catalog.freight import ConsignmentQuote
from catalog.pricing import PricedLine
from config import database
from storefront import checkout, declarations
from storefront.carts import CartView
from storefront.declaration_models import DeclarationKind
from storefront.h5.cart_models import CartLine, CartPage, Parcel, Term

OF_AGE = "我已年满十八周岁。本店不向未成年人售酒。"
# Less of it, or more of it tomorrow, helps; for any other reason no quantity does.
_OF_QUANTITY = frozenset({"short", "sold_out"})


def line(found: PricedLine, *, is_ticked: bool = True) -> CartLine:
    """Return a line as a cart shows it."""
    because = absences.of_line(found)
    words = absences.WORDS[because] if because else ""
    return CartLine(
        sku=found.sku,
        product=found.product_slug,
        title=found.title,
        spec=found.spec,
        image=found.image,
        price_fen=found.price_fen,
        quantity=found.quantity,
        because=f"库存只剩 {found.available} 份，请减少数量" if because == "short" else words,
        can_change=because is None or because in _OF_QUANTITY,
        is_ticked=None if because else is_ticked,
    )


def page(view: CartView, *, notice: str = "", wrong: Mapping[str, CartLine] | None = None) -> CartPage:
    """Return the cart; `wrong` are the lines, by SKU, that are shown with what was typed and refused."""
    shown = wrong or {}
    parcels = _parcels(
        (found, shown.get(found.sku) or line(found, is_ticked=found.sku not in view.unticked))
        for found in view.lines
        if found.is_available or absences.of_line(found) == "short"
    )
    held = {each.sku for parcel in parcels for each in parcel.lines}
    return CartPage(
        parcels=parcels,
        absent=tuple(line(found) for found in view.lines if found.sku not in held),
        pieces=sum(found.quantity for found in view.chosen),
        kinds=sum(found.is_available for found in view.lines),
        chosen=len(view.chosen),
        goods_fen=sum(found.amount_fen for found in view.chosen),
        most_kinds=checkout.MAX_LINES,
        most_pieces=stock.MAX_QUANTITY,
        notice=notice,
    )


def parcels_of(lines: Sequence[PricedLine], consignments: Sequence[ConsignmentQuote]) -> tuple[Parcel, ...]:
    """Return lines by parcel, with the freight of each where `consignments` tell it."""
    freights = {each.ship_from: each.freight_fen for each in consignments}
    return _parcels(((found, line(found)) for found in lines), freights)


def terms(lines: Iterable[PricedLine]) -> tuple[Term, ...]:
    """Return what is to be confirmed before these lines are ordered: each thing once, with the goods that it is about.

    The wording is the one whose version an order keeps.
    """
    goods: dict[DeclarationKind, tuple[str, list[str]]] = {}
    for found in lines:
        kind = declarations.OF_CLASS.get(found.return_class)
        if kind is not None:
            goods.setdefault(kind, (declarations.WORDING[found.return_class], []))[1].append(found.title)
        if found.is_for_adults:
            goods.setdefault(DeclarationKind.ADULT, (OF_AGE, []))[1].append(found.title)
    return tuple(Term(kind, words, tuple(dict.fromkeys(of))) for kind, (words, of) in sorted(goods.items()))


def notes(lines: Iterable[PricedLine]) -> tuple[str, ...]:
    """Return what is said, and need not be confirmed, about giving the other goods back."""
    free: dict[str, list[str]] = {}
    for found in lines:
        if found.return_class not in declarations.OF_CLASS:
            free.setdefault(declarations.WORDING[found.return_class], []).append(found.title)
    return tuple(f"{'、'.join(dict.fromkeys(titles))}：{words}" for words, titles in free.items())


def _parcels(
    lines: Iterable[tuple[PricedLine, CartLine]], freights: Mapping[str, int] | None = None
) -> tuple[Parcel, ...]:
    by_place: dict[str, list[CartLine]] = {}
    for found, shown in lines:
        by_place.setdefault(found.ship_from, []).append(shown)
    with database.transaction() as session:
        places = names.warehouses(session, by_place)
    return tuple(
        Parcel(key, places.get(key, key), tuple(of), (freights or {}).get(key)) for key, of in sorted(by_place.items())
    )

"""The stories that commuters live through, and how often each happens.

A story says by its calls what it intends; everything that the report should show of it stands in the rider's trip.
"""

from collections.abc import Callable

from emulator.browser import Browser, Page
from emulator.riders import FROM_A_CHAT, IN_WECHAT, OUTSIDE, Purchase, Rider, SoldOut

Story = Callable[[Rider], None]


def looks(rider: Rider) -> None:
    """Scans, looks, and gets off at the next station; some scan a second advert."""
    phone = rider.phone(rider.dice.choice((IN_WECHAT, OUTSIDE)))
    page = rider.scan(phone, rider.spot())
    if rider.dice.random() < 0.5:
        page = rider.choose(phone, page)
    if rider.dice.random() < 0.2:
        rider.scan(phone, rider.spot())


def buys_in_wechat(rider: Rider) -> None:
    """Scans inside WeChat, orders, logs in on the way, pays."""
    phone = rider.phone(IN_WECHAT)
    purchase, _ = _order_after_scan(rider, phone)
    rider.tap(phone, rider.sheet(phone, purchase, "official"), "pay")


def buys_as_guest(rider: Rider) -> None:
    """Scans with the phone's camera, orders as a guest, pays by H5 and looks at the order."""
    phone = rider.phone(OUTSIDE)
    purchase, page = _order_after_scan(rider, phone)
    rider.tap(phone, rider.sheet(phone, purchase, "h5"), "pay")
    phone.open(page.path)


def buys_in_the_mini_program(rider: Rider) -> None:
    """Scans into the mini-program, logs in, orders and pays there."""
    phone = rider.phone(IN_WECHAT)
    spot = rider.spot()
    touched = rider.launch(phone, spot)
    rider.login(phone, visitor_token=touched["visitor_token"])
    purchase = rider.order_by_api(phone, product=product_of(phone, touched["landing"]), placement=spot.placement)
    rider.tap(phone, rider.sheet(phone, purchase, "miniprogram"), "pay")


def compares(rider: Rider) -> None:
    """Scans one advert, then another, and buys: the later one earns it."""
    phone = rider.phone(IN_WECHAT)
    rider.scan(phone, rider.spot())
    purchase, _ = _order_after_scan(rider, phone)
    rider.tap(phone, rider.sheet(phone, purchase, "official"), "pay")


def abandons(rider: Rider) -> None:
    """Orders, opens the sheet, and turns back; half of them cancel the order, the others just walk off."""
    phone = rider.phone(OUTSIDE)
    purchase, page = _order_after_scan(rider, phone)
    rider.tap(phone, rider.sheet(phone, purchase, "h5"), "cancel")
    if rider.dice.random() < 0.5:
        page = phone.open(page.path)
        for form in page.forms:
            # There is none when the money came after all, which happens on a bad day.
            if form.action.endswith("/cancellation"):
                phone.submit(page, form)


def shares(rider: Rider) -> None:
    """Scans, and sends the page to a friend, who buys from it: the advert has earned nothing by that."""
    phone = rider.phone(OUTSIDE)
    page = rider.scan(phone, rider.spot())
    friend = rider.phone(OUTSIDE, person=f"{rider.trip.person} 的朋友")
    sent = friend.open(f"{page.url}&{FROM_A_CHAT}")
    purchase, _ = rider.order(friend, rider.choose(friend, sent), placement=None, reason="shared_only")
    rider.tap(friend, rider.sheet(friend, purchase, "h5"), "pay")


def walks_in(rider: Rider) -> None:
    """Finds the shop without any advert, and buys."""
    phone = rider.phone(OUTSIDE)
    page = rider.choose(phone, phone.open("/"))
    purchase, _ = rider.order(phone, page, placement=None, reason="no_touch")
    rider.tap(phone, rider.sheet(phone, purchase, "h5"), "pay")


def fetches(rider: Rider) -> None:
    """Is no person: a server that follows a printed link once, which counts as nothing."""
    rider.follow(rider.phone("Mozilla/5.0 mpcrawler"), rider.spot(), unheard_as="wechat_crawler")
    rider.trip.kept_out.append("wechat_crawler")


def scans_again_before_paying(rider: Rider) -> None:
    """Orders, scans another advert on the way to the sheet, then pays: what came after the order earns nothing."""
    phone = rider.phone(OUTSIDE)
    purchase, _ = _order_after_scan(rider, phone)
    rider.scan(phone, rider.spot())
    rider.tap(phone, rider.sheet(phone, purchase, "h5"), "pay")


def is_refunded(rider: Rider) -> None:
    """Buys, and gets everything back."""
    rider.dice.choice((buys_in_wechat, buys_as_guest))(rider)
    for purchase in rider.trip.purchases:
        purchase.refund_lines = dict(purchase.lines)
        purchase.refund_freight_fen = purchase.freight_fen


def is_partly_refunded(rider: Rider) -> None:
    """Buys, and gets some of it back for spoilt fruit."""
    rider.dice.choice((buys_in_wechat, buys_as_guest))(rider)
    for purchase in rider.trip.purchases:
        line, fen = next(iter(purchase.lines.items()))
        purchase.refund_lines = {line: rider.dice.randint(1, fen)}


# How often a story happens among a hundred commuters.
STORIES: dict[Story, int] = {
    looks: 28,
    abandons: 10,
    buys_in_wechat: 16,
    buys_as_guest: 14,
    buys_in_the_mini_program: 10,
    compares: 4,
    scans_again_before_paying: 2,
    shares: 4,
    walks_in: 2,
    fetches: 2,
    is_refunded: 4,
    is_partly_refunded: 4,
}


def _order_after_scan(rider: Rider, phone: Browser) -> tuple[Purchase, Page]:
    spot = rider.spot()
    page = rider.choose(phone, rider.scan(phone, spot))
    return rider.order(phone, page, placement=spot.placement)


def product_of(phone: Browser, landing: dict[str, str]) -> str:
    """Return the product that a landing leads to: itself, or the first one of its hall that can be bought."""
    if landing["kind"] == "product":
        return landing["slug"]
    items = phone.call("GET", f"/api/v1/halls/{landing['slug']}/products").json()["items"]
    slugs = [item["slug"] for item in items if item["available"]]
    if not slugs:
        raise SoldOut(landing["slug"])
    return str(slugs[0])

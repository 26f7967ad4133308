"""Known causes: what riders do over days and weeks, and what the rules say that a report can know of it.

A cause says first what it intends (`truly`, `shown`), then acts; what it should leave in the report stands in its
riders' trips. It is a generator that yields the time until it goes on. Where the rules do not recover what truly
happened, `because` says by which one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from emulator.browser import CONFIRMATION
from emulator.riders import FROM_A_CHAT, IN_WECHAT, OUTSIDE
from emulator.staff import Spot
from emulator.stage import DAY, HOUR, MINUTE, Scene, Story

# More codes in a minute than any rider scans.
SWEPT = 9
WINDOW = 7 * DAY
SHARED, LONG_PRESS, ALBUM, CRAWLER = 1007, 1012, 1013, 1129


@dataclass(frozen=True)
class Cause:
    """One known cause: what truly makes people buy, what the report must show of it, and why that may differ."""

    story: Callable[[Scene], Story]
    truly: str
    shown: str
    because: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.story.__name__.replace("_", " ")


def one_scan(scene: Scene) -> Story:
    """Scans A, and buys."""
    phone = scene.rider.phone(IN_WECHAT)
    scene.buy(phone, scene.rider.scan(phone, scene.a), earns=scene.a)
    yield from ()


def three_adverts(scene: Scene) -> Story:
    """Scans A, two days later B, a day and a half later C, and buys three hours after that."""
    phone, journey = scene.rider.phone(OUTSIDE), []
    for spot, wait in ((scene.a, 2 * DAY), (scene.b, 1.5 * DAY), (scene.c, 3 * HOUR)):
        journey.append((spot.placement, scene.rider.ground.now()))
        scene.rider.scan(phone, spot)
        yield wait
    scene.buy(phone, phone.open("/"), earns=scene.c).journey = journey


def there_and_back(scene: Scene) -> Story:
    """Scans A, B, A, and A once more ten minutes later, then buys: the path is A, B, A."""
    phone, journey = scene.rider.phone(IN_WECHAT), []
    for spot, wait in ((scene.a, DAY), (scene.b, DAY), (scene.a, 10 * MINUTE), (scene.a, HOUR)):
        journey.append((spot.placement, scene.rider.ground.now()))
        scene.rider.scan(phone, spot)
        yield wait
    del journey[2]
    scene.buy(phone, phone.open("/"), earns=scene.a).journey = journey


def repeat_purchase(scene: Scene) -> Story:
    """Scans A on one day, buys on the next and on the one after."""
    phone = scene.rider.phone(IN_WECHAT)
    scene.rider.scan(phone, scene.a)
    for number in range(2):
        yield DAY
        scene.buy(phone, phone.open("/"), earns=scene.a).is_repeat = number > 0


def just_in_time(scene: Scene) -> Story:
    """Scans A and buys ten minutes before the seven days are over."""
    phone = scene.rider.phone(OUTSIDE)
    scene.rider.scan(phone, scene.a)
    yield WINDOW - 10 * MINUTE
    scene.buy(phone, phone.open("/"), earns=scene.a)


def expired_window(scene: Scene) -> Story:
    """Scans A and buys ten minutes after the seven days are over."""
    phone = scene.rider.phone(OUTSIDE)
    scene.rider.scan(phone, scene.a)
    yield WINDOW + 10 * MINUTE
    scene.buy(phone, phone.open("/"), earns=None, reason="expired_window")


def share_on_the_web(scene: Scene) -> Story:
    """Scans A and sends the page to a friend, who buys from it."""
    phone = scene.rider.phone(OUTSIDE)
    page = scene.rider.scan(phone, scene.a)
    yield HOUR
    friend = scene.rider.phone(OUTSIDE, person=f"{scene.rider.trip.person} 的朋友")
    scene.buy(friend, friend.open(f"{page.url}&{FROM_A_CHAT}"), earns=None, reason="shared_only")


def opened_in_a_browser(scene: Scene) -> Story:
    """Scans A and goes on in the telephone's own browser, which nobody can tell from a friend's."""
    page = scene.rider.scan(scene.rider.phone(IN_WECHAT), scene.a)
    yield MINUTE
    browser = scene.rider.phone(OUTSIDE)
    scene.buy(browser, browser.open(page.url), earns=None, reason="continued_elsewhere")


def share_in_a_chat(scene: Scene) -> Story:
    """Opens the mini-program from a friend's card, and buys."""
    phone = scene.rider.phone(IN_WECHAT)
    launched = scene.rider.launch(phone, scene.a, scene=SHARED, counts=False)
    yield HOUR
    scene.buy_in_app(phone, launched, earns=None, reason="shared_only")


def share_after_a_scan(scene: Scene) -> Story:
    """Scanned B yesterday, opens a friend's link of A today, and buys: the share changes nothing."""
    friend = scene.rider.phone(OUTSIDE, person=f"{scene.rider.trip.person} 的朋友")
    link = f"{scene.rider.scan(friend, scene.a).url}&{FROM_A_CHAT}"
    phone = scene.rider.phone(OUTSIDE)
    scene.rider.scan(phone, scene.b)
    yield DAY
    scene.buy(phone, phone.open(link), earns=scene.b)


def long_press(scene: Scene) -> Story:
    """Presses long on a picture of A on a screen, and buys."""
    phone = scene.rider.phone(IN_WECHAT)
    launched = scene.rider.launch(phone, scene.a, scene=LONG_PRESS, counts=False)
    scene.buy_in_app(phone, launched, earns=None, reason="shared_only")
    yield from ()


def album(scene: Scene) -> Story:
    """Took a photograph of A and scans it out of the album at home: reported apart, and credited."""
    phone = scene.rider.phone(IN_WECHAT)
    launched = scene.rider.launch(phone, scene.a, scene=ALBUM, counts=False)
    scene.buy_in_app(phone, launched, earns=scene.a)
    yield from ()


def crawler(scene: Scene) -> Story:
    """Is no person: WeChat's crawler follows the printed link of A, and opens the mini-program."""
    scene.rider.follow(scene.rider.phone("Mozilla/5.0 mpcrawler"), scene.a, unheard_as="wechat_crawler")
    scene.rider.trip.kept_out.append("wechat_crawler")
    scene.rider.launch(scene.rider.phone(IN_WECHAT), scene.a, scene=CRAWLER, counts=False)
    yield from ()


def lone_fetch(scene: Scene) -> Story:
    """Is no person either, but does not say so: fetches the link of A once, and its page never."""
    scene.rider.phone(OUTSIDE).glance(f"/s/{scene.a.code}")
    scene.rider.trip.kept_out.append("unconfirmed")
    yield from ()


def late_beacon(scene: Scene) -> Story:
    """Scans A in a tunnel; what its page has to say arrives forty minutes later."""
    phone = scene.rider.phone(OUTSIDE)
    scene.rider.note(phone, scene.a)
    visit = parse_qs(urlsplit(phone.glance(f"/s/{scene.a.code}")).query)["tk"][0]
    yield 40 * MINUTE
    phone.call("POST", f"{CONFIRMATION}?tk={visit}")


def lost_beacon(scene: Scene) -> Story:
    """Scans A in a tunnel; its page never says anything, but an hour later the order comes."""
    phone = scene.rider.phone(OUTSIDE)
    scene.rider.note(phone, scene.a)
    phone.glance(f"/s/{scene.a.code}")
    yield HOUR
    scene.buy(phone, phone.open("/"), earns=scene.a)


def queued_launch(scene: Scene) -> Story:
    """Scans A into the mini-program without a network; the phone tells it three hours later, then its owner buys."""
    phone = scene.rider.phone(IN_WECHAT)
    launched = scene.rider.launch(phone, scene.a, ago=3 * 3600)
    yield MINUTE
    scene.buy_in_app(phone, launched, earns=scene.a)


def told_after_ordering(scene: Scene) -> Story:
    """Scans A into the mini-program without a network, buys, and the phone tells of its scan forty minutes later."""
    phone = scene.rider.phone(IN_WECHAT)
    scanned_at = scene.rider.ground.now()
    yield 10 * MINUTE
    purchase = scene.buy_in_app(phone, None, earns=scene.a)
    yield 40 * MINUTE
    scene.rider.launch(phone, scene.a, ago=scene.rider.ground.now() - scanned_at)
    scene.await_reason(purchase, "eligible_touch")


def far_too_late(scene: Scene) -> Story:
    """Scans A, buys by another way, and the phone tells of its scan four days later."""
    phone = scene.rider.phone(IN_WECHAT)
    scanned = int(scene.rider.ground.now())
    yield MINUTE
    scene.buy_in_app(phone, None, earns=None, reason="no_touch")
    yield 4 * DAY
    scene.rider.launch(phone, scene.a, scanned=scanned)


def unlocked(scene: Scene) -> Story:
    """Scans A into the mini-program, unlocks the phone twice, which shows the same launch again, and buys."""
    phone = scene.rider.phone(IN_WECHAT)
    scanned = int(scene.rider.ground.now())
    launched = scene.rider.launch(phone, scene.a, scanned=scanned)
    for _ in range(2):
        yield HOUR
        token = launched["visitor_token"]
        scene.rider.launch(phone, scene.a, scanned=scanned, visitor_token=token, counts=False)
    scene.buy_in_app(phone, launched, earns=scene.a)


def partial_refund(scene: Scene) -> Story:
    """Scans A and B, buys, and three days later gets a third of it back."""
    phone = scene.rider.phone(OUTSIDE)
    journey = [(scene.a.placement, scene.rider.ground.now())]
    scene.rider.scan(phone, scene.a)
    yield DAY
    journey.append((scene.b.placement, scene.rider.ground.now()))
    purchase = scene.buy(phone, scene.rider.scan(phone, scene.b), earns=scene.b)
    purchase.journey = journey
    yield 3 * DAY
    line, fen = next(iter(purchase.lines.items()))
    purchase.refund_lines = {line: max(1, fen // 3)}
    scene.staff.refund(purchase.number, lines=purchase.refund_lines, freight_fen=0, key=f"month-{purchase.number}")


def full_refund(scene: Scene) -> Story:
    """Scans A, buys, and a week later gets everything back."""
    phone = scene.rider.phone(IN_WECHAT)
    purchase = scene.buy(phone, scene.rider.scan(phone, scene.a), earns=scene.a)
    yield 7 * DAY
    purchase.refund_lines, purchase.refund_freight_fen = dict(purchase.lines), purchase.freight_fen
    scene.staff.refund(
        purchase.number,
        lines=purchase.refund_lines,
        freight_fen=purchase.freight_fen,
        key=f"month-{purchase.number}",
    )


def code_swap(scene: Scene) -> Story:
    """A code hangs at A, is taken down for four hours, then hangs at B; riders scan it before, between and after."""
    now = datetime.fromtimestamp(scene.rider.ground.now(), UTC)
    down, up = now + 2 * DAY, now + 2 * DAY + 4 * HOUR
    binding = scene.binding_of(scene.a)
    code = scene.staff.mint()
    for spot, since, until in ((scene.a, now, down), (scene.b, up, None)):
        period = {"valid_from": since.isoformat(), "valid_until": until and until.isoformat()}
        scene.staff.bind(code, binding | period | {"placement": spot.placement})
    at_a, at_b = (Spot(spot.placement, spot.name, code) for spot in (scene.a, scene.b))
    yield DAY
    before, between, after = (scene.rider.phone(OUTSIDE) for _ in range(3))
    scene.rider.scan(before, at_a)
    yield DAY + 2 * HOUR
    page = scene.rider.follow(between, at_a, unheard_as="orphan_code")
    scene.rider.trip.kept_out.append("orphan_code")
    scene.buy(between, page, earns=None, reason="orphan_code")
    yield DAY
    scene.buy(after, scene.rider.scan(after, at_b), earns=at_b)
    scene.buy(before, before.open("/"), earns=at_a)


def sweep(scene: Scene) -> Story:
    """Is no rider: scans nine codes at A within a minute, then buys."""
    now = datetime.fromtimestamp(scene.rider.ground.now(), UTC)
    binding = scene.binding_of(scene.a) | {"placement": scene.a.placement, "valid_from": now.isoformat()}
    codes = [scene.staff.mint() for _ in range(SWEPT)]
    for code in codes:
        scene.staff.bind(code, binding | {"valid_until": (now + 2 * DAY).isoformat()})
    yield DAY
    phone = scene.rider.phone(OUTSIDE)
    for code in codes:
        page = scene.rider.follow(phone, Spot(scene.a.placement, scene.a.name, code), unheard_as="fraud_hold")
        scene.rider.trip.kept_out.append("fraud_hold")
    scene.await_reason(scene.buy(phone, page, earns=None, reason="fraud_hold"), "fraud_hold")


def staff_purchase(scene: Scene) -> Story:
    """Is of the staff and says so; scans A, and buys."""
    phone = scene.rider.phone(OUTSIDE)
    scene.staff.mark(phone, f"手机{scene.rider.number}")
    yield HOUR
    page = scene.rider.follow(phone, scene.a, unheard_as="excluded_staff")
    scene.rider.trip.kept_out.append("excluded_staff")
    scene.buy(phone, page, earns=None, reason="excluded_staff")


def scan_after_ordering(scene: Scene) -> Story:
    """Orders in the mini-program without any advert, scans A on the way to the sheet, and pays."""
    phone = scene.rider.phone(IN_WECHAT)
    purchase = scene.order_in_app(phone, None, earns=None, reason="late_touch_only")
    yield 3 * MINUTE
    scene.rider.launch(phone, scene.a)
    scene.pay_in_app(phone, purchase)


def first_scan_after_ordering(scene: Scene) -> Story:
    """Does the same in a browser, which had no scan's cookie when it ordered."""
    phone = scene.rider.phone(OUTSIDE)
    purchase, _ = scene.order(phone, phone.open("/"), earns=None, reason="no_touch")
    yield 3 * MINUTE
    scene.rider.scan(phone, scene.a)
    scene.pay(phone, purchase)


def no_advert(scene: Scene) -> Story:
    """Finds the shop without any advert, and buys."""
    phone = scene.rider.phone(OUTSIDE)
    scene.buy(phone, phone.open("/"), earns=None, reason="no_touch")
    yield from ()


def never_paid(scene: Scene) -> Story:
    """Scans A, orders, and never pays."""
    phone = scene.rider.phone(OUTSIDE)
    scene.order(phone, scene.rider.scan(phone, scene.a), earns=scene.a)
    yield from ()


def two_ways_silent_login(scene: Scene) -> Story:
    """Scans A in WeChat's browser and logs in there; buys the day after in the mini-program, as the same person."""
    phone = scene.rider.phone(IN_WECHAT)
    scene.rider.scan(phone, scene.a)
    orders = phone.open("/orders")
    for link in [link for link, name in orders.links.items() if name == "login"]:
        phone.open(link)
    yield DAY
    scene.buy_in_app(scene.rider.phone(IN_WECHAT), None, earns=None, reason="no_touch")


def two_ways_no_login(scene: Scene) -> Story:
    """Scans A with the camera outside WeChat, and buys an hour later in the mini-program."""
    scene.rider.scan(scene.rider.phone(OUTSIDE), scene.a)
    yield HOUR
    scene.buy_in_app(scene.rider.phone(IN_WECHAT), None, earns=None, reason="no_touch")


CAUSES = (
    Cause(one_scan, "A", "A"),
    Cause(three_adverts, "A, B, C", "C; by each model A, B, C"),
    Cause(there_and_back, "A, B", "A; by each model A, B, A"),
    Cause(repeat_purchase, "A twice", "A twice"),
    Cause(just_in_time, "A", "A"),
    Cause(expired_window, "A", "nobody", "R7: after seven days nobody can tell a scan from chance"),
    Cause(
        share_on_the_web, "A, by a friend", "nobody", "R3: a share is no scan of the poster; it is named as its source"
    ),
    Cause(opened_in_a_browser, "A", "nobody", "R3: going on in another browser looks like a share; its own line"),
    Cause(share_in_a_chat, "a friend", "nobody", "R3: a share is no scan of the poster"),
    Cause(share_after_a_scan, "B", "B"),
    Cause(long_press, "a screen", "nobody", "R3: who presses long does not stand before the poster"),
    Cause(album, "A", "A, no scan", "R1: a photograph may be a repost, so it is reported apart"),
    Cause(crawler, "nobody", "no scan"),
    Cause(lone_fetch, "nobody", "no scan"),
    Cause(late_beacon, "A", "a scan of A"),
    Cause(lost_beacon, "A", "A"),
    Cause(queued_launch, "A", "A"),
    Cause(told_after_ordering, "A", "A, decided again"),
    Cause(far_too_late, "A", "nobody", "R20, R21: a clock is believed for 24 hours, an order decided again for 72"),
    Cause(unlocked, "A", "A, one scan"),
    Cause(partial_refund, "A, B", "B, less a third"),
    Cause(full_refund, "A", "A, nothing left"),
    Cause(code_swap, "A, the depot, B", "A, nobody, B", "R12: between two walls a code hangs nowhere"),
    Cause(sweep, "nobody", "nobody, held back"),
    Cause(staff_purchase, "staff", "not counted"),
    Cause(scan_after_ordering, "nobody", "nobody, scanned late"),
    Cause(
        first_scan_after_ordering, "nobody", "nobody", "R8, R11: a cookie that came after the order is not its buyer's"
    ),
    Cause(no_advert, "nobody", "nobody"),
    Cause(never_paid, "A", "A, unpaid"),
    Cause(two_ways_silent_login, "A", "nobody", "R11: a silent login tells each app another openid, and no more"),
    Cause(two_ways_no_login, "A", "nobody", "R11: two devices that never met in a login are two people"),
)

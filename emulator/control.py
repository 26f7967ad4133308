"""The control plane: what a test, a simulation or a curious person may order of this WeChat, and the books it keeps.

It answers this machine only, and takes JSON only, so that no web page can give orders.
"""

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson
from flask import Blueprint, Response, request

from emulator import entries, faults, manual, shipping, storms, till, views
from emulator.desk import Desk, here
from emulator.faults import Rule
from emulator.records import Attempt, Conflict, Notification, Order


def answer(payload: Any, status: int = 200) -> Response:
    """Return a JSON answer for people and programs."""
    content = orjson.dumps(payload, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Response(content, status=status, content_type="application/json; charset=utf-8")


def only_this_machine() -> Response | None:
    """Refuse anyone from elsewhere."""
    address = ipaddress.ip_address(request.remote_addr or "0.0.0.0")
    return None if address.is_loopback else answer({"error": "this machine only"}, 403)


def conflict(error: Conflict) -> Response:
    """Say which rule of the books stands against it."""
    return answer({"error": error.reason}, 404 if error.reason == "unknown" else 409)


def invalid(error: Exception) -> Response:
    """Say what was wrong with the order given."""
    return answer({"error": f"{type(error).__name__}: {error}"}, 422)


def plane(name: str) -> Blueprint:
    """Return one more part of the control plane, closed to anyone from elsewhere."""
    part = Blueprint(name, __name__, url_prefix="/_control")
    part.before_request(only_this_machine)
    part.register_error_handler(Conflict, conflict)
    for kind in (ValueError, TypeError, KeyError):
        part.register_error_handler(kind, invalid)
    return part


control = plane("control")


@control.get("")
def show_manual() -> Response:
    """Describe every call and fault."""
    return answer({"calls": manual.CALLS, "faults": manual.FAULTS})


@control.post("/pay")
def pay() -> Response:
    """Pay an order as its payer would."""
    desk, asked = here(), told()
    order = _order(desk, asked)
    paid = till.take(
        desk,
        order.out_trade_no,
        openid=till.payer_of(desk, order, asked.get("person", "路人")),
        payer_total=asked.get("payer_total"),
        is_forced=bool(asked.get("force")),
        wait=bool(asked.get("wait")),
    )
    return answer(entries.order(desk.books, paid))


@control.post("/cancel")
def cancel() -> Response:
    """Turn back at the sheet."""
    desk = here()
    return answer(entries.order(desk.books, desk.books.cancel(_order(desk, told()).out_trade_no)))


@control.route("/faults", methods=["GET", "POST", "DELETE"])
def rules() -> Response:
    """Show, lay down or lift the fault rules."""
    desk = here()
    if request.method == "POST":
        return answer(desk.faults.add(**told()), 201)
    if request.method == "DELETE":
        desk.faults.clear()
    return answer(desk.faults.listing())


@control.post("/storms")
def storm() -> Response:
    """Let every fault strike at one rate."""
    return answer(storms.raise_storm(here().faults, **told()), 201)


@control.route("/holds", methods=["GET", "POST", "DELETE"])
def holds() -> Response:
    """Show, set or lift the points at which calls and sendings stand still."""
    desk = here()
    if request.method == "POST":
        return answer(desk.holds.add(**told()), 201)
    if request.method == "DELETE":
        desk.holds.clear()
    return answer(desk.holds.listing())


@control.route("/holds/<int:number>", methods=["GET", "POST"])
def hold(number: int) -> Response:
    """Wait until a point has caught somebody, or let them go."""
    desk = here()
    if request.method == "POST":
        return answer(desk.holds.release(number, **told()))
    return answer(desk.holds.await_caught(number, request.args.get("seconds", 0.0, float)))


@control.route("/clock", methods=["GET", "POST"])
def clock() -> Response:
    """Show or turn the clock."""
    dial, asked = here().clock, told() if request.method == "POST" else {}
    speed = float(asked.get("speed", dial.speed))
    if speed <= 0:
        raise ValueError("speed must be above zero")
    dial.speed, dial.offset_seconds = speed, float(asked.get("offset_seconds", dial.offset_seconds))
    if request.method == "POST":
        shipping.let_time_pass(here())
    return answer({"now": dial.now(), "offset_seconds": dial.offset_seconds, "speed": dial.speed})


@control.post("/redeliver")
def redeliver() -> Response:
    """Send the latest notification of a payment or refund again, perhaps distorted, perhaps many at once."""
    desk, asked = here(), told()
    kind, number = (
        ("refund", asked["out_refund_no"]) if "out_refund_no" in asked else ("payment", asked["out_trade_no"])
    )
    notification = _latest_notification(desk, kind, number)
    if "event_type" in asked:
        notification = replace(notification, event_type=asked["event_type"])
    rule = None
    if "fault" in asked:
        if asked["fault"] not in faults.NOTIFICATION_FAULTS:
            raise ValueError(f"no such fault of a notification: {asked['fault']}")
        rule = Rule(id=0, fault=asked["fault"], options=asked.get("options", {}))
    times = int(asked.get("times", 1))

    def send(_: int) -> Attempt:
        return desk.courier.repeat(notification, rule)

    if asked.get("parallel"):
        with ThreadPoolExecutor(max_workers=times) as pool:
            return answer({"attempts": list(pool.map(send, range(times)))})
    return answer({"attempts": [send(number) for number in range(times)]})


@control.post("/settle")
def settle() -> Response:
    """Settle a refund without waiting."""
    desk, asked = here(), told()
    number, outcome = asked["out_refund_no"], asked.get("outcome")
    if outcome not in (None, *views.REFUND_STATES):
        raise ValueError(f"no such outcome: {outcome}")
    if number not in desk.books.refunds:
        raise Conflict("unknown")
    till.settle(desk, number, outcome)
    return answer(entries.refund(desk.books.refunds[number]))


@control.post("/<any(js_codes, phone_codes, oauth_codes):kind>")
def codes(kind: str) -> Response:
    """Issue a code with which a person shows up."""
    desk, asked = here(), told()
    who = desk.keys.identity
    appid = who.official_appid if kind == "oauth_codes" else who.miniprogram_appid
    name, field = {"js_codes": ("login", "js_code"), "phone_codes": ("phone", "code")}.get(kind, ("oauth", "code"))
    code = desk.accounts.issue_code(
        appid=appid, person=asked["person"], kind=name, scope=asked.get("scope", "snsapi_base")
    )
    return answer({field: code}, 201)


@control.get("/people/<person>")
def person(person: str) -> Response:
    """Show who a person is to each account."""
    keys = here().keys
    return answer(
        {
            "person": person,
            "miniprogram_appid": keys.identity.miniprogram_appid,
            "official_appid": keys.identity.official_appid,
            "miniprogram_openid": keys.openid(keys.identity.miniprogram_appid, person),
            "official_openid": keys.openid(keys.identity.official_appid, person),
            "unionid": keys.unionid(person),
        }
    )


@control.post("/subscriptions")
def subscriptions() -> Response:
    """Let subscribe messages through to a person."""
    desk, asked = here(), told()
    openid = desk.keys.openid(desk.keys.identity.miniprogram_appid, asked["person"])
    desk.accounts.grant_messages(openid, asked["template_id"], int(asked.get("times", 1)))
    return answer({"openid": openid, "left": desk.accounts.messages_left(openid, asked["template_id"])}, 201)


@control.post("/templates")
def templates() -> Response:
    """Describe a template of subscribe messages."""
    asked = told()
    here().accounts.describe_template(asked["template_id"], asked["keys"])
    return answer(asked, 201)


@control.delete("/notifications")
def notifications() -> Response:
    """Send nothing more of what is still to be sent."""
    return answer({"exhausted": here().courier.give_up()})


@control.delete("/tokens")
def tokens() -> Response:
    """Invalidate every access token."""
    here().accounts.kill_tokens()
    return Response(status=204)


@control.get("/books")
def books() -> Response:
    """Show the whole truth."""
    desk = here()
    kept = desk.books.snapshot()
    orders = [entries.order(desk.books, each) for each in kept["orders"]]
    return answer(
        {
            "totals": {
                "orders": len(orders),
                "paid_orders": sum(each["paid_at"] is not None for each in orders),
                "paid_fen": sum(each["total_fen"] for each in orders if each["paid_at"]),
                "refunded_fen": sum(each["refunded_fen"] for each in orders),
                "refunding_fen": sum(each["refunding_fen"] for each in orders),
                "fee_fen": sum(each["fee_fen"] for each in orders),
                "fee_returned_fen": sum(each["fee_returned_fen"] for each in orders),
            },
            "orders": orders,
            "refunds": [entries.refund(each) for each in kept["refunds"]],
            "notifications": [entries.notification(each) for each in kept["notifications"]],
            "messages": kept["messages"],
            "sharing": desk.sharing.snapshot(),
        }
    )


@control.get("/books/<out_trade_no>")
def book(out_trade_no: str) -> Response:
    """Show one order."""
    desk = here()
    order = till.find(desk, out_trade_no=out_trade_no)
    refunds = desk.books.refunds_of(out_trade_no)
    numbers = {out_trade_no, *(each.out_refund_no for each in refunds)}
    sent = [each for each in list(desk.books.notifications.values()) if each.reference in numbers]
    return answer(
        entries.order(desk.books, order)
        | {"refunds": [entries.refund(each) for each in refunds]}
        | {"notifications": [entries.notification(each) for each in sent]}
    )


@control.get("/log")
def log() -> Response:
    """Show the last exchanges."""
    return answer(here().log.entries(request.args.get("limit", 200, int)))


def _latest_notification(desk: Desk, kind: str, number: str) -> Notification:
    known = [each for each in list(desk.books.notifications.values()) if (each.kind, each.reference) == (kind, number)]
    if not known:
        raise Conflict("unknown")
    return known[-1]


def _order(desk: Desk, asked: dict[str, Any]) -> Order:
    return till.find(desk, out_trade_no=asked.get("out_trade_no"), prepay_id=asked.get("prepay_id"))


def told() -> dict[str, Any]:
    """Return the order given, a JSON object; refuses (ValueError, TypeError) anything else."""
    if not request.is_json:
        raise ValueError("send application/json")
    asked = orjson.loads(request.get_data())
    if not isinstance(asked, dict):
        raise TypeError("send a JSON object")
    return asked

"""The part of the control plane that stands for WeChat's own consoles: terms, bills, and what moved money.

What is set here a merchant would set, or WeChat would decide, on a web page.
"""

from datetime import date

import orjson
from flask import Response, request

from emulator import billing, bookings, entries, shipping, till
from emulator.accounts import Refused
from emulator.bookings import Fabrication
from emulator.control import answer, plane, told
from emulator.desk import here
from emulator.pushes import Site
from emulator.records import Conflict

console = plane("console")


@console.route("/terms", methods=["GET", "POST"])
def terms() -> Response:
    """Show or change the terms."""
    contract = here().contract
    return answer(contract.change(told()) if request.method == "POST" else contract.terms)


@console.post("/fabrications")
def fabrications() -> Response:
    """Let a day be one of so many payments that never were."""
    asked = told()
    plan = Fabrication(**asked | {"day": date.fromisoformat(asked["day"])})
    here().archive.plan(plan)
    return answer(plan, 201)


@console.get("/bookings/<day>")
def rows(day: str) -> Response:
    """Show what a day's trade bill is made of, one JSON object a line, whether or not it can be fetched yet."""
    desk, asked = here(), date.fromisoformat(day)
    found = billing.fabricated(desk, asked) or bookings.trade(desk.books, asked)
    lines = [orjson.dumps(row._asdict(), option=orjson.OPT_APPEND_NEWLINE) for row in found]
    if not lines:
        raise Conflict("unknown")
    return Response(b"".join(lines), content_type="application/x-ndjson")


@console.route("/keys", methods=["GET", "POST"])
def keys() -> Response:
    """Show WeChat's keys and which are in use, or make one more."""
    desk = here()
    if request.method == "POST":
        return answer(desk.keyring.make(told()["kind"], now=desk.clock.now()).public, 201)
    return answer({"keys": [each.public for each in desk.keyring.signers.values()], "in_use": desk.keyring.choice})


@console.post("/keys/use")
def use_keys() -> Response:
    """Sign and seal with other keys from now on."""
    return answer(here().keyring.choose(told()))


@console.route("/push", methods=["GET", "POST"])
def push() -> Response:
    """Show or set where the mini-program's server listens; it must echo, as the real console demands."""
    desk = here()
    if request.method == "POST":
        desk.pushes.set_site(Site(**told()), timestamp=int(desk.clock.now().timestamp()))
    return answer(desk.pushes.site)


@console.post("/receipts")
def receipts() -> Response:
    """Let the payer confirm the receipt of what was sent."""
    desk = here()
    order = till.find(desk, out_trade_no=told()["out_trade_no"])
    try:
        return answer(entries.order(desk.books, shipping.receive(desk, order)))
    except Refused as refused:
        raise Conflict(refused.errmsg) from None

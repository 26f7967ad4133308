"""Reviews of prices on pages: what lies far from the usual, and what the county decides about it."""

from flask import Blueprint, Response, request

from catalog.price_models import ReviewAct, ReviewState
from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.staff import price_desk
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_prices", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 30
_TABS: dict[str, tuple[str, tuple[ReviewState, ...]]] = {
    "": ("待核查", (ReviewState.OPEN,)),
    "asked": ("已要求改价或停售", (ReviewState.ASKED, ReviewState.HELD)),
    "over": ("已办结", (ReviewState.ACCEPTED, ReviewState.SUPERSEDED)),
}
_PATH = "/prices"


@blueprint.get("/prices")
@guard.staff(Permission.READ_PRICES)
def listing() -> Response:
    """Show the prices that wait for a decision, or the others."""
    tab = request.args.get("tab", "")
    tab = tab if tab in _TABS else ""
    page = request.args.get("page", "1")
    number = max(1, int(page)) if page.isdecimal() and len(page) <= 4 else 1
    with database.transaction() as session:
        found = price_desk.queue(
            session, guard.actor(), states=_TABS[tab][1], offset=(number - 1) * _PAGE, limit=_PAGE + 1
        )
    return frame.render(
        "staff/prices.html",
        here="prices",
        rows=found[:_PAGE],
        tab=tab,
        tabs={key: title for key, (title, _) in _TABS.items()},
        page=number,
        has_next=len(found) > _PAGE,
    )


@blueprint.post("/prices/<number:number>/decision")
@guard.staff(Permission.REVIEW_PRICES)
def decide(number: str) -> Response:
    """Decide as the form says, on what the form showed."""
    given = request.form
    act, seen = given.get("act", ""), given.get("seen", "")
    if act not in set(ReviewAct) or seen not in set(ReviewState):
        return frame.back(_PATH, fault="form.reason")
    try:
        with database.transaction() as session:
            price_desk.decide(
                session,
                guard.actor(),
                number=number,
                act=ReviewAct(act),
                seen=ReviewState(seen),
                reason=given.get("reason", ""),
                now=clock.now(),
            )
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused(_PATH, error)
    return frame.back(_PATH, done="price_decided")

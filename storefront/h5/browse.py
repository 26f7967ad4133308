"""Own the pages that anybody may read: halls, products of a hall, search, documents, the divisions of an address.

Invariant: nothing here needs a script or tells who is reading; nothing writes but the confirmation of a scan.
"""

from urllib.parse import urlencode

import orjson
import psycopg
from flask import Blueprint, Response, abort, request

from catalog import halls, products, regions
from catalog import shelves as shelf_verbs
from config import clock, http, logs
from storefront import benefit_public, guard
from storefront.h5 import browse_models, documents, pages, searching, shelves, signposts
from subway_campaign import visits

PICKS = 6
PAGE = 20

blueprint = Blueprint("h5_browse", __name__, template_folder="templates")


@blueprint.before_request
def _came_back() -> None:
    """Confirm the scans of a browser that comes back with its cookie: its page's own word may have been lost (R6).

    What was asked for is answered all the same when that fails, for it may be the script or a picture: the database
    may be slow to commit another request's word on the same scan, or away. The next request confirms it.
    """
    visitor = guard.visitor()
    if visitor is not None and "tk" not in request.args and request.method == "GET":
        try:
            visits.seen(visitor=visitor, now=clock.now())
        except psycopg.OperationalError as error:
            logs.get(__name__).warning("campaign.confirmation_missed", reason=type(error).__name__)


@blueprint.get("/")
@guard.public
def home() -> Response:
    """Show the halls of every city and a few of their goods."""
    groups = shelves.by_city(filter(_is_home, _halls(kind="local", presence="online")))
    picks = orjson.loads(products.page(limit=PICKS))["items"]
    page = browse_models.HomePage(
        groups=groups,
        picks=tuple(map(shelves.card, picks)),
        city_count=sum(group.head is not None for group in groups),
        county_count=sum(len(group.members) for group in groups if group.head is not None),
        product_count=sum(group.head.product_count for group in groups if group.head is not None),
    )
    return pages.render("h5/home.html", page=page)


@blueprint.get("/halls")
@guard.public
def hall_list() -> Response:
    """Show the halls of every kind by city, as far as the address narrows them."""
    return pages.render("h5/halls.html", page=signposts.page(request.args))


@blueprint.get("/halls/<slug>")
@guard.public
def hall(slug: str) -> Response:
    """Show one hall with its shelves and a page of its goods; 404 when there is none."""
    found = halls.find(slug)
    region = found["region"]
    others = [each for each in _halls(city=region["city_code"]) if each["slug"] != slug]
    homes = [each for each in others if _is_home(each)]
    goods = orjson.loads(products.page(hall=slug, cursor=request.args.get("cursor"), limit=PAGE))
    chosen = orjson.loads(shelf_verbs.body(slug))["items"]
    is_city = region["level"] == "prefecture"
    page = browse_models.HallPage(
        hall=shelves.hall_link(found),
        card=shelves.hall_card(found),
        contact=found["contact"],
        is_place=found["presence"] == "physical",
        picture=shelves.picture(found["picture"]),
        region=region["full_name"],
        city=next((shelves.hall_link(each) for each in homes if _is_city(each)), None),
        home=next((shelves.hall_link(each) for each in homes if each["region"]["code"] == region["code"]), None),
        story=found["story"],
        shelves=tuple(browse_models.Shelf(each["name"], tuple(map(shelves.card, each["products"]))) for each in chosen),
        products=tuple(map(shelves.card, goods["items"])) if found["is_home"] else (),
        around=tuple(
            shelves.hall_card(each)
            for each in others
            if not _is_home(each) and (is_city or each["region"]["code"] == region["code"])
        ),
        neighbours=tuple(shelves.hall_link(each) for each in homes if not _is_city(each)) if found["is_home"] else (),
        next_url=_next(goods["next_cursor"]) if found["is_home"] else None,
        benefit=shelves.benefit_of_hall(benefit_public.of_hall(slug, now=clock.now())),
    )
    return pages.render("h5/hall.html", page=page)


@blueprint.get("/search")
@guard.public
def search() -> Response:
    """Show what a word, a pinyin or initials find among all goods, and by what it can be narrowed."""
    return pages.render("h5/search.html", page=searching.page(request.args))


@blueprint.get("/code")
@guard.public
def type_code() -> Response:
    """Show the form for the text under a code, for who cannot scan it."""
    return pages.render("h5/code.html")


@blueprint.get("/regions")
@guard.public
def divisions() -> Response:
    """Return what lies under a division as JSON, the provinces without `parent`; it changes once a year."""
    below = regions.children(request.args.get("parent"))
    items = [{"code": each.code, "name": each.name, "is_leaf": each.is_leaf} for each in below]
    response = http.json_bytes(orjson.dumps({"items": items}))
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


@blueprint.get("/<any(privacy, terms):kind>")
@blueprint.get("/<any(privacy, terms):kind>/<version>")
@guard.public
def document(kind: str, version: str | None = None) -> Response:
    """Show the present version of a document, or an earlier one by its date; 404 when there never was such a text."""
    page = documents.find(kind, version)
    if page is None:
        abort(404)
    return pages.render("h5/document.html", page=page)


@blueprint.get("/h5/shop.js")
@guard.public
def script() -> Response:
    """Return the one script."""
    return pages.script()


@blueprint.get("/plates/<name>.svg")
@guard.public
def plate(name: str) -> Response:
    """Return the drawing for a kind of goods; 404 when there is none of that name."""
    return pages.plate(name)


def _halls(**narrowed: str) -> list[shelves.Json]:
    """Return the open halls of a kind or a city, as many as one page holds."""
    found: list[shelves.Json] = orjson.loads(halls.page(limit=halls.MAX_LIMIT, **narrowed))["items"]
    return found


def _is_home(hall: shelves.Json) -> bool:
    return bool(hall["is_home"])


def _is_city(hall: shelves.Json) -> bool:
    return bool(hall["region"]["level"] == "prefecture")


def _next(cursor: str | None, **query: str) -> str | None:
    return None if cursor is None else "?" + urlencode({**query, "cursor": cursor})

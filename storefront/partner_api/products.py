"""The product feed: everything on the shelf in pages, and what changed since, each with a link to recommend it by.

Invariant: exactly what `catalog.feed` says; a client that has the same already is told so.
"""

from typing import Any

import marshmallow as ma
import orjson
from flask import Response
from marshmallow import fields

from catalog import errors, feed
from config import settings
from config.schemas import Blueprint, Int, Schema, Text
from storefront import guard, partner_codes
from storefront.api.landings import path
from storefront.api.products import ITEM_EXAMPLE, Product
from storefront.api.shapes import Answer, Instant, shelved
from storefront.partner_keys import KeyScope
from subway_campaign.landing import Landing, LandingKind

blueprint = Blueprint("partner_products", __name__, url_prefix="/api/partner/v1", description="Partners: the feed.")


class FeedWanted(Schema):
    """Nothing: a full pull begins. `cursor` goes on with one; `since` asks for what changed after it instead."""

    cursor = Text(high=300, load_default=None)
    since = Text(high=300, load_default=None)
    limit = Int(low=1, high=200, load_default=100, metadata={"in_query": True})

    @ma.validates_schema
    def _one_of_two(self, data: dict[str, Any], **_: Any) -> None:
        if data["cursor"] is not None and data["since"] is not None:
            raise ma.ValidationError("cursor 和 since 二者选一", "since")


class RecommendedProduct(Product):
    """A product as it stands in a list. `link` leads to it, by the caller's own `code` if it has one for it."""

    link = fields.String()
    code = fields.String(allow_none=True)


class FeedItem(Answer):
    """A product as of `changed_at`; `is_removed` when it left the shelf, and `product` is null then."""

    slug = fields.String()
    is_removed = fields.Boolean()
    changed_at = Instant()
    product = fields.Nested(RecommendedProduct, allow_none=True)


class FeedPage(Schema):
    """`next_cursor` goes on with a full pull, null at its end. `since` is where to ask for changes next.

    Of a full pull keep the `since` of any page, they are all the same. Of changes ask again with the new `since`, and
    at once while `has_more`.
    """

    items = fields.List(fields.Nested(FeedItem), required=True)
    next_cursor = Text(required=True, allow_none=True)
    since = Text(required=True)
    has_more = fields.Boolean(required=True)


_EXAMPLE = {
    "items": [
        {
            "slug": "dangshansuli",
            "is_removed": False,
            "changed_at": "2026-11-22T04:00:00+00:00",
            "product": {**ITEM_EXAMPLE, "link": "https://hall.example/s/7K3M9X2P", "code": "7K3M9X2P"},
        },
        {"slug": "dangshanligao", "is_removed": True, "changed_at": "2026-11-22T04:00:03+00:00", "product": None},
    ],
    "next_cursor": None,
    "since": "WyJzaW5jZSIsMTEyXQ",
    "has_more": False,
}


@blueprint.get("/products")
@guard.partner(KeyScope.READ_PRODUCTS)
@blueprint.arguments(FeedWanted, location="query")
@blueprint.alt_response(200, schema=FeedPage, example=_EXAMPLE, success=True)
@blueprint.alt_response(304, description="The client's copy is still right.")
@blueprint.refuses(errors.CursorInvalid)
def pull(wanted: dict[str, Any]) -> Response:
    """Pull everything on the shelf page by page, or what changed since; changes are seen within seconds."""
    since, limit = wanted["since"], wanted["limit"]
    page = feed.full(cursor=wanted["cursor"], limit=limit) if since is None else feed.changes(since=since, limit=limit)
    slugs = [change.slug for change in page.items if change.body is not None]
    codes = partner_codes.of_products(partner_id=guard.partner_caller().partner_id, slugs=slugs)
    return shelved(
        orjson.dumps(
            {
                "items": [_item(change, codes.get(change.slug)) for change in page.items],
                "next_cursor": page.next_cursor,
                "since": page.since,
                "has_more": page.has_more,
            }
        )
    )


def _item(change: feed.Change, code: str | None) -> dict[str, Any]:
    link = partner_codes.url(code) if code else _page_of(change.slug)
    product = None if change.body is None else change.body | {"link": link, "code": code}
    return {
        "slug": change.slug,
        "is_removed": change.body is None,
        "changed_at": change.changed_at,
        "product": product,
    }


def _page_of(slug: str) -> str:
    return settings.current().public_base_url + path(Landing(LandingKind.PRODUCT, slug))

"""The fields and shapes that several of the staff's calls share.

Invariant: a day is a whole Shanghai day, an instant has its offset; neither can lie where no calendar reaches.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from marshmallow import fields, validate

from config.schemas import PageArgs, Pattern, Schema, Text
from storefront.api.shapes import BYTES, Answer
from storefront.staff.inventory import Hanging
from subway_campaign.landing import Landing, LandingKind

YEARS = range(2000, 2101)
PLACEMENT = "[0-9A-Z]{1,12}(?:[.][0-9A-Z]{1,12}){0,7}"
# What the document says of a view that takes a photograph.
PHOTO_BODY = {
    "required": True,
    "description": "A photograph: JPEG, PNG or WebP, up to 12 MB.",
    "content": {"application/octet-stream": BYTES},
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class Day(fields.Date):
    """A day, YYYY-MM-DD and nothing else that Python would read as one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        day: date = super()._deserialize(value, attr, data, **kwargs)
        if day.year not in YEARS:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return day


class Moment(fields.DateTime):
    """An RFC 3339 instant with its offset."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        moment: datetime = super()._deserialize(value.upper(), attr, data, **kwargs)
        if moment.year not in YEARS:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return moment


class OffsetArgs(PageArgs):
    """Pages of a list that is read by place."""

    cursor = Text(validate=[Pattern("[0-9]{1,6}")], load_default=None)


def paged(found: list[dict[str, Any]], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of what was found for one more than its limit, and the cursor of the next."""
    offset, limit = int(wanted["cursor"] or 0), wanted["limit"]
    return {"items": found[:limit], "next_cursor": str(offset + limit) if len(found) > limit else None}


def span(wanted: Mapping[str, Any]) -> dict[str, int]:
    """Return what a verb is to be asked so that `paged` knows whether there is more."""
    return {"offset": int(wanted["cursor"] or 0), "limit": wanted["limit"] + 1}


class LandingWanted(Schema):
    """What a scan opens: a product or a hall by its slug, never an address."""

    kind = Text(required=True, validate=[validate.OneOf([kind.value for kind in LandingKind])])
    slug = Text(required=True, low=1, high=80)


class HangingWanted(Schema):
    """Under which campaign a code hangs, what it opens, from when to when (half-open)."""

    campaign = Text(required=True, low=1, high=40)
    creative = Text(low=1, high=40, load_default=None)
    landing = fields.Nested(LandingWanted, required=True)
    valid_from = Moment(required=True)
    valid_until = Moment(load_default=None, allow_none=True)


class BindingWanted(HangingWanted):
    """The same, with the placement."""

    placement = Text(required=True, high=120, validate=[Pattern(PLACEMENT)])


class LandingShown(Answer):
    """What a scan opens; `name` is null once it is gone."""

    kind = fields.String(validate=validate.OneOf([kind.value for kind in LandingKind]))
    slug = fields.String()
    name = fields.String(allow_none=True)


BINDING_EXAMPLE = {
    "placement": "METRO.HF.L1.S04.LB1",
    "campaign": "XFFP2020",
    "landing": {"kind": "product", "slug": "dangshansuli"},
    "valid_from": "2026-11-22T00:00:00+08:00",
}


def cut(shape: type[Answer], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return of `found` exactly what `shape` promises."""
    return {name: found[name] for name in shape().fields}


def hanging(given: dict[str, Any]) -> Hanging:
    """Return what a body asks for as the verb takes it."""
    landing = Landing(LandingKind(given["landing"]["kind"]), given["landing"]["slug"])
    return Hanging(
        campaign=given["campaign"],
        landing=landing,
        valid_from=given["valid_from"],
        valid_until=given["valid_until"],
        creative=given["creative"],
    )

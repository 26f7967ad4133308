"""Sheets as JSON: sent in as an Excel file, watched, looked through row by row, confirmed.

Invariant: the same file while it is under way is the same import; nothing changes before its confirmation.
"""

from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from catalog import import_errors as errors
from catalog.import_models import RowState
from catalog.sheets import ImportKind
from config import clock, database, spreadsheets
from config.schemas import Blueprint, Int, Schema, Text
from storefront import guard
from storefront.api.shapes import Answer, Instant, said
from storefront.roles import Permission
from storefront.staff import import_desk

blueprint = Blueprint("imports", __name__, url_prefix="/api/staff/v1", description="Staff: sheets that come in.")

# Not its own long name: a program that sends bytes need not know it.
BYTES = "application/octet-stream"
_LAST_LINE = 1_048_576


class ImportWanted(Schema):
    """What the sheet is about."""

    kind = Text(required=True, validate=[validate.OneOf([*ImportKind])])


class RowSearch(Schema):
    """Which rows: of a state, by line beyond `after`."""

    state = Text(load_default=RowState.CHANGED, validate=[validate.OneOf([*RowState])])
    after = Int(low=0, high=_LAST_LINE, load_default=0, metadata={"in_query": True})
    limit = Int(low=1, high=100, load_default=50, metadata={"in_query": True})


class RowCounts(Answer):
    """How many rows are in each state."""

    read = fields.Integer()
    changed = fields.Integer()
    unchanged = fields.Integer()
    refused = fields.Integer()
    applied = fields.Integer()


class ImportSummary(Answer):
    """An import and how far it is; `supplier` is whose goods alone it may touch, "" for everybody's."""

    number = fields.String()
    kind = fields.String()
    state = fields.String()
    supplier = fields.String()
    asked_by = fields.String()
    asked_at = Instant()
    total = fields.Integer()
    done = fields.Integer()
    ended_at = Instant(allow_none=True)


class ImportCard(ImportSummary):
    """The same with its rows counted."""

    counts = fields.Nested(RowCounts)


class ImportList(Answer):
    """The latest imports, newest first."""

    items = fields.List(fields.Nested(ImportSummary))


class RowChange(Answer):
    """What a row changes: the title of the column, what stood there and what will, as people read it."""

    column = fields.String()
    old = fields.String()
    new = fields.String()


class RowFault(Answer):
    """Why a row is refused: the title of the column, and words for whoever typed it."""

    column = fields.String()
    message = fields.String()


class ImportedRow(Answer):
    """A row: its number in Excel, its cells as typed by the names of columns, what it changes, why it is refused."""

    line = fields.Integer()
    cells = fields.Dict()
    changes = fields.List(fields.Nested(RowChange))
    faults = fields.List(fields.Nested(RowFault))


class ImportedRows(Answer):
    """Rows by line."""

    items = fields.List(fields.Nested(ImportedRow))


_SUMMARY = {
    "number": "I0123456789ABCDEF",
    "kind": "prices",
    "state": "checked",
    "supplier": "",
    "asked_by": "clerk",
    "asked_at": "2026-11-22T04:00:00+00:00",
    "total": 220,
    "done": 220,
    "ended_at": None,
}
_COUNTS = {"read": 0, "changed": 12, "unchanged": 205, "refused": 3, "applied": 0}
_CARD = _SUMMARY | {"counts": _COUNTS}
_ROW = {
    "line": 2,
    "cells": {"sku": "AH001A", "seen": "29.9", "price": "31.5"},
    "changes": [{"column": "价格（元）", "old": "29.90", "new": "31.50"}],
    "faults": [],
}


@blueprint.get("/imports")
@guard.staff(Permission.IMPORT_GOODS)
@blueprint.alt_response(200, schema=ImportList, example={"items": [_SUMMARY]}, success=True)
def listing() -> Response:
    """List the latest fifty imports in sight."""
    with database.transaction() as session:
        return said({"items": import_desk.shelf(session, guard.actor())})


@blueprint.post("/imports")
@guard.body_up_to(spreadsheets.LARGEST_BYTES)
@guard.staff(Permission.IMPORT_GOODS)
@blueprint.arguments(ImportWanted, location="query")
@blueprint.doc(
    requestBody={
        "required": True,
        "description": "An .xlsx file with the template's columns.",
        "content": {BYTES: {"schema": {"type": "string", "format": "binary"}, "example": "PK"}},
    }
)
@blueprint.alt_response(201, schema=ImportCard, example=_CARD, success=True)
@blueprint.alt_response(200, schema=ImportCard, example=_CARD, success=True)
@blueprint.refuses(errors.ImportRefused, errors.ImportColumnsWrong)
def send(wanted: dict[str, Any]) -> Response:
    """Send a sheet in; 200 when the same file is under way already."""
    kind = ImportKind(wanted["kind"])
    number, is_new = import_desk.send(guard.actor(), kind=kind, upload=request.get_data(), now=clock.now())
    with database.transaction() as session:
        return said(import_desk.find(session, guard.actor(), number=number), 201 if is_new else 200)


@blueprint.get("/imports/<number:number>")
@guard.staff(Permission.IMPORT_GOODS)
@blueprint.alt_response(200, schema=ImportCard, example=_CARD, success=True)
@blueprint.refuses(errors.ImportUnknown)
def find(number: str) -> Response:
    """Show one import with its rows counted."""
    with database.transaction() as session:
        return said(import_desk.find(session, guard.actor(), number=number))


@blueprint.get("/imports/<number:number>/rows")
@guard.staff(Permission.IMPORT_GOODS)
@blueprint.arguments(RowSearch, location="query")
@blueprint.alt_response(200, schema=ImportedRows, example={"items": [_ROW]}, success=True)
@blueprint.refuses(errors.ImportUnknown)
def rows(wanted: dict[str, Any], number: str) -> Response:
    """Show rows of an import that are in a state: what they change, why they are refused."""
    state = RowState(wanted.pop("state"))
    with database.transaction() as session:
        return said({"items": import_desk.rows(session, guard.actor(), number=number, state=state, **wanted)})


@blueprint.post("/imports/<number:number>/confirmation")
@guard.staff(Permission.IMPORT_GOODS)
@blueprint.alt_response(200, schema=ImportCard, example=_CARD | {"state": "confirmed"}, success=True)
@blueprint.refuses(errors.ImportUnknown, errors.ImportMoved, errors.ImportEmpty)
def confirm(number: str) -> Response:
    """Have an import done; repeated, it does nothing more."""
    with database.transaction() as session:
        import_desk.confirm(session, guard.actor(), number=number, now=clock.now())
        return said(import_desk.find(session, guard.actor(), number=number))


@blueprint.post("/imports/<number:number>/withdrawal")
@guard.staff(Permission.IMPORT_GOODS)
@blueprint.alt_response(200, schema=ImportCard, example=_CARD | {"state": "withdrawn"}, success=True)
@blueprint.refuses(errors.ImportUnknown, errors.ImportMoved)
def withdraw(number: str) -> Response:
    """Leave an import undone."""
    with database.transaction() as session:
        import_desk.withdraw(session, guard.actor(), number=number, now=clock.now())
        return said(import_desk.find(session, guard.actor(), number=number))

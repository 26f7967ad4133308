"""Bodies, queries and headers: read straight or by marshmallow, they mean the same and are refused alike."""

from collections.abc import Callable
from typing import Any

import flask
import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields, validate
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from config import schemas


class _StockText(schemas.Text):
    deserialize = fields.Field.deserialize


class _StockInt(schemas.Int):
    deserialize = fields.Field.deserialize


class _StockSchema(schemas.Schema):
    load = ma.Schema.load


def _order(text: Any, integer: Any, schema: Any) -> Any:
    class Line(schema):
        sku = text(required=True, low=1, high=4)
        quantity = integer(required=True, low=1, high=9)

    class Place(schema):
        name = text(required=True, high=3)
        is_default = schemas.Bool(load_default=False)

    class Order(schema):
        lines = fields.List(fields.Nested(Line), required=True, validate=validate.Length(min=1, max=2))
        place = fields.Nested(Place)
        number = text(low=1, high=4, data_key="place-number")
        remark = text(high=3, load_default="", validate=[schemas.Pattern("[a-z]*")])
        size = integer(load_default=None, attribute="extent")

        def check(self, given: dict[str, Any]) -> None:
            if ("place" in given) == ("number" in given):
                raise ma.ValidationError("one place", "place")

    return Order()


_STRAIGHT = _order(schemas.Text, schemas.Int, schemas.Schema)
_STOCK = _order(_StockText, _StockInt, _StockSchema)


def _answer(schema: ma.Schema, data: Any, unknown: str | None = None) -> Any:
    try:
        return ("read", schema.load(data, unknown=unknown))
    except ma.ValidationError as refused:
        return ("refused", refused.messages)


_words = st.one_of(st.sampled_from(["", "a", "abc", "abcde", "\x00", "a\n", "ａ", "3"]), st.text(max_size=5))
_numbers = st.one_of(st.integers(-1, 10), st.sampled_from([2**53, 3.0, 3.5, True, float("nan"), 10**400]))
_odd = st.one_of(st.none(), st.booleans(), _numbers, _words, st.just([]), st.just({}), st.binary(max_size=3))


def _objects(right: dict[str, Any]) -> Any:
    """Return objects of which each key is mostly right, and now and then odd, away, or one that nobody knows."""
    optional = {key: st.one_of(value, value, value, _odd) for key, value in right.items()}
    return st.fixed_dictionaries({}, optional={**optional, "unknown": _odd})


_lines = _objects({"sku": _words, "quantity": _numbers})
_places = _objects({"name": _words, "is_default": st.booleans()})
_orders = _objects(
    {
        "lines": st.lists(st.one_of(_lines, _lines, _odd), max_size=3),
        "place": _places,
        "place-number": _words,
        "remark": _words,
        "size": _numbers,
    }
)


@given(st.one_of(_orders, _orders, _orders, _odd), st.sampled_from([None, ma.RAISE, ma.EXCLUDE, ma.INCLUDE]))
def test_what_is_read_straight_means_what_marshmallow_says(data: Any, unknown: str | None) -> None:
    # By their text, in which nan equals nan and 1 is not True.
    assert repr(_answer(_STRAIGHT, data, unknown)) == repr(_answer(_STOCK, data, unknown))


def test_a_right_body_is_read_once_and_a_wrong_one_once_more_for_each_level() -> None:
    seen: list[str] = []

    class Leaf(schemas.Schema):
        word = schemas.Text(validate=[seen.append])
        size = schemas.Int(high=9)

    class Branch(schemas.Schema):
        leaf = fields.Nested(Leaf)

    class Tree(schemas.Schema):
        branch = fields.Nested(Branch)

    tree = Tree()
    assert _answer(tree, {"branch": {"leaf": {"word": "right", "size": 9}}})[0] == "read"
    assert _answer(tree, {"branch": {"leaf": {"word": "wrong", "size": 10}}})[0] == "refused"
    assert seen == ["right", *["wrong"] * 4]
    # What our reading of marshmallow's table of hooks rests on: it is empty but for our own.
    assert tree._planned().steps


def test_what_marshmallow_does_between_is_left_to_it() -> None:
    class Trimmed(schemas.Schema):
        name = schemas.Text(required=True, high=3)

        @ma.pre_load
        def _trim(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
            return {key: value.strip() for key, value in data.items()}

    assert Trimmed().load({"name": "  abc  "}) == {"name": "abc"}
    assert Trimmed(partial=True).load({}) == {}
    assert Trimmed(many=True).load([{"name": " a"}]) == [{"name": "a"}]


class _Key(schemas.Schema):
    key = schemas.Text(required=True, data_key="A-Key", high=3)
    words = schemas.Text(high=3)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"A-Key": "abc"},
        {"a-key": "abc", "Other": "x"},
        {"A-Key": "abcd"},
        {"A-Key": ""},
        {"Key": "abc"},
        {"A-Key": "abc", "Words": "abcd"},
        {"A-Key": "a\x7f"},
        {"A-Key": "\u00e9"},
    ],
)
def test_headers_are_read_as_webargs_does(sent: dict[str, str]) -> None:
    def told(read: Callable[..., Any]) -> Any:
        try:
            return read(_Key(), location="headers")
        except HTTPException as refused:
            return refused.code, refused.data["messages"]

    with flask.Flask("headers").test_request_context(headers=sent):
        assert told(schemas.StrictParser().read) == told(FlaskParser().parse)


@pytest.mark.parametrize("options", [{}, {"unknown": ma.EXCLUDE}])
@pytest.mark.parametrize("asked", ["", "words=ab", "words=abcd", "words=ab&words=cd", "other=1", "words=a%7f"])
def test_questions_are_read_as_webargs_does_but_nothing_else_may_be_asked(asked: str, options: dict[str, str]) -> None:
    class Question(schemas.Schema):
        words = schemas.Text(high=3)

    def told(read: Callable[..., Any], **options: str) -> Any:
        try:
            return read(Question(), location="query", **options)
        except HTTPException as refused:
            return refused.code, refused.data["messages"]

    with flask.Flask("questions").test_request_context(query_string=asked):
        theirs = told(FlaskParser().parse, **{"unknown": ma.RAISE, **options})
        assert told(schemas.StrictParser().read, **options) == theirs

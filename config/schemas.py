"""The fields, pages and blueprint that every JSON face builds on, strict where the stock ones are lax.

Invariant: what the OpenAPI document says is what happens: JSON types mean what JSON Schema means by them, unknown
keys are refused, and every operation declares the errors that it can answer.
"""

import re
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, NoReturn, TypeVar

import flask
import marshmallow as ma
import orjson
from apispec import APISpec
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import fields, validate
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from config import http
from config.errors import AppError

MAX_INT = 2**53 - 1
# Of common questions, half a megabyte a process at most.
MAX_MEANINGS = 1024
LONGEST_KEPT_QUERY = 400
# What stands before a cursor, the cursor as it is written, and what stands behind it.
_CURSOR = re.compile(rb"((?:.*&)?)cursor=([A-Za-z0-9_-]{1,300})((?:&.*)?)")
View = TypeVar("View", bound=Callable[..., Any])


class Text(fields.String):
    """A string that PostgreSQL can store: no NUL, and no control characters other than line breaks and tabs."""

    default_error_messages = {"control": "不能包含控制字符"}  # noqa: RUF012 - marshmallow's own protocol
    _CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

    def __init__(self, *, low: int = 0, high: int = 200, **kwargs: Any) -> None:
        super().__init__(validate=[validate.Length(min=low, max=high), *kwargs.pop("validate", [])], **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if self._CONTROL.search(text):
            raise self.make_error("control")
        return text


class Int(fields.Integer):
    """What JSON Schema calls an integer: 3 and 3.0, but neither "3" nor true. Query strings arrive as digits."""

    def __init__(self, *, low: int = -MAX_INT, high: int = MAX_INT, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=low, max=high), **kwargs)

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        if isinstance(value, str) and not (self.metadata.get("in_query") and re.fullmatch(r"-?[0-9]{1,15}", value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Bool(fields.Boolean):
    """What JSON Schema calls a boolean: neither "yes" nor 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Pattern(validate.Regexp):
    """A whole-string match, documented as `^…$`: Python's own `$` would let a line break through."""

    def __init__(self, pattern: str, error: str = "格式不正确") -> None:
        self.whole = re.compile(pattern)
        super().__init__(rf"^{pattern}$", error=error)

    def __call__(self, value: str) -> str:  # type: ignore[override]
        """Return `value` when all of it matches."""
        if not self.whole.fullmatch(value):
            raise ma.ValidationError(self._format_error(value))
        return value


class Schema(ma.Schema):
    """A body or an answer; unknown keys in a body are refused."""

    # Whether everybody asks in the same words, so that what a query string means is worth keeping. For public
    # questions whose meaning is the same for all and for ever.
    is_common: ClassVar[bool] = False

    class Meta:
        """Refuse what nobody asked for."""

        unknown = ma.RAISE
        ordered = True


class PageArgs(Schema):
    """Cursor pagination: `?cursor=&limit=`."""

    cursor = Text(high=300, load_default=None, allow_none=False)
    limit = Int(low=1, high=100, load_default=20, metadata={"in_query": True})


@cache
def page_of(item: type[ma.Schema]) -> type[ma.Schema]:
    """Return the schema `{"items": [item], "next_cursor": str | null}`."""
    return Schema.from_dict(
        {"items": fields.List(fields.Nested(item), required=True), "next_cursor": Text(required=True, allow_none=True)},
        name=f"{item.__name__.removesuffix('Schema')}Page",
    )


class ErrorFields(Schema):
    """What went wrong: a stable code, words for people, details, and the id to quote."""

    code = Text(required=True)
    message = Text(required=True)
    details = fields.Dict(required=True)
    request_id = Text(required=True)


class ErrorAnswer(Schema):
    """The one error shape."""

    error = fields.Nested(ErrorFields, required=True)


_RETRY_AFTER = {"schema": {"type": "integer"}, "description": "Seconds to wait."}


class StrictParser(FlaskParser):
    """JSON bodies must be JSON in fact and in name; unknown query keys are refused like unknown body keys."""

    _meanings: ClassVar[dict[tuple[ma.Schema, bytes, bool], dict[str, Any]]] = {}
    _have_lists: ClassVar[dict[ma.Schema, bool]] = {}

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE}  # noqa: RUF012

    def parse(self, argmap: Any, req: Any = None, *, location: str | None = None, **options: Any) -> Any:
        """Return what the request says, from memory where a common question has been asked before, on any page."""
        asked = flask.request.query_string if location == "query" and getattr(argmap, "is_common", False) else None
        if asked is None or len(asked) > LONGEST_KEPT_QUERY:
            return super().parse(argmap, req, location=location, **options)
        # A cursor means itself, and what is asked beside it means the same with any other.
        found = _CURSOR.fullmatch(asked) if asked.count(b"ursor=") == 1 else None
        kept = (argmap, b"%b%b" % found.group(1, 3) if found else asked, found is not None)
        meaning = self._meanings.get(kept)
        if meaning is None:
            meaning = super().parse(argmap, req, location=location, **options)
            if len(self._meanings) >= MAX_MEANINGS:
                self._meanings.clear()
            self._meanings[kept] = meaning
        return {**meaning, "cursor": found[2].decode()} if found else dict(meaning)

    def load_querystring(self, req: flask.Request, schema: ma.Schema) -> Any:
        """Return the query as a plain dict where no argument may come twice.

        webargs' own raises and catches an exception for each argument that is not there.
        """
        has_lists = self._have_lists.get(schema)
        if has_lists is None:
            has_lists = self._have_lists[schema] = any(isinstance(one, fields.List) for one in schema.fields.values())
        return super().load_querystring(req, schema) if has_lists else req.args.to_dict()

    def _raw_load_json(self, req: flask.Request) -> Any:
        body = req.get_data(cache=True)
        if not req.is_json:
            flask.abort(415)
        if not body:
            flask.abort(400)
        return orjson.loads(body)

    def _handle_invalid_json_error(self, error: Any, req: flask.Request, *args: Any, **kwargs: Any) -> NoReturn:
        flask.abort(400)


class Blueprint(SmorestBlueprint):
    """A blueprint whose operations declare every error that the house can answer for them."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A private list of flask-smorest's; tests/contracts hold that it still works.
        self._prepare_doc_cbks.append(self._declare_errors)

    def arguments(self, schema: Any, **options: Any) -> Any:
        """Take a schema as flask-smorest does, but build it once: webargs would copy every field of a class anew."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)

    @staticmethod
    def refuses(*refusals: type[AppError]) -> Callable[[View], View]:
        """Declare the refusals of ours that an operation may answer, each an example under its status."""

        def declare(function: View) -> View:
            function.__dict__.setdefault("_apidoc", {})["refuses"] = refusals
            return function

        return declare

    @staticmethod
    def _declare_errors(doc: dict[str, Any], info: dict[str, Any], **_: Any) -> dict[str, Any]:
        guard = info.get("guard", "public")
        codes = {404, 429, 500, 503}
        codes |= set() if guard in {"public", "signed"} else {401, 403}
        codes |= {422} if "parameters" in doc else set()
        codes |= {400, 413, 415, 422} if "requestBody" in doc else set()
        words = {status: {http.MESSAGES[status][0]: http.MESSAGES[status][1]} for status in codes}
        for refusal in info.get("refuses", ()):
            words.setdefault(refusal.status, {})[refusal.code] = refusal.message
        responses = doc.setdefault("responses", {})
        for status in sorted(words):
            examples = {code: {"value": http.error_example(code, text)} for code, text in words[status].items()}
            # Over what webargs declared by itself, which names neither our codes nor our shape.
            responses[status] = {
                "description": " · ".join(words[status].values()),
                "content": {"application/json": {"schema": ErrorAnswer, "examples": examples}},
                **({"headers": {"Retry-After": _RETRY_AFTER}} if status == 429 else {}),
            }
        doc["security"] = info.get("security", [])
        return doc


class HouseApi(Api):
    """flask-smorest's registry with our error shape, whose document is drawn when it is first asked for.

    Hardly any process is ever asked for it, and its parts would be some megabytes in each.
    """

    ERROR_SCHEMA = ErrorAnswer
    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: flask.Flask) -> None:
        self._undrawn: list[SmorestBlueprint] = []
        self._drawing = threading.RLock()
        super().__init__(app)

    def register_blueprint(self, blp: SmorestBlueprint, **options: Any) -> None:
        """Serve a blueprint's views; they are described as soon as somebody asks for the document."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp, **options)
        self._undrawn.append(blp)

    @property
    def spec(self) -> APISpec:
        """The document, with every blueprint that was registered until now."""
        with self._drawing:
            while self._undrawn:
                blueprint = self._undrawn.pop(0)
                blueprint.register_views_in_doc(self, self._app, self._spec, name=blueprint.name, parameters=None)
                self._spec.tag({"name": blueprint.name, "description": blueprint.description})
        return self._spec

    @spec.setter
    def spec(self, spec: APISpec) -> None:
        self._spec = spec

    def handle_http_exception(self, error: HTTPException) -> flask.Response:
        """Answer as `config.http` does: the stock handler drops `Allow` and `Retry-After`."""
        return http.http_error(error)

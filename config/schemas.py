"""The fields, pages and blueprint that every JSON face builds on, strict where the stock ones are lax.

Invariant: what the OpenAPI document says is what happens: JSON types mean what JSON Schema means by them, unknown
keys are refused, and every operation declares the errors that it can answer.
"""

import re
import threading
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any, ClassVar, NamedTuple, NoReturn, TypeVar

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
        self._low, self._high = low, high
        # All but the length.
        self._others = self.validators[1:]
        self._is_plain = not self.pre_load and not self.post_load

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Return the text: at once where nothing is wrong with it, else as marshmallow does, which says what is."""
        is_right = self._is_plain and type(value) is str and self._low <= len(value) <= self._high
        if is_right and not self._CONTROL.search(value):
            try:
                for validator in self._others:
                    validator(value)
            except ma.ValidationError:
                return super().deserialize(value, attr, data, **kwargs)
            return value
        return super().deserialize(value, attr, data, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if self._CONTROL.search(text):
            raise self.make_error("control")
        return text


class Int(fields.Integer):
    """What JSON Schema calls an integer: 3 and 3.0, but neither "3" nor true. Query strings arrive as digits."""

    def __init__(self, *, low: int = -MAX_INT, high: int = MAX_INT, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=low, max=high), **kwargs)
        self._low, self._high = low, high
        self._is_plain = not self.pre_load and not self.post_load

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Return the number: at once where nothing is wrong with it, else as marshmallow does, which says what is."""
        if self._is_plain and type(value) is int and self._low <= value <= self._high:
            return value
        return super().deserialize(value, attr, data, **kwargs)

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


class _Plan(NamedTuple):
    """How a schema reads an object straight: which fields stand under which keys, and where their values go."""

    # The schema's own, by which a plan is known to be of these very fields.
    of: dict[str, fields.Field[Any]]
    steps: tuple[tuple[str, str, fields.Field[Any]], ...]
    keys: frozenset[str]


class Schema(ma.Schema):
    """A body or an answer; unknown keys in a body are refused.

    Nearly all of what comes is right, and is read by the fields themselves in one pass. As soon as anything is wrong
    or unusual, marshmallow reads it from the beginning and says everything that is wrong with it.
    """

    # Whether everybody asks in the same words, so that what a query string means is worth keeping. For public
    # questions whose meaning is the same for all and for ever.
    is_common: ClassVar[bool] = False

    class Meta:
        """Refuse what nobody asked for."""

        unknown = ma.RAISE
        ordered = True

    _plan: _Plan | None = None

    def __deepcopy__(self, _: Any) -> "Schema":
        """Return the schema itself, which nobody changes: flask-smorest copies what it knows of a view many times."""
        return self

    def check(self, given: dict[str, Any]) -> None:
        """Refuse what no field can see by itself. Asked once all fields are right; raises `ValidationError`."""

    @ma.validates_schema
    def _check(self, given: dict[str, Any], **_: Any) -> None:
        self.check(given)

    def load(self, data: Any, *, many: bool | None = None, partial: Any = None, unknown: Any = None) -> Any:
        """Return what `data` says. Raises `ValidationError` with everything that is wrong."""
        if type(data) is dict and many is None and partial is None:
            found = self._read(data, self.unknown if unknown is None else unknown)
            if found is not None:
                return found
            # Which means the same, and lets what is nested go marshmallow's way at once, too: else a fault in the
            # depth would be looked for twice at each level above it.
            partial = self.partial or False
        return super().load(data, many=many, partial=partial, unknown=unknown)

    def _read(self, data: dict[str, Any], unknown: str) -> dict[str, Any] | None:
        """Return what `load` would, or None where that is for marshmallow to say."""
        plan = self._plan
        if plan is None or plan.of is not self.load_fields:
            plan = self._plan = self._planned()
        if not plan.steps or not (unknown == ma.EXCLUDE or (unknown == ma.RAISE and plan.keys.issuperset(data))):
            return None
        found: dict[str, Any] = {}
        try:
            for key, name, field in plan.steps:
                value = data.get(key, ma.missing)
                if value is not ma.missing or field.required:
                    value = field.deserialize(value, key, data)
                elif callable(value := field.load_default):
                    value = value()
                if value is not ma.missing:
                    found[name] = value
            self.check(found)
        except ma.ValidationError:
            return None
        return found

    def _planned(self) -> _Plan:
        """Return the plan of the present fields, without a step where marshmallow has more to do than to ask them."""
        steps = tuple(
            (name if field.data_key is None else field.data_key, field.attribute or name, field)
            for name, field in self.load_fields.items()
        )
        # A private table of marshmallow's; tests/config/test_schemas.py holds that it still says what we read in it.
        hooks = {name for named in self._hooks.values() for name, *_ in named}
        has_more = self.many or self.partial or hooks != {"_check"} or any("." in name for _, name, _ in steps)
        return _Plan(self.load_fields, () if has_more else steps, frozenset(key for key, *_ in steps))


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

    def read(self, schema: ma.Schema, *, location: str = "json", unknown: str | None = None) -> Any:
        """Return what the request at hand says in one place, from memory where a common question came before.

        What nobody asked for is treated as everywhere in that place, unless `unknown` says otherwise.
        """
        unknown = unknown or self.DEFAULT_UNKNOWN_BY_LOCATION[location]
        asked = flask.request.query_string if location == "query" and getattr(schema, "is_common", False) else None
        if asked is None or len(asked) > LONGEST_KEPT_QUERY:
            return self._read(schema, location, unknown)
        # A cursor means itself, and what is asked beside it means the same with any other.
        found = _CURSOR.fullmatch(asked) if asked.count(b"ursor=") == 1 else None
        kept = (schema, b"%b%b" % found.group(1, 3) if found else asked, found is not None)
        meaning = self._meanings.get(kept)
        if meaning is None:
            meaning = self._read(schema, location, unknown)
            if len(self._meanings) >= MAX_MEANINGS:
                self._meanings.clear()
            self._meanings[kept] = meaning
        return {**meaning, "cursor": found[2].decode()} if found else dict(meaning)

    def _read(self, schema: ma.Schema, location: str, unknown: Any) -> Any:
        """Do what webargs' `parse` does for a schema and no options, in one step instead of a dozen."""
        request = http.asked()
        load = getattr(self, str(self.__location_map__[location]))
        try:
            return schema.load(load(request, schema), unknown=unknown)
        except ma.ValidationError as error:
            self._on_validation_error(error, request, schema, location, error_status_code=None, error_headers=None)

    def load_querystring(self, req: flask.Request, schema: ma.Schema) -> Any:
        """Return the query as a plain dict where no argument may come twice.

        webargs' own raises and catches an exception for each argument that is not there.
        """
        return super().load_querystring(req, schema) if self._has_lists(schema) else req.args.to_dict()

    def load_headers(self, req: flask.Request, schema: ma.Schema) -> Any:
        """Return the headers that are asked for as a plain dict where none may come twice; others are nobody's."""
        if self._has_lists(schema):
            return super().load_headers(req, schema)
        names = (name if one.data_key is None else one.data_key for name, one in schema.fields.items())
        return {name: value for name in names if (value := req.headers.get(name)) is not None}

    def _has_lists(self, schema: ma.Schema) -> bool:
        has_lists = self._have_lists.get(schema)
        if has_lists is None:
            has_lists = self._have_lists[schema] = any(isinstance(one, fields.List) for one in schema.fields.values())
        return has_lists

    def _raw_load_json(self, req: flask.Request) -> Any:
        body = req.get_data(cache=True)
        if not req.is_json:
            flask.abort(415)
        if not body:
            flask.abort(400)
        return orjson.loads(body)

    def _handle_invalid_json_error(self, error: Any, req: flask.Request, *args: Any, **kwargs: Any) -> NoReturn:
        flask.abort(400)


def _described(view: View, describe: Callable[[View], Any]) -> View:
    """Return `view` itself with what a decorator of flask-smorest's says of it."""
    view.__dict__["_apidoc"] = describe(view).__dict__["_apidoc"]
    return view


@cache
def _one(schema: type[ma.Schema]) -> ma.Schema:
    return schema()


def _built(schema: Any) -> Any:
    """Return the one instance of a schema's class, and whatever is no class as it is."""
    return _one(schema) if isinstance(schema, type) else schema


class Blueprint(SmorestBlueprint):
    """A blueprint whose operations declare every error that the house can answer for them."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A private list of flask-smorest's; tests/contracts hold that it still works.
        self._prepare_doc_cbks.append(self._declare_errors)

    def arguments(self, schema: Any, **options: Any) -> Callable[[View], Any]:
        """Take and describe a schema as flask-smorest does, but build it once and read it in one step.

        webargs would copy every field of a class anew, and put three functions around the view instead of one.
        """
        built = _built(schema)
        describe = super().arguments(built, **options)
        told = {name: options[name] for name in options.keys() & {"location", "unknown"}}
        read = partial(self.ARGUMENTS_PARSER.read, built, **told)

        def take(view: View) -> Any:
            @wraps(view)
            def taking(*args: Any, **kwargs: Any) -> Any:
                return view(*args, read(), **kwargs)

            return _described(taking, describe)

        return take

    def alt_response(self, *args: Any, schema: Any = None, **described: Any) -> Callable[[View], View]:
        """Describe an answer as flask-smorest does, without a function around the view that would only call it."""
        describe = super().alt_response(*args, schema=_built(schema), **described)
        return lambda view: _described(view, describe)

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

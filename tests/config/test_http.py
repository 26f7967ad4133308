"""Every answer has the one error shape, a request id and the security headers."""

from collections.abc import Iterator

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from marshmallow import fields

from config import database, errors, http, schemas
from config.settings import Settings


class Broken(errors.Conflict):
    code = "tests.broken"
    message = "坏了"


class Body(schemas.Schema):
    count = schemas.Int(required=True, low=1, high=9)
    word = schemas.Text(high=5, load_default="")


class Query(schemas.PageArgs):
    kind = fields.String(load_default=None)


def make_app(settings: Settings) -> Flask:
    app = Flask("tests")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    http.install(app, trusted_proxies=settings.trusted_proxies)
    api = schemas.HouseApi(app)
    blueprint = schemas.Blueprint("things", "things")

    @blueprint.post("/things")
    @blueprint.arguments(Body)
    def make(body: dict[str, object]) -> dict[str, object]:
        return body

    @blueprint.get("/things")
    @blueprint.arguments(Query, location="query")
    def listing(query: dict[str, object]) -> dict[str, object]:
        return {"limit": query["limit"]}

    @blueprint.get("/things/<name>")
    def find(name: str) -> dict[str, object]:
        raise AssertionError(name)

    @blueprint.get("/broken")
    def broken() -> None:
        raise Broken(left=3, retry_after=7)

    @blueprint.get("/bug")
    def bug() -> None:
        raise ZeroDivisionError

    @blueprint.get("/database")
    def query_database() -> str:
        database.statement("SELECT 1")
        return ""

    api.register_blueprint(blueprint)
    return app


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    with make_app(settings).test_client() as client:
        yield client


def code_of(response: object) -> str:
    body = response.get_json()  # type: ignore[attr-defined]
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details", "request_id"}
    assert body["error"]["request_id"] == response.headers["X-Request-ID"]  # type: ignore[attr-defined]
    return str(body["error"]["code"])


def test_a_refusal_of_ours_carries_its_code_details_and_retry_after(client: FlaskClient) -> None:
    response = client.get("/broken")
    assert (response.status_code, code_of(response)) == (409, "tests.broken")
    assert response.get_json()["error"]["details"] == {"left": 3}
    assert response.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "request.malformed"),
        ("", "application/json", 400, "request.malformed"),
        ('{"count": NaN}', "application/json", 400, "request.malformed"),
        ('{"count": 1, "word": "\\ud800"}', "application/json", 400, "request.malformed"),
        ("[" * 100_000, "application/json", 400, "request.malformed"),
        ('{"count": 1}', "text/plain", 415, "request.unsupported_media_type"),
        ("count=1", "application/x-www-form-urlencoded", 415, "request.unsupported_media_type"),
        ('{"count": 1, "more": 1}', "application/json", 422, "request.invalid"),
        ('{"count": "1"}', "application/json", 422, "request.invalid"),
        ('{"count": true}', "application/json", 422, "request.invalid"),
        ('{"count": 0}', "application/json", 422, "request.invalid"),
        ('{"count": 1.5}', "application/json", 422, "request.invalid"),
        ('{"count": 1, "word": "a\\u0000"}', "application/json", 422, "request.invalid"),
        ("[]", "application/json", 422, "request.invalid"),
        ("x" * (http.MAX_BODY_BYTES + 1), "application/json", 413, "request.too_large"),
    ],
)
def test_bad_bodies_get_the_one_shape(
    client: FlaskClient, body: str, content_type: str, status: int, code: str
) -> None:
    response = client.post("/things", data=body, content_type=content_type)
    assert (response.status_code, code_of(response)) == (status, code)


def test_a_whole_number_written_as_a_decimal_is_an_integer(client: FlaskClient) -> None:
    assert client.post("/things", json={"count": 3.0}).get_json()["count"] == 3


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=٣", "limit=1.0", "other=1"])
def test_bad_queries_are_refused(client: FlaskClient, query: str) -> None:
    response = client.get(f"/things?{query}")
    assert (response.status_code, code_of(response)) == (422, "request.invalid")


def test_a_query_in_digits_is_read(client: FlaskClient) -> None:
    assert client.get("/things?limit=7").get_json() == {"limit": 7}


def test_an_unknown_route_and_a_wrong_method_keep_the_shape_and_allow(client: FlaskClient) -> None:
    assert code_of(client.get("/nowhere")) == "request.not_found"
    response = client.delete("/things")
    assert code_of(response) == "request.method_not_allowed"
    assert {"GET", "POST"} <= {method.strip() for method in response.headers["Allow"].split(",")}


def test_a_path_that_no_name_of_ours_can_have_is_not_found(client: FlaskClient) -> None:
    answer = client.get("/things/a%00b")
    assert (answer.status_code, code_of(answer)) == (404, "request.not_found")


def test_a_bug_is_answered_with_500_and_says_nothing_of_itself(client: FlaskClient) -> None:
    response = client.get("/bug")
    assert (response.status_code, code_of(response)) == (500, "service.fault")
    assert b"Zero" not in response.data


def test_a_database_that_is_away_is_503_with_retry_after(client: FlaskClient) -> None:
    database.configure("postgresql://postgres@/hall?host=/nonexistent")
    response = client.get("/database")
    assert (response.status_code, code_of(response)) == (503, "service.unavailable")
    assert response.headers["Retry-After"] == "2"


def test_a_request_id_is_passed_on_when_it_is_sane_and_replaced_when_not(client: FlaskClient) -> None:
    assert client.get("/nowhere", headers={"X-Request-ID": "abcdefgh-1"}).headers["X-Request-ID"] == "abcdefgh-1"
    assert client.get("/nowhere", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] != "a b"


def test_every_answer_carries_the_security_headers(client: FlaskClient) -> None:
    headers = client.get("/things").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin", "H5 pay needs a Referer of ours"


def test_a_ready_answer_is_framed_as_any_other(settings: Settings) -> None:
    app = http.App("tests", static_folder=None)
    http.install(app, trusted_proxies=settings.trusted_proxies)
    app.add_url_rule("/bytes", view_func=lambda: http.json_bytes(b"[1]"), endpoint="bytes")
    app.add_url_rule("/none", view_func=lambda: http.Ready(status=204), endpoint="none")
    app.add_url_rule("/folder/", view_func=lambda: http.json_bytes(b"[]"), endpoint="folder")

    @app.get("/same")
    def same() -> http.Ready:
        answer = http.Ready(b"[1]", mimetype="application/json")
        answer.set_etag("x")
        return answer.make_conditional(request)

    client = app.test_client()
    got = client.get("/bytes")
    assert (got.data, got.headers["Content-Length"], got.headers["X-Frame-Options"]) == (b"[1]", "3", "DENY")
    head = client.head("/bytes")
    assert (head.data, head.headers["Content-Length"]) == (b"", "3")
    assert "Content-Length" not in client.get("/none").headers
    kept = client.get("/same", headers={"If-None-Match": '"x"'})
    assert (kept.status_code, kept.data, "Content-Length" in kept.headers) == (304, b"", False)
    # Addresses are made good as werkzeug does it: a missing slash at the end, a doubled one within.
    assert client.get("/folder?a=%E6%A2%A8").headers["Location"] == "http://localhost/folder/?a=%E6%A2%A8"
    assert client.get("/%66older//").status_code == 308


def test_a_common_question_is_read_once_and_a_wrong_one_refused_each_time(settings: Settings) -> None:
    read = []

    class Common(schemas.PageArgs):
        is_common = True
        kind = fields.String(load_default=None, validate=read.append)

    app = Flask("tests")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    http.install(app, trusted_proxies=settings.trusted_proxies)
    blueprint = schemas.Blueprint("things", "things")

    @blueprint.get("/things")
    @blueprint.arguments(Common, location="query")
    def listing(query: dict[str, object]) -> dict[str, object]:
        answer = dict(query)
        query.clear()
        return answer

    schemas.HouseApi(app).register_blueprint(blueprint)
    client = app.test_client()
    answers = [client.get("/things?kind=a&limit=3").get_json() for _ in range(2)]
    assert answers == [{"kind": "a", "limit": 3, "cursor": None}] * 2
    assert read == ["a"]
    assert client.get("/things?kind=b").get_json()["kind"] == "b"
    assert [client.get("/things?limit=0").status_code for _ in range(2)] == [422, 422]
    long = "b" * schemas.LONGEST_KEPT_QUERY
    assert [client.get(f"/things?kind={long}").get_json()["kind"] for _ in range(2)] == [long] * 2
    assert read == ["a", "b", long, long]
    # The next pages of the same question are the same question.
    pages = [client.get(f"/things?kind=c{cursor}&limit=4").get_json() for cursor in ("", "&cursor=One", "&cursor=T-o_")]
    assert [page["cursor"] for page in pages] == [None, "One", "T-o_"]
    assert read[4:] == ["c", "c"]
    assert client.get("/things?cursor=One&kind=c&cursor=T-o_").get_json()["cursor"] == "One"
    assert client.get("/things?cursor=%E6%A2%A8&kind=d").get_json()["cursor"] == "梨"
    assert [client.get(f"/things?cursor={'x' * 301}&kind=e").status_code for _ in range(2)] == [422, 422]
    assert [client.get("/things?cursor=One&limit=0").status_code for _ in range(2)] == [422, 422]

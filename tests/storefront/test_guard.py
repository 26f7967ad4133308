"""Nobody reaches a view that its guard does not let them reach, by whatever they bring along."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from config import clock, database, http
from config.database import Question
from config.settings import Settings
from storefront import guard, sessions
from storefront.actors import ActorKind
from storefront.roles import Permission, Role
from storefront.staff_models import StaffAccount, StaffRole

SQUARE = "SELECT to_json(%(number)s::int * n) FROM generate_series(1, %(number)s) n"
OURS = {"Origin": "http://127.0.0.1:8000"}
FAR = {"REMOTE_ADDR": "203.0.113.9"}


def make_app(settings: Settings) -> Flask:
    app = Flask("tests")
    http.install(app, trusted_proxies=settings.trusted_proxies)
    guard.install(app)

    @app.get("/open")
    @guard.public
    def read() -> dict[str, object]:
        return {"visitor": str(guard.visitor())}

    @app.post("/open")
    @guard.public
    def write() -> dict[str, object]:
        who = guard.caller()
        return {"who": who and who.kind}

    @app.route("/mine", methods=["GET", "POST"])
    @guard.shopper
    def mine() -> dict[str, object]:
        return {"shopper": guard.shopper_id(), "csrf": guard.csrf_token()}

    @app.post("/asking/<int:number>")
    @guard.shopper_asking(lambda number: Question(SQUARE, {"number": number}))
    def asking(number: int, *, answer: list[int]) -> dict[str, object]:
        return {"shopper": guard.shopper_id(), "number": number, "answer": answer}

    @app.post("/orders")
    @guard.staff(Permission.SHIP_ORDERS)
    def ship() -> dict[str, object]:
        return {"who": guard.actor().username}

    @app.get("/anyone-at-work")
    @guard.staff()
    def work() -> dict[str, object]:
        return {"who": guard.actor().username}

    @app.post("/told")
    @guard.signed
    def told() -> str:
        return ""

    return app


@pytest.fixture
def client(db: None, settings: Settings) -> Iterator[FlaskClient]:
    with make_app(settings).test_client() as client:
        yield client


@pytest.fixture
def token(guest: int) -> str:
    with database.transaction() as session:
        opened = sessions.open_for_shopper(session, shopper_id=guest, kind=ActorKind.GUEST, now=clock.now())
    return opened.token


def staff_token(role: Role) -> str:
    with database.transaction() as session:
        account = session.scalar(
            insert(StaffAccount)
            .values(username=role.value, password_hash="x", created_at=clock.now())
            .returning(StaffAccount.id)
        )
        session.execute(insert(StaffRole).values(staff_id=account, role=role))
        return sessions.open_for_staff(session, staff_id=account, now=clock.now()).token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def answered(response: object) -> tuple[int, str]:
    body = response.get_json()  # type: ignore[attr-defined]
    return response.status_code, body["error"]["code"] if "error" in body else ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer " + "x" * 43}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}]
)
def test_a_shoppers_view_needs_a_session(client: FlaskClient, headers: dict[str, str]) -> None:
    assert answered(client.get("/mine", headers=headers)) == (401, "session.required")


def test_a_bearer_token_needs_no_other_proof(client: FlaskClient, token: str, guest: int) -> None:
    assert client.post("/mine", headers=bearer(token)).get_json() == {"shopper": guest, "csrf": None}


def test_a_cookie_may_read_at_once_and_write_with_our_pages_token(client: FlaskClient, token: str, guest: int) -> None:
    client.set_cookie("hall_session", token)
    page = client.get("/mine").get_json()
    assert page["shopper"] == guest
    proof = {"X-CSRF-Token": page["csrf"]}
    assert answered(client.post("/mine")) == (403, "session.csrf_rejected")
    assert answered(client.post("/mine", headers=OURS)) == (403, "session.csrf_rejected")
    assert answered(client.post("/mine", headers=proof)) == (403, "session.csrf_rejected")
    assert answered(client.post("/mine", headers=proof | {"Origin": "https://evil.example"}))[0] == 403
    assert answered(client.post("/mine", headers=proof | OURS)) == (200, "")
    assert answered(client.post("/mine", data={"csrf_token": page["csrf"]}, headers=OURS)) == (200, "")


def test_a_session_that_was_left_opens_nothing(client: FlaskClient, token: str) -> None:
    with database.transaction() as session:
        sessions.leave(session, token=token, now=clock.now())
    assert answered(client.get("/mine", headers=bearer(token))) == (401, "session.required")


def test_shoppers_and_staff_do_not_pass_for_each_other(client: FlaskClient, token: str) -> None:
    assert answered(client.post("/orders", headers=bearer(token))) == (403, "staff.not_permitted")
    assert answered(client.get("/anyone-at-work", headers=bearer(token))) == (403, "staff.not_permitted")
    assert answered(client.get("/mine", headers=bearer(staff_token(Role.ADMIN)))) == (403, "staff.not_permitted")


def test_staff_need_the_permission_that_the_view_names(client: FlaskClient) -> None:
    packer, analyst = staff_token(Role.FULFILMENT), staff_token(Role.ANALYST)
    assert client.post("/orders", headers=bearer(packer)).get_json() == {"who": "fulfilment"}
    assert answered(client.post("/orders", headers=bearer(analyst))) == (403, "staff.not_permitted")
    assert client.get("/anyone-at-work", headers=bearer(analyst)).get_json() == {"who": "analyst"}


def test_a_view_may_ask_its_own_question_along_with_who_is_calling(
    client: FlaskClient, token: str, guest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    statement = database.statement
    monkeypatch.setattr(database, "statement", lambda *given: asked.append(given) or statement(*given))
    answer = client.post("/asking/3", headers=bearer(token)).get_json()
    assert answer == {"shopper": guest, "number": 3, "answer": [3, 6, 9]}
    assert len(asked) == 1
    assert client.post("/asking/0", headers=bearer(token)).get_json()["answer"] == []
    client.set_cookie("hall_session", token)
    page = client.get("/mine").get_json()
    assert answered(client.post("/asking/3")) == (403, "session.csrf_rejected")
    assert answered(client.post("/asking/3", headers=OURS | {"X-CSRF-Token": page["csrf"]})) == (200, "")


def test_whoever_may_not_call_hears_no_answer(client: FlaskClient, token: str) -> None:
    for headers in ({}, bearer("x" * 43), {"Authorization": "Basic eDp5"}):
        assert answered(client.post("/asking/3", headers=headers)) == (401, "session.required")
    assert answered(client.post("/asking/3", headers=bearer(staff_token(Role.ADMIN)))) == (403, "staff.not_permitted")
    with database.transaction() as session:
        sessions.leave(session, token=token, now=clock.now())
    assert answered(client.post("/asking/3", headers=bearer(token))) == (401, "session.required")


def test_a_public_view_knows_who_calls_and_serves_the_rest_too(client: FlaskClient, token: str) -> None:
    assert client.post("/open").get_json() == {"who": None}
    assert client.post("/open", headers=bearer("x" * 43)).get_json() == {"who": None}
    assert client.post("/open", headers=bearer(token)).get_json() == {"who": "guest"}
    client.set_cookie("hall_session", token)
    assert answered(client.post("/open")) == (403, "session.csrf_rejected")


@pytest.mark.parametrize("value", ["", "x", "1" * 400, "00000000-0000-1000-8000-000000000000"])
def test_a_visitor_is_a_random_uuid_or_nobody(client: FlaskClient, value: str) -> None:
    client.set_cookie("hall_visitor", value)
    assert client.get("/open").get_json() == {"visitor": "None"}
    known = uuid4()
    client.set_cookie("hall_visitor", str(known))
    assert client.get("/open").get_json() == {"visitor": str(known)}


def test_one_session_cannot_change_things_faster_than_a_person(
    client: FlaskClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "CHANGES_A_MINUTE", 3)
    answers = [client.post("/mine", headers=bearer(token)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert client.get("/mine", headers=bearer(token)).status_code == 200, "reading goes on"
    assert client.post("/open").status_code == 200, "and so does everybody else on the train"


def test_an_address_is_stopped_only_when_it_floods_and_never_when_it_signs(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storefront.limits.FLOOD_LIMIT", 2)
    answers = [client.get("/open", environ_base=FAR).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert client.post("/told", environ_base=FAR).status_code == 200
    assert client.get("/open").status_code == 200, "the loopback address is a desk or an undeclared proxy"


def test_an_app_with_a_naked_view_is_named(settings: Settings) -> None:
    app = make_app(settings)
    app.add_url_rule("/naked", "naked", lambda: "")
    assert guard.unguarded(app) == ["naked"]

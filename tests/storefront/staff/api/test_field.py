"""The crew's work by JSON: a photo confirms what was done, once for its key; the office closes its alert."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from flask import Flask

from storefront.roles import Role
from tests.storefront.api.conftest import code_of
from tests.storefront.staff.api.test_suppliers import sent
from tests.storefront.staff.conftest import Clerk
from tests.storefront.staff.test_field_desk import PLACE, photo


def scan(clerk: Clerk, body: bytes = b"", **fields: str) -> Any:
    return sent(clerk, f"/field/scans?{urlencode({'key': str(uuid4()), **fields})}", data=body)


def test_an_inspection_opens_an_alert_that_the_office_takes_and_closes(
    app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]
) -> None:
    office, crew, code = clerk(Role.CAMPAIGN, "li"), clerk(Role.CREW), codes[PLACE]
    under = PLACE.rpartition(".")[0]
    due = crew.get(f"/field/round?under={under}").get_json()["items"]
    assert [(one["code"], one["why"]) for one in due if one["code"] == code] == [(code, "never")]
    assert code_of(crew.get("/field/round?under=../x"))[0] == 422
    unread = scan(crew, photo(), act="inspected")
    assert code_of(unread) == (422, "staff.code_unreadable")
    picture = unread.get_json()["error"]["details"]["picture"]
    key = str(uuid4())
    told = {"act": "inspected", "code": code.lower(), "picture": picture, "finding": "covered", "key": key}
    kept = scan(crew, **told)
    assert kept.status_code == 201
    assert (kept.get_json()["code"], kept.get_json()["finding"]) == (code, "covered")
    assert scan(crew, **told).get_json() == kept.get_json(), "the same key is the same scan"
    assert code_of(scan(crew, b"GIF89a", act="inspected", code=code)) == (422, "picture.refused")
    for wrong in ({"act": "burnt"}, {"act": "inspected", "key": "1"}, {"act": "inspected", "finding": "gone"}):
        assert code_of(scan(crew, photo(), **wrong))[0] == 422
    number = kept.get_json()["number"]
    assert crew.get("/field/scans").get_json()["items"][0]["number"] == number
    assert crew.get(f"/field/scans/{number}").get_json()["crew"] == crew.actor.username
    assert crew.get(f"/field/scans/{number}/photo").mimetype == "image/webp"
    assert code_of(crew.get("/field/scans/CS0")) == (404, "campaign.unknown_scan")

    [alert] = office.get("/alerts?kind=inspection").get_json()["items"]
    path = f"/alerts/{alert['number']}"
    assert (alert["subject"], alert["placement"]) == (code, PLACE)
    assert [one["number"] for one in office.get(path).get_json()["scans"]] == [number]
    assert office.post(f"{path}/owner").get_json()["owner"] == "li"
    end = {"resolution": "fixed", "note": "撕掉了贴纸"}
    for wrong in ({"note": "x"}, {"resolution": "gone"}):
        assert code_of(office.post(f"{path}/end", end | wrong))[0] == 422
    assert office.post(f"{path}/end", end).get_json()["closed_by"] == "li"
    assert code_of(office.post(f"{path}/end", end)) == (409, "campaign.alert_closed")
    assert code_of(office.get("/alerts/AL0")) == (404, "campaign.unknown_alert")
    assert office.get("/alerts").get_json() == {"items": [], "next_cursor": None}
    [closed] = office.get("/alerts?state=closed").get_json()["items"]
    assert closed["note"] == "撕掉了贴纸"


def test_an_artwork_has_products_and_a_picture(app: Flask, codes: dict[str, str], clerk: Callable[..., Clerk]) -> None:
    office = clerk(Role.CAMPAIGN)
    wanted = {"number": "SPRING-1", "campaign": "XFFP2020", "name": "春茶", "products": ["dangshansuli"]}
    assert code_of(office.post("/creatives", wanted | {"products": ["nothing"]}))[0] == 422
    assert code_of(office.post("/creatives", wanted | {"campaign": "nothing"}))[0] == 404
    assert code_of(office.post("/creatives", wanted | {"number": "!"}))[0] == 422
    made = office.post("/creatives", wanted)
    assert (made.status_code, made.get_json()["picture"]) == (201, None)
    assert code_of(office.post("/creatives", wanted))[0] == 409
    assert code_of(office.get("/creatives/SPRING-1/picture")) == (404, "picture.unknown")
    headers = {"Authorization": f"Bearer {office.token}", "Content-Type": "application/octet-stream"}
    at = "/api/staff/v1/creatives"
    given = office.client.put(f"{at}/SPRING-1/picture", data=photo(), headers=headers).get_json()
    assert given["picture"]
    assert office.client.put(f"{at}/NONE/picture", data=photo(), headers=headers).status_code == 404
    assert office.client.put(f"{at}/SPRING-1/picture", data=b"x", headers=headers).status_code == 422
    assert office.get("/creatives/SPRING-1/picture").mimetype == "image/webp"
    change = {"name": "夏茶", "products": [], "valid_from": "2026-11-02T00:00:00+08:00"}
    changed = office.call("PUT", "/creatives/SPRING-1", change).get_json()
    assert (changed["name"], changed["products"], changed["picture"]) == ("夏茶", [], given["picture"])
    assert code_of(office.call("PUT", "/creatives/SPRING-1", change | {"valid_until": change["valid_from"]}))[0] == 422
    assert "SPRING-1" in [each["number"] for each in office.get("/creatives").get_json()["items"]]
    assert office.get("/creatives/SPRING-1").get_json() == changed

"""Photos of claims: seen by their shopper and the deciding staff, so many, and forgotten when their time is over."""

# ruff: noqa: F811 - fixtures that are imported

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from config import clock, database, pictures, storage
from storefront import claim_errors, claim_photos, claims, purging
from storefront.actors import WeChatIdentity
from storefront.roles import Role
from tests.payments.conftest import Wechat, emulator, inbox, wechat, writer  # noqa: F401 - fixtures
from tests.storefront.api.conftest import Caller, code_of, log_in, stranger  # noqa: F401 - fixture
from tests.storefront.api.test_aftersales import SKU, file
from tests.storefront.staff.conftest import Clerk, clerk  # noqa: F401 - fixture

DAY = timedelta(days=1)


def photo(colour: str = "white") -> bytes:
    """A small photo that says where it was taken."""
    out, told = io.BytesIO(), Image.Exif()
    told[0x010F] = "Geheim"
    Image.new("RGB", (64, 48), colour).save(out, "JPEG", exif=told)
    return out.getvalue()


@pytest.fixture
def payer(app: Flask, seeded: None, wechat: Wechat) -> Caller:
    return log_in(app, WeChatIdentity(appid=wechat.settings.wechat_miniprogram_appid, openid=wechat.openid("小明")))


@pytest.fixture
def order(payer: Caller, wechat: Wechat, drain: Callable[[], int]) -> str:
    """An order of two boxes that was paid."""
    number = str(payer.place({SKU: 2}).get_json()["number"])
    wechat.pay(payer.post(f"/orders/{number}/payments", {"channel": "miniprogram"}).get_json()["payment"]["number"])
    drain()
    return number


def send(caller: Caller, order: str, upload: bytes) -> Any:
    return caller.post(f"/orders/{order}/aftersales/photos", data=upload, content_type="application/octet-stream")


def kept(payer: Caller, order: str, count: int) -> list[str]:
    """So many photos that no claim shows, without drawing each."""
    with database.transaction() as session:
        order_id = claim_photos.orders.find(session, shopper_id=payer.shopper_id, number=order).id
    numbers = [f"PIC{place:016X}" for place in range(count)]
    for number in numbers:
        database.statement(
            "INSERT INTO pictures (number, is_public, width, height, files, taken_in_at, kept_until)"
            " VALUES (%s, false, 64, 48, '{}', now(), now() + interval '1 day')",
            (number,),
        )
        database.statement(
            "INSERT INTO claim_photos (picture, order_id, added_at) VALUES (%s, %s, now())", (number, order_id)
        )
    return numbers


def rows() -> list[tuple[Any, ...]]:
    return database.statement("SELECT picture, claim_id IS NOT NULL FROM claim_photos ORDER BY id")


def test_a_photo_is_seen_by_its_shopper_and_by_staff_who_may_decide(
    app: Flask,
    payer: Caller,
    stranger: Caller,
    order: str,
    clerk: Callable[..., Clerk],
) -> None:
    sent = send(payer, order, photo())
    assert sent.status_code == 201
    number = sent.get_json()["number"]
    form = {"file": (io.BytesIO(photo("red")), "photo.jpg")}
    second = payer.post(f"/orders/{order}/aftersales/photos", data=form, content_type="multipart/form-data").get_json()
    claim = file(payer, order, photos=[number]).get_json()
    assert claim["photos"] == [number]
    assert file(payer, order, photos=[number]).status_code == 200
    assert code_of(file(payer, order)) == (409, "idempotency.mismatch")
    path = f"/orders/{order}/aftersales"
    for _ in range(2):
        more = payer.post(f"{path}/{claim['number']}/photos", {"photos": [second["number"]]})
        assert more.get_json()["photos"] == [number, second["number"]]
    seen = payer.get(f"{path}/photos/{number}?size=320")
    assert (seen.mimetype, seen.headers["Cache-Control"]) == ("image/jpeg", "private, max-age=3600")
    assert b"Geheim" not in seen.data
    assert not Image.open(io.BytesIO(seen.data)).getexif()
    assert code_of(payer.get(f"{path}/photos/{number}?size=7"))[0] == 422

    assert code_of(stranger.get(f"{path}/photos/{number}")) == (404, "aftersales.photo_unknown")
    assert code_of(send(stranger, order, photo())) == (404, "order.not_found")
    mine = f"{path}/{claim['number']}/photos"
    assert code_of(stranger.post(mine, {"photos": [number]})) == (404, "order.not_found")
    assert app.test_client().get(f"/api/v1{path}/photos/{number}").status_code == 401
    assert app.test_client().get(f"/files/public/{number}/1600.jpg").status_code == 404

    at = f"/aftersales/{claim['number']}"
    county = clerk(Role.ADMIN)
    assert county.get(at).get_json()["photos"] == [number, second["number"]]
    assert county.get(f"{at}/photos/{number}").mimetype == "image/jpeg"
    assert f"/staff{at}/photos/{number}?small" in county.open(at).get_data(as_text=True)
    assert county.open(f"{at}/photos/{number}?small").mimetype == "image/jpeg"
    assert code_of(county.get(f"{at}/photos/PIC0000000000000000")) == (404, "aftersales.photo_unknown")
    elsewhere = clerk(Role.ADMIN, username="elsewhere", area="3401")
    assert code_of(elsewhere.get(f"{at}/photos/{number}")) == (404, "aftersales.not_found")
    assert elsewhere.open(f"{at}/photos/{number}").status_code == 404


def test_what_is_no_photo_or_belongs_elsewhere_is_refused(payer: Caller, order: str) -> None:
    assert code_of(send(payer, order, b"<svg/>")) == (422, "picture.refused")
    assert code_of(send(payer, order, b"")) == (422, "picture.refused")
    assert code_of(send(payer, "2611210000000000", photo())) == (404, "order.not_found")
    unpaid = str(payer.place({SKU: 1}, key="key-00000002").get_json()["number"])
    assert code_of(send(payer, unpaid, photo())) == (409, "order.not_paid")
    assert code_of(file(payer, order, photos=["PIC0123456789ABCDEF"])) == (404, "aftersales.photo_unknown")
    [number] = kept(payer, order, 1)
    one = [{"line": 1, "quantity": 1}]
    first = file(payer, order, lines=one, photos=[number])
    assert first.status_code == 201
    assert code_of(file(payer, order, key="claim-000002", lines=one, photos=[number])) == (
        404,
        "aftersales.photo_unknown",
    )
    assert len(payer.get(f"/orders/{order}/aftersales").get_json()["items"]) == 1, "nothing of it was filed"
    claim = first.get_json()["number"]
    payer.post(f"/orders/{order}/aftersales/{claim}/withdrawal")
    late = payer.post(f"/orders/{order}/aftersales/{claim}/photos", {"photos": [number]})
    assert code_of(late) == (409, "aftersales.moved")


def test_a_claim_shows_six_and_a_person_sends_thirty_a_day(payer: Caller, order: str) -> None:
    numbers = kept(payer, order, claim_photos.MOST_A_DAY)
    refused = send(payer, order, photo())
    assert code_of(refused) == (429, "aftersales.photo_quota")
    assert refused.headers["Retry-After"]
    assert code_of(file(payer, order, photos=numbers[:7]))[0] == 422
    claim = file(payer, order, photos=numbers[:5]).get_json()["number"]
    path = f"/orders/{order}/aftersales/{claim}/photos"
    assert code_of(payer.post(path, {"photos": numbers[5:7]})) == (409, "aftersales.photos_too_many")
    assert len(payer.post(path, {"photos": numbers[4:6]}).get_json()["photos"]) == 6
    assert code_of(payer.post(path, {"photos": []}))[0] == 422


class TestTwoAtOnce:
    """Two uploads at once, when one more is allowed today."""

    def race(self, payer: Caller, order: str, monkeypatch: pytest.MonkeyPatch) -> int:
        kept(payer, order, claim_photos.MOST_A_DAY - 1)
        drawn = Barrier(2)

        def draw(upload: bytes, *, is_public: bool, now: Any) -> pictures.PictureView:
            drawn.wait(10)
            return pictures.PictureView(number=upload.decode(), is_public=is_public, width=64, height=48, files={})

        monkeypatch.setattr(claim_photos.pictures, "take_in", draw)

        def one(name: str) -> bool:
            try:
                claim_photos.take_in(shopper_id=payer.shopper_id, order=order, upload=name.encode(), now=clock.now())
            except claim_errors.PhotosTooManyToday:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(one, ("PICA", "PICB")))

    def test_without_the_lock_both_are_kept(self, payer: Caller, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The guard off: both have counted before either has written, every time."""
        counted, room, calls = Barrier(2), claim_photos._require_room, []

        def count_together(*told: Any) -> int:
            found = room(*told)
            calls.append(None)
            if len(calls) > 2:
                counted.wait(10)
            return found

        monkeypatch.setattr(claim_photos, "_require_room", count_together)
        monkeypatch.setattr(claim_photos, "_LOCK", claim_photos.text("SELECT 1 FROM shoppers WHERE id = :id"))
        assert self.race(payer, order, monkeypatch) == 2

    def test_only_one_is_kept(self, payer: Caller, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.race(payer, order, monkeypatch) == 1


def test_what_no_claim_shows_goes_after_a_day_and_the_rest_half_a_year_after_its_end(payer: Caller, order: str) -> None:
    now = clock.now()
    used, unused = (send(payer, order, photo(colour)).get_json()["number"] for colour in ("white", "red"))
    [(name,)] = database.statement("SELECT files ->> '320.jpg' FROM pictures WHERE number = %s", (used,))
    claim = file(payer, order, photos=[used]).get_json()["number"]
    purging.purge(now=now + DAY / 2)
    assert rows() == [(used, True), (unused, False)]
    purging.purge(now=now + 2 * DAY)
    assert rows() == [(used, True)]
    assert not database.statement("SELECT 1 FROM pictures WHERE number = %s", (unused,))
    with database.transaction() as session:
        claims.withdraw(session, shopper_id=payer.shopper_id, number=claim, now=now)
    purging.purge(now=now + claim_photos.LIVE - DAY)
    assert rows() == [(used, True)]
    assert storage.get(name)
    purging.purge(now=now + claim_photos.LIVE + DAY)
    assert rows() == []
    with pytest.raises(storage.FileMissing):
        storage.get(name)

"""Pictures as rows: taken in, claimed, shown, forgotten with their files."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from config import database, pictures, storage
from config.settings import Settings

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)


def upload(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return out.getvalue()


def files(settings: Settings) -> list[Path]:
    return [path for path in settings.storage_dir.rglob("*") if path.is_file()]


def test_a_picture_is_kept_as_long_as_it_is_claimed(db: None, settings: Settings) -> None:
    kept, lost = (pictures.take_in(upload(), is_public=public, now=NOW) for public in (True, False))
    assert (kept.width, kept.height, set(kept.files)) == (
        64,
        48,
        {f"{size}.{kind}" for size in (1600, 800, 320) for kind in ("avif", "webp", "jpg")},
    )
    with database.transaction() as session:
        pictures.claim(session, number=kept.number, until=None, now=NOW)
        assert pictures.find(session, numbers=[kept.number, "PIC0"]) == {kept.number: kept}
    assert Image.open(io.BytesIO(pictures.read(number=kept.number, size=320, suffix="jpg"))).size == (64, 48)
    assert storage.url(kept.files["800.webp"]).startswith(f"/files/public/{kept.number}/")

    assert pictures.purge(now=NOW + timedelta(days=1)) == 0
    assert pictures.purge(now=NOW + timedelta(days=1, hours=2)) == 1
    with pytest.raises(pictures.UnknownPicture):
        pictures.read(number=lost.number)
    assert {path.parent.name for path in files(settings)} == {kept.number}

    with database.transaction() as session:
        pictures.release(session, number=kept.number, now=NOW)
    assert pictures.purge(now=NOW + timedelta(hours=2)) == 1
    assert files(settings) == []


def test_whoever_comes_too_late_claims_nothing(db: None) -> None:
    taken = pictures.take_in(upload(), is_public=False, now=NOW)
    with database.transaction() as session, pytest.raises(pictures.UnknownPicture):
        pictures.claim(session, number=taken.number, until=None, now=NOW + pictures.UNCLAIMED_LIVE)
    pictures.purge(now=NOW + timedelta(days=2))


def test_a_refusal_is_said_in_chinese_and_leaves_nothing(db: None, settings: Settings) -> None:
    with pytest.raises(pictures.PictureRefused) as refused:
        pictures.take_in(b"GIF89a", is_public=False, now=NOW)
    assert refused.value.details == {"reason": "not_a_picture"}
    assert refused.value.text == "只接受 JPEG、PNG 或 WebP 照片"
    assert database.statement("SELECT count(*) FROM pictures") == [(0,)]


def test_a_file_that_could_not_be_put_is_known_and_purged(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = storage.put
    told: list[str] = []

    def fail_at_the_third(name: str, body: bytes) -> None:
        told.append(name)
        if len(told) == 3:
            raise storage.StorageAway
        put(name, body)

    monkeypatch.setattr(storage, "put", fail_at_the_third)
    with pytest.raises(storage.StorageAway):
        pictures.take_in(upload(), is_public=False, now=NOW)
    assert len(files(settings)) == 2
    pictures.purge(now=NOW + timedelta(days=2))
    assert files(settings) == []


def test_every_refusal_of_the_darkroom_has_its_words() -> None:
    from config import darkroom

    named = {word for word in (darkroom.develop.__doc__ or "").split("`") if word in pictures.REASONS}
    assert named == set(pictures.REASONS)

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from subway_campaign import media, press

LINK = "HTTPS://HALL.EXAMPLE/S/"
GOOD = media.Piece("7K3M9X2P", f"{LINK}7K3M9X2P", "METRO.HF.L1.S04.LB1", "1号线合肥火车站 灯箱1")
FORMULA = media.Piece("0123456D", f"{LINK}0123456D", None, '=HYPERLINK("x")')
UNWRITABLE = media.Piece("WXYZABCV", f"{LINK}WXYZABCV", "BUS.HF.1.P1", "海报\U0001f600")
TOO_LONG = media.Piece("WXYZABCV", f"HTTPS://A-VERY-LONG-HOST.EXAMPLE/S/{'A' * 9}", "BUS.HF.1.P1", "海报")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    to = tmp_path_factory.mktemp("press") / "pack.zip"
    press.run([GOOD, FORMULA, UNWRITABLE, TOO_LONG], to=to, progress=lambda *counts: told.append(counts))
    return to.read_bytes(), told


def test_progress_tells_of_every_piece(pack: tuple[bytes, list[tuple[int, int]]]) -> None:
    assert pack[1] == [(1, 0), (2, 0), (3, 1), (4, 2)]


def test_the_manifest_describes_every_file_and_no_other(pack: tuple[bytes, list[tuple[int, int]]]) -> None:
    with zipfile.ZipFile(io.BytesIO(pack[0])) as archive:
        assert archive.testzip() is None
        said = json.loads(archive.read("manifest.json"))
        hashes = {item[kind]: item[f"{kind}_sha256"] for item in said["items"] for kind in ("svg", "pdf") if item[kind]}
        assert set(archive.namelist()) == {*hashes, "manifest.csv", "manifest.json"}
        assert {name: hashlib.sha256(archive.read(name)).hexdigest() for name in hashes} == hashes
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
    assert (said["pieces"], said["refused"]) == (4, 2)
    first = said["items"][0]
    assert (first["url"], first["version"], first["symbol_mm"], first["viewing_distance_m"]) == (GOOD.link, 2, 250, 2.5)
    assert [row["code"] for row in rows] == [item["code"] for item in said["items"]]
    assert [row["preflight"] for row in rows] == ["passed", "passed", "refused", "refused"]


def test_what_fails_is_refused_by_name_with_its_step(pack: tuple[bytes, list[tuple[int, int]]]) -> None:
    items = press.manifest(pack[0])["items"]
    assert [item["failed_step"] for item in items] == [None, None, "label", "link"]
    assert [item["pdf"] for item in items[2:]] == [None, None]


def test_a_name_is_no_formula(pack: tuple[bytes, list[tuple[int, int]]]) -> None:
    with zipfile.ZipFile(io.BytesIO(pack[0])) as archive:
        assert ",'=HYPER" in archive.read("manifest.csv").decode("utf-8-sig").replace('"', "")


def test_equal_pieces_make_equal_packs(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        press.make([GOOD], to=tmp_path / name, progress=lambda *counts: None)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_press_that_dies_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    to = tmp_path / "pack.zip"

    def stop(done: int, refused: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        press.run([GOOD] * 50, to=to, progress=stop)
    assert not to.exists()


def test_a_press_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError):
        press.run([GOOD], to=tmp_path / "no" / "folder" / "pack.zip")

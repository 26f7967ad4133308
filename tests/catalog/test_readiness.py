"""What is missing of whom: each gap by itself, and nothing of whoever is elsewhere."""

from datetime import date, timedelta
from typing import Any

import pytest

from catalog import readiness
from catalog.readiness import County, Gap
from config import clock, database
from tests.catalog.test_import_suppliers import code

TODAY = date(2026, 11, 22)
WHOLE: dict[str, Any] = {
    "entity_kind": "cooperative",
    "credit_code": "91341321MA0000001X",
    "licence_until": None,
    "permit_class": "permit",
    "permit_number": "JY1",
    "permit_until": TODAY,
    "contact_name": "李四",
    "contact_phone": "0557",
    "has_agreed": True,
    "state": "admitted",
    "bank": "砀山农商行",
    "papers": ["licence", "food_permit"],
}


@pytest.mark.parametrize(
    ("change", "gaps"),
    [
        ({}, []),
        ({"credit_code": None}, [Gap.PROFILE]),
        ({"papers": ["food_permit"]}, [Gap.LICENCE]),
        ({"papers": ["licence"]}, [Gap.PERMIT]),
        ({"permit_class": "filing", "papers": ["licence"]}, []),
        ({"permit_class": "exempt", "permit_number": "", "permit_until": None, "papers": ["licence"]}, []),
        ({"permit_class": None}, [Gap.PERMIT]),
        ({"licence_until": TODAY - timedelta(days=1)}, [Gap.LICENCE_ENDED]),
        ({"permit_until": TODAY - timedelta(days=1)}, [Gap.PERMIT_ENDED]),
        ({"has_agreed": False, "state": "drafted"}, [Gap.AGREEMENT, Gap.ADMISSION]),
        ({"contact_phone": ""}, [Gap.CONTACT]),
        ({"bank": None}, [Gap.PAYEE]),
    ],
)
def test_each_gap_is_told(change: dict[str, Any], gaps: list[Gap]) -> None:
    assert readiness.gaps(WHOLE | change, TODAY) == gaps


def counties(*areas: tuple[str | None, str | None]) -> dict[str, County]:
    with database.transaction() as session:
        found = readiness.counties(session, areas=areas or [(None, None)], now=clock.now())
    return {county.name: county for county in found}


def settle(number: str, county: str, at: int) -> None:
    database.statement(
        "INSERT INTO suppliers (number, name, is_illustrative, county_code, credit_code)"
        " VALUES (%s, '果业合作社', false, %s, %s) RETURNING id",
        (number, county, code(at)),
    )


def test_the_twenty_counties_with_whoever_is_registered_there(seeded: None) -> None:
    settle("SUP0101", "341321", 1)
    settle("SUP0102", "340102", 2)
    database.statement(
        "UPDATE products SET supplier_id = (SELECT id FROM suppliers WHERE number = 'SUP0101')"
        " WHERE slug IN ('dangshansuli', 'dangshanhuangtaoguantou') RETURNING id"
    )
    database.statement(
        "INSERT INTO certificates (product_id, kind, number, issuer, issued_on)"
        " SELECT id, 'accreditation', 'AH-1', '砀山县', '2026-01-01' FROM products WHERE slug = 'dangshansuli'"
        " RETURNING id"
    )
    found = counties()
    assert len(found) == 20
    assert [county.name for county in found.values() if county.suppliers] == ["砀山县"]
    [supplier] = found["砀山县"].suppliers
    assert (supplier.number, supplier.is_ready, supplier.ready_offers) == ("SUP0101", False, 0)
    assert Gap.GOODS not in supplier.gaps
    lacking = {str(offer.values["sku"]): offer.gaps for offer in supplier.offers}
    assert lacking["AH001A"] == (Gap.PICTURE,)
    assert lacking["AH002A"] == (Gap.ACCREDITATION, Gap.PICTURE, Gap.LABEL)
    assert "配料" in next(offer for offer in supplier.offers if offer.values["sku"] == "AH002A").missing_labels


def test_everybody_sees_their_own(seeded: None) -> None:
    settle("SUP0101", "341321", 1)
    settle("SUP0103", "341322", 3)
    assert list(counties(("3413", None))) == ["砀山县", "萧县", "灵璧县", "泗县"]
    own = counties((None, "SUP0103"))
    assert [(name, [each.number for each in county.suppliers]) for name, county in own.items()] == [
        ("萧县", ["SUP0103"])
    ]
    assert counties(("3401", None)) == {}


def test_every_column_of_the_form_says_where_it_is_known_from() -> None:
    columns = readiness.listing_columns()
    assert len({column.title for column in columns}) == len(columns) > 15
    assert all(column.source for column in columns)

"""Who of the 20 national-level counties may be entered on the 832 platform, and what each still lacks.

Invariant: reads only. What is checked is what domain sources say of the platform (an entity of such a county, applying
of its own will, recommended by its county) and what a listing cannot do without; what we cannot see, such as that
recommendation, is never called present. No account number is read.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import labels
from catalog.suppliers import AGREEMENT_VERSION
from config import clock


class Gap(StrEnum):
    """What may be missing, of a supplier and then of its goods."""

    PROFILE = "profile"
    LICENCE = "licence"
    LICENCE_ENDED = "licence_ended"
    PERMIT = "permit"
    PERMIT_ENDED = "permit_ended"
    AGREEMENT = "agreement"
    ADMISSION = "admission"
    CONTACT = "contact"
    PAYEE = "payee"
    GOODS = "goods"
    ACCREDITATION = "accreditation"
    PICTURE = "picture"
    LABEL = "label"
    PRICE = "price"
    STOCK = "stock"


_SUPPLIERS = text("""
    SELECT u.id, u.number, u.name, u.county_code, u.state, u.entity_kind, u.credit_code, u.licence_until,
           u.permit_class, u.permit_number, u.permit_until, u.contact_name, u.contact_phone,
           u.agreement_version = :agreement AS has_agreed, b.bank,
           ARRAY(SELECT DISTINCT p.kind FROM supplier_papers p WHERE p.supplier_id = u.id) AS papers
    FROM suppliers u JOIN regions c ON c.code = u.county_code AND c.poverty_level = 'national'
    LEFT JOIN supplier_payees b ON b.supplier_id = u.id
    WHERE u.kind = 'supplier' AND u.state <> 'closed'
    ORDER BY u.county_code, u.number
""")
_GOODS = text("""
    SELECT p.supplier_id, p.slug, p.name AS product, p.category, r.full_name AS origin, p.licence_class, p.label,
           s.number AS sku, s.spec, s.price_fen, greatest(coalesce(l.on_hand - l.reserved, 0), 0) AS available,
           (SELECT c.number FROM certificates c WHERE c.product_id = p.id AND c.kind = 'accreditation'
              AND (c.valid_until IS NULL OR c.valid_until >= :today)) AS certificate,
           EXISTS (SELECT FROM accreditations a JOIN accreditation_evidence e ON e.accreditation_id = a.id
                   WHERE a.product_id = p.id AND e.kind = 'photo') AS has_picture
    FROM products p JOIN regions r ON r.code = p.origin_code
    LEFT JOIN skus s ON s.product_id = p.id LEFT JOIN stock_levels l ON l.sku_id = s.id
    WHERE p.supplier_id = ANY(:ids) ORDER BY p.supplier_id, p.slug, s.position
""")
_COUNTIES = text("""
    SELECT c.code, c.name, d.name AS city FROM regions c JOIN regions d ON d.code = c.parent_code
    WHERE c.poverty_level = 'national' ORDER BY c.code
""")


@dataclass(frozen=True)
class Offer:
    """One SKU as the platform would list it, and what it lacks; `missing_labels` are the names of label fields."""

    values: Mapping[str, Any]
    gaps: tuple[Gap, ...]
    missing_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Readiness:
    """One supplier: what it lacks itself, and its offers."""

    number: str
    name: str
    county_code: str
    values: Mapping[str, Any]
    gaps: tuple[Gap, ...]
    offers: tuple[Offer, ...]

    @property
    def ready_offers(self) -> int:
        """How many of its offers lack nothing."""
        return sum(not offer.gaps for offer in self.offers)

    @property
    def is_ready(self) -> bool:
        """Whether it could apply with at least one offer."""
        return not self.gaps and self.ready_offers > 0


@dataclass(frozen=True)
class County:
    """One of the 20 counties, with the suppliers that are registered there."""

    code: str
    name: str
    city: str
    suppliers: tuple[Readiness, ...]

    @property
    def ready(self) -> int:
        """How many suppliers are ready."""
        return sum(each.is_ready for each in self.suppliers)


@dataclass(frozen=True)
class ListingColumn:
    """A column of the platform's form: its title, which value it holds, and where we know it from."""

    title: str
    field: str
    is_required: bool
    note: str
    source: str


@cache
def listing_columns() -> tuple[ListingColumn, ...]:
    """Return the columns of the platform's form, as far as they are known (`data/listing_832.csv`)."""
    said = (resources.files("catalog") / "data" / "listing_832.csv").read_text(encoding="utf-8")
    return tuple(
        ListingColumn(row["title"], row["field"], row["is_required"] == "yes", row["note"], row["source"])
        for row in csv.DictReader(said.splitlines())
    )


def counties(session: Session, *, areas: Iterable[tuple[str | None, str | None]], now: datetime) -> list[County]:
    """Return the counties and suppliers that lie in any of `areas`, (beginning of a region's code, supplier's number).

    A county without suppliers is among them, but for whoever sees one supplier only.
    """
    reaches = list(areas)
    found = session.execute(_SUPPLIERS, {"agreement": AGREEMENT_VERSION}).mappings().all()
    today = now.astimezone(clock.SHANGHAI).date()
    goods = defaultdict(list)
    for row in session.execute(_GOODS, {"ids": [each["id"] for each in found], "today": today}).mappings():
        goods[row["supplier_id"]].append(row)
    seen = defaultdict(list)
    for each in found:
        if any(_reaches(area, number, each["county_code"], each["number"]) for area, number in reaches):
            seen[each["county_code"]].append(_readiness(dict(each), goods[each["id"]], today))
    return [
        County(row.code, row.name, row.city, tuple(seen[row.code]))
        for row in session.execute(_COUNTIES)
        if seen[row.code] or any(number is None and row.code.startswith(area or "") for area, number in reaches)
    ]


def _reaches(area: str | None, supplier: str | None, county: str, number: str) -> bool:
    return county.startswith(area or "") and supplier in (None, number)


def _readiness(row: Mapping[str, Any], goods: list[Any], today: date) -> Readiness:
    offers = tuple(_offer(each) for each in goods)
    return Readiness(
        row["number"],
        row["name"],
        row["county_code"],
        row,
        (*gaps(row, today), *[Gap.GOODS] * (not goods)),
        offers,
    )


def gaps(row: Mapping[str, Any], today: date) -> list[Gap]:
    """Return what a supplier itself lacks on `today`, of a row with its papers."""
    ended = {name: row[name] is not None and row[name] < today for name in ("licence_until", "permit_until")}
    needs_permit = row["permit_class"] in {"filing", "permit"}
    has_permit = row["permit_class"] is not None and (not needs_permit or bool(row["permit_number"]))
    shows_permit = row["permit_class"] != "permit" or "food_permit" in row["papers"]
    lacks = {
        Gap.PROFILE: not (row["entity_kind"] and row["credit_code"]),
        Gap.LICENCE: "licence" not in row["papers"],
        Gap.LICENCE_ENDED: ended["licence_until"],
        Gap.PERMIT: not (has_permit and shows_permit),
        Gap.PERMIT_ENDED: ended["permit_until"],
        Gap.AGREEMENT: not row["has_agreed"],
        Gap.ADMISSION: row["state"] != "admitted",
        Gap.CONTACT: not (row["contact_name"] and row["contact_phone"]),
        Gap.PAYEE: row["bank"] is None,
    }
    return [gap for gap, is_lacking in lacks.items() if is_lacking]


def _offer(row: Mapping[str, Any]) -> Offer:
    names = {field.key: field.name for field in labels.fields()}
    missing = labels.missing(row["licence_class"], row["label"])
    lacks = {
        Gap.ACCREDITATION: row["certificate"] is None,
        Gap.PICTURE: not row["has_picture"],
        Gap.LABEL: bool(missing),
        Gap.PRICE: not row["price_fen"],
        Gap.STOCK: not row["available"],
    }
    return Offer(
        dict(row), tuple(gap for gap, is_lacking in lacks.items() if is_lacking), tuple(names[key] for key in missing)
    )

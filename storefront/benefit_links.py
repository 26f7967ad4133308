"""Co-operatives and household groups, and which products benefit them: in which mode, by what share, from when to when.

Invariant: the links of a product never share out more than all of it at any time, because whoever adds one holds the
product's lock; a link is only ever ended, and neither begins nor ends sooner than a minute from now, so that whoever
settles an order sees every link that held when it was paid. Products are known here by their slugs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from catalog import products, regions
from catalog.errors import RegionInvalid
from config import database
from storefront import benefit_errors as errors
from storefront import tokens
from storefront.benefit_models import GroupKind, Mode

WHOLE_BP = 10_000
# A transaction that would add a link has given up long before this is over: locks are waited for 5 s, statements 30 s.
LEAD = timedelta(minutes=1)
_OVERLAP = "ex_benefit_links_no_overlap"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A link as somebody wants it: `share_bp` ten-thousandths, from `starts_at` (None: as soon as can be) on."""

    product: str
    group: str
    mode: Mode
    share_bp: int
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The share that a link holds, and when."""

    share_bp: int
    starts_at: datetime
    ends_at: datetime | None

    def holds_at(self, at: datetime) -> bool:
        """Tell whether the share is held at an instant."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


def open_group(session: Session, *, kind: GroupKind, name: str, county: str, by: str, now: datetime) -> str:
    """Add a group of a county and return its number.

    Raises `CountyInvalid` for a code that is no county of the province, and `GroupTaken`.
    """
    database.require_transaction(session)
    code = _leaf(county)
    values = {"number": tokens.number("G"), "kind": kind, "name": name, "county": code, "by": by, "now": now}
    try:
        with session.begin_nested():
            added = session.execute(_OPEN, values).scalar_one_or_none()
    except IntegrityError:
        # A county, but of another province: the catalog has no such region.
        raise errors.CountyInvalid(county=code) from None
    if added is None:
        standing = "SELECT number FROM benefit_groups WHERE county_code = :county AND name = :name"
        raise errors.GroupTaken(number=session.execute(text(standing), values).scalar_one())
    return str(added)


def _leaf(county: str) -> str:
    try:
        return regions.require_leaf(county).code
    except RegionInvalid:
        raise errors.CountyInvalid(county=county[:6]) from None


_OPEN = text("""
    INSERT INTO benefit_groups (number, kind, name, county_code, opened_by, opened_at)
    VALUES (:number, :kind, :name, :county, :by, :now)
    ON CONFLICT (county_code, name) DO NOTHING RETURNING number
""")
_GROUPS = """
    SELECT g.number, g.kind, g.name, g.county_code, g.opened_at,
           (SELECT count(*) FROM benefit_households h WHERE h.group_id = g.id AND h.left_at IS NULL) AS households,
           (SELECT count(*) FROM benefit_links b WHERE b.group_id = g.id AND tstzrange(b.starts_at, b.ends_at) @> :now)
               AS active_links
    FROM benefit_groups g
"""


def groups(session: Session, *, areas: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Return the groups of the counties whose codes begin with one of `areas`, with how many households and links."""
    sql = text(f"{_GROUPS} WHERE g.county_code LIKE ANY(cast(:areas AS text[])) ORDER BY g.county_code, g.name")
    rows = session.execute(sql, {"areas": [f"{area}%" for area in areas], "now": now}).mappings()
    return [_group(row) for row in rows]


def group(session: Session, *, number: str, now: datetime) -> dict[str, Any]:
    """Return one group. Raises `GroupUnknown`."""
    row = (
        session.execute(text(f"{_GROUPS} WHERE g.number = :number"), {"number": number, "now": now}).mappings().first()
    )
    if row is None:
        raise errors.GroupUnknown
    return _group(row)


def lock_group(session: Session, *, number: str) -> int:
    """Lock a group until the transaction ends and return its id, which is no public name. Raises `GroupUnknown`."""
    database.require_transaction(session)
    found: int | None = session.execute(
        text("SELECT id FROM benefit_groups WHERE number = :number FOR UPDATE"), {"number": number}
    ).scalar_one_or_none()
    if found is None:
        raise errors.GroupUnknown
    return found


def county_name(code: str) -> str:
    """Return what a county is called, its code when nobody knows."""
    try:
        return regions.find(code).name
    except RegionInvalid:
        return code


def link(session: Session, *, wanted: Wanted, by: str, now: datetime) -> str:
    """Let a product benefit a group and return the link's number.

    Raises `GroupUnknown`, `ProductUnlinkable`, `LinkPeriodInvalid`, `SharesExceedWhole` with what is free, and
    `LinkOverlaps` when it does so in that mode already.
    """
    starts_at = wanted.starts_at or now + LEAD
    if starts_at < now + LEAD or (wanted.ends_at is not None and wanted.ends_at <= starts_at):
        raise errors.LinkPeriodInvalid
    group_id = lock_group(session, number=wanted.group)
    if not products.exists(session, slug=wanted.product):
        raise errors.ProductUnlinkable(product=wanted.product[:80])
    lock_product(session, wanted.product)
    new = Held(wanted.share_bp, starts_at, wanted.ends_at)
    left = free(_standing(session, wanted.product), new)
    if new.share_bp > left:
        raise errors.SharesExceedWhole(left_bp=left)
    number = tokens.number("L")
    values = {
        "number": number,
        "product": wanted.product,
        "group": group_id,
        "mode": wanted.mode,
        "share": wanted.share_bp,
        "starts_at": starts_at,
        "ends_at": wanted.ends_at,
        "by": by,
        "now": now,
    }
    try:
        with session.begin_nested():
            session.execute(_LINK, values)
    except IntegrityError as refused:
        if _OVERLAP not in str(refused.orig):
            raise
        raise errors.LinkOverlaps from None
    return number


_LINK = text("""
    INSERT INTO benefit_links (number, product_slug, group_id, mode, share_bp, starts_at, ends_at, linked_by, linked_at)
    VALUES (:number, :product, :group, :mode, :share, :starts_at, :ends_at, :by, :now)
""")


def free(standing: Sequence[Held], new: Held) -> int:
    """Return how much of a product is shared out to nobody throughout the time of `new`, in ten-thousandths.

    What is held only ever grows where a link begins, so it is enough to look there.
    """
    begins = [new.starts_at, *(held.starts_at for held in standing if new.holds_at(held.starts_at))]
    return WHOLE_BP - max(sum(held.share_bp for held in standing if held.holds_at(at)) for at in begins)


def lock_product(session: Session, product: str) -> None:
    """Wait until no other transaction is adding a link of this product."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('benefit ' || :slug, 0))"), {"slug": product})


def _standing(session: Session, product: str) -> list[Held]:
    rows = session.execute(
        text("SELECT share_bp, starts_at, ends_at FROM benefit_links WHERE product_slug = :slug"), {"slug": product}
    )
    return [Held(*row) for row in rows]


def end(session: Session, *, number: str, ends_at: datetime | None = None, now: datetime) -> None:
    """End a link, as soon as can be unless said otherwise; one that would have begun later never does.

    Raises `LinkUnknown`, `LinkPeriodInvalid` for an instant too soon, and `LinkEnded` when it ends by then anyway.
    """
    database.require_transaction(session)
    at = ends_at or now + LEAD
    if at < now + LEAD:
        raise errors.LinkPeriodInvalid
    ended = session.execute(
        text("""
            UPDATE benefit_links SET ends_at = greatest(starts_at, cast(:at AS timestamptz))
            WHERE number = :number AND (ends_at IS NULL OR ends_at > greatest(starts_at, cast(:at AS timestamptz)))
            RETURNING id
        """),
        {"number": number, "at": at},
    ).first()
    if ended is None:
        known = session.execute(text("SELECT 1 FROM benefit_links WHERE number = :number"), {"number": number}).first()
        raise errors.LinkEnded if known else errors.LinkUnknown


_LINKS = """
    SELECT b.number, b.product_slug AS product, g.number AS group, g.county_code, b.mode, b.share_bp,
           b.starts_at, b.ends_at, b.linked_by, b.linked_at
    FROM benefit_links b JOIN benefit_groups g ON g.id = b.group_id
"""


def of_group(session: Session, *, group: str) -> list[dict[str, Any]]:
    """Return the links of a group, those without an end first, then the newest."""
    sql = text(f"{_LINKS} WHERE g.number = :group ORDER BY b.ends_at DESC NULLS FIRST, b.id DESC")
    return [dict(row) for row in session.execute(sql, {"group": group}).mappings()]


def find(session: Session, *, number: str) -> dict[str, Any]:
    """Return one link. Raises `LinkUnknown`."""
    row = session.execute(text(f"{_LINKS} WHERE b.number = :number"), {"number": number}).mappings().first()
    if row is None:
        raise errors.LinkUnknown
    return dict(row)


def _group(row: RowMapping) -> dict[str, Any]:
    return {**row, "county": county_name(row["county_code"])}

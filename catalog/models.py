"""The tables of the catalog.

Invariant: money is integer fen, weight integer gram; `0 <= reserved <= on_hand` holds in the database itself; the
stock ledger and the price history are only ever appended to. A certificate without number and date cannot exist.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from catalog.accreditation_lifecycle import EntityKind
from catalog.hall_lifecycle import State
from catalog.supplier_lifecycle import Kind, PermitClass
from catalog.supplier_lifecycle import State as SupplierState
from config import database

# Keys that a cursor walks compare by bytes on every cluster, whatever its locale.
_Key = String(collation="C")
_NOW = text("now()")


class RegionLevel(StrEnum):
    """How far down the country a region lies."""

    PROVINCE = "province"
    PREFECTURE = "prefecture"
    COUNTY = "county"


class HallKind(StrEnum):
    """Whose hall it is: a place's, a firm's, or a zone's inside somebody else's house."""

    LOCAL = "local"
    ENTERPRISE = "enterprise"
    ZONE = "zone"


class HallPresence(StrEnum):
    """Whether one goes there: a page in the shop alone, or also a place with an address and hours."""

    ONLINE = "online"
    PHYSICAL = "physical"


class ZoneKind(StrEnum):
    """Inside what a zone is."""

    SUPERMARKET = "supermarket"
    WHOLESALE = "wholesale"
    SCENIC_SPOT = "scenic_spot"
    HOTEL = "hotel"
    VISITOR_CENTRE = "visitor_centre"
    SERVICE_AREA = "service_area"


class LicenceClass(StrEnum):
    """Which licence the seller of such goods must show."""

    FARM_PRODUCE = "farm_produce"
    PREPACKAGED_FOOD = "prepackaged_food"
    MEDICINAL_FOOD = "medicinal_food"
    ALCOHOL = "alcohol"
    NON_FOOD = "non_food"


# Nobody buys such goods here before our own licence says so (`liquor`).
DISPLAY_ONLY = frozenset({LicenceClass.ALCOHOL, LicenceClass.MEDICINAL_FOOD})


class ReturnClass(StrEnum):
    """Whether the seven-day return without reason applies."""

    EXCLUDED_PERISHABLE = "excluded_perishable"
    SEALED_ONLY = "sealed_only"
    ALLOWED = "allowed"


class DeliveryClass(StrEnum):
    """How the goods must travel."""

    PARCEL = "parcel"
    FRAGILE = "fragile"
    GROUND = "ground"
    BULKY = "bulky"
    FRESH = "fresh"
    COLD = "cold"


class CertificateKind(StrEnum):
    """What a certificate attests."""

    ACCREDITATION = "accreditation"
    GEOGRAPHICAL_INDICATION = "geographical_indication"


class IndicationKind(StrEnum):
    """Under which of the three systems a geographical indication is protected."""

    PRODUCT = "product"
    TRADEMARK = "trademark"
    AGRICULTURAL = "agricultural"


class OffSale(StrEnum):
    """Why a product is off sale: not published yet, lost badge, supplier, supplier's papers, or its owner's wish."""

    DRAFT = "draft"
    ACCREDITATION = "accreditation"
    SUPPLIER = "supplier"
    PAPERS = "papers"
    OWNER = "owner"


class ReservationState(StrEnum):
    """A reservation is held, then either committed (goods gone) or released (given back)."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"


class MoveKind(StrEnum):
    """Why a stock level changed."""

    RECEIVED = "received"
    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    RESTORED = "restored"
    COUNTED = "counted"


class Region(database.Base):
    """A division of Anhui that has a hall."""

    __tablename__ = "regions"

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name: Mapped[str]
    level: Mapped[RegionLevel]
    kind: Mapped[str]
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("regions.code"), index=True)
    full_name: Mapped[str]
    pinyin: Mapped[str]
    initials: Mapped[str]
    name_en: Mapped[str]
    longitude: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    latitude: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    poverty_level: Mapped[str | None]
    poverty_exit: Mapped[str | None]


class Hall(database.Base):
    """A shop front. A home hall is where the goods of its region stand; every other shows what is on its shelves.

    A county's home hall stands under its city's, which shows the goods of both. `version` counts what staff wrote, so
    that nobody overwrites what they have not seen.
    """

    __tablename__ = "halls"
    __table_args__ = (
        Index("uq_halls_home", "region_code", unique=True, postgresql_where=text("is_home")),
        CheckConstraint("(kind = 'zone') = (zone_kind IS NOT NULL)", name="zone"),
        CheckConstraint("kind <> 'enterprise' OR supplier_id IS NOT NULL OR owner <> ''", name="owned"),
        CheckConstraint("NOT is_home OR (kind = 'local' AND presence = 'online')", name="home"),
        CheckConstraint("parent_id IS NULL OR is_home", name="tree"),
        CheckConstraint("state <> 'open' OR presence = 'online' OR (address <> '' AND hours <> '')", name="place"),
    )

    id: Mapped[database.Id]
    slug: Mapped[str] = mapped_column(_Key, unique=True)
    kind: Mapped[HallKind]
    presence: Mapped[HallPresence]
    zone_kind: Mapped[ZoneKind | None]
    state: Mapped[State]
    is_home: Mapped[bool]
    name: Mapped[str]
    region_code: Mapped[str] = mapped_column(ForeignKey("regions.code"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("halls.id"), index=True)
    supplier_id: Mapped[int | None] = mapped_column(ForeignKey("suppliers.id"), index=True)
    owner: Mapped[str] = mapped_column(server_default="")
    story: Mapped[str]
    address: Mapped[str] = mapped_column(server_default="")
    hours: Mapped[str] = mapped_column(server_default="")
    contact: Mapped[str] = mapped_column(server_default="")
    picture: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))


class Supplier(database.Base):
    """Whoever we buy from, or who sells for us elsewhere; with the papers that the law wants to see."""

    __tablename__ = "suppliers"
    __table_args__ = (
        Index(
            "uq_suppliers_credit_code", "kind", "credit_code", unique=True, postgresql_where=text("state <> 'closed'")
        ),
        CheckConstraint(
            "is_illustrative OR state IN ('drafted', 'refused', 'closed')"
            " OR num_nonnulls(entity_kind, county_code, credit_code, permit_class, agreement_version, agreed_at) = 6",
            name="applied_whole",
        ),
        CheckConstraint(
            "permit_class = 'exempt'"
            " OR (length(permit_number) > 0 AND (permit_class = 'filing' OR permit_until IS NOT NULL))",
            name="permit_whole",
        ),
        CheckConstraint("commission_bp BETWEEN 0 AND 3000", name="commission"),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    is_illustrative: Mapped[bool]
    kind: Mapped[Kind] = mapped_column(server_default="supplier")
    state: Mapped[SupplierState] = mapped_column(server_default="drafted")
    entity_kind: Mapped[EntityKind | None]
    county_code: Mapped[str | None] = mapped_column(ForeignKey("regions.code"), index=True)
    credit_code: Mapped[str | None] = mapped_column(String(18))
    licence_until: Mapped[date | None] = mapped_column(Date)
    permit_class: Mapped[PermitClass | None]
    permit_number: Mapped[str] = mapped_column(server_default="")
    permit_until: Mapped[date | None] = mapped_column(Date)
    agreement_version: Mapped[str | None]
    agreed_by: Mapped[str | None]
    agreed_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(server_default="")
    contact_name: Mapped[str] = mapped_column(server_default="")
    contact_phone: Mapped[str] = mapped_column(server_default="")
    # Hundredths of a percent of what a seller's buyers pay; WeChat divides 30 % of a payment at most.
    commission_bp: Mapped[int | None]


class Warehouse(database.Base):
    """A place that goods ship from; its key is what others call `ship_from`."""

    __tablename__ = "warehouses"

    id: Mapped[database.Id]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    region_code: Mapped[str] = mapped_column(ForeignKey("regions.code"))
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    is_illustrative: Mapped[bool]


class FreightZone(database.Base):
    """The freight zone that a province of China lies in."""

    __tablename__ = "freight_zones"

    province_code: Mapped[str] = mapped_column(String(6), primary_key=True)
    zone: Mapped[str] = mapped_column(String(1))


class FreightRate(database.Base):
    """What a warehouse charges to send one consignment into a zone; no row means that it does not deliver there."""

    __tablename__ = "freight_rates"
    __table_args__ = (
        CheckConstraint("first_weight_g > 0 AND step_weight_g > 0", name="weights"),
        CheckConstraint("first_fen >= 0 AND step_fen >= 0", name="amounts"),
    )

    warehouse_id: Mapped[int] = mapped_column(ForeignKey("warehouses.id"), primary_key=True)
    zone: Mapped[str] = mapped_column(String(1), primary_key=True)
    first_weight_g: Mapped[int]
    first_fen: Mapped[database.Fen]
    step_weight_g: Mapped[int]
    step_fen: Mapped[database.Fen]
    free_over_fen: Mapped[int | None] = mapped_column(BigInteger)
    delivers_fresh: Mapped[bool]


# The front of the shelf: 5,000 goods, which sheets number by tens.
FRONT_POSITIONS = 50_000


class Product(database.Base):
    """Something on the shelf, with what its label says and what searching needs."""

    __tablename__ = "products"
    __table_args__ = (
        Index("ix_products_shelf", "position", "slug", postgresql_where=text("is_on_sale")),
        Index("ix_products_search_vector", "search_vector", postgresql_using="gin"),
        # `catalog.finding` looks through the front of the shelf first.
        Index(
            "ix_products_front",
            "search_vector",
            postgresql_using="gin",
            postgresql_where=text(f"position < {FRONT_POSITIONS}"),
        ),
        Index(
            "ix_products_name_key",
            "name_key",
            "slug",
            postgresql_ops={"name_key": "text_pattern_ops"},
            postgresql_where=text("is_on_sale"),
        ),
        Index("ix_products_pinyin", "pinyin", postgresql_ops={"pinyin": "text_pattern_ops"}),
        Index("ix_products_initials", "initials", postgresql_ops={"initials": "text_pattern_ops"}),
        Index("ix_products_position", "position"),
        Index("ix_products_origin_code", "origin_code"),
    )

    id: Mapped[database.Id]
    slug: Mapped[str] = mapped_column(_Key, unique=True)
    name: Mapped[str]
    category: Mapped[str] = mapped_column(index=True)
    hall_id: Mapped[int] = mapped_column(ForeignKey("halls.id"), index=True)
    origin_code: Mapped[str] = mapped_column(ForeignKey("regions.code"))
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), index=True)
    warehouse_id: Mapped[int] = mapped_column(ForeignKey("warehouses.id"))
    description: Mapped[str]
    label: Mapped[dict[str, Any]]
    licence_class: Mapped[LicenceClass]
    return_class: Mapped[ReturnClass]
    delivery_class: Mapped[DeliveryClass]
    plate: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)
    is_on_sale: Mapped[bool] = mapped_column(server_default=text("true"))
    # Says something only while the product is off sale.
    off_sale_for: Mapped[OffSale | None]
    is_display_only: Mapped[bool]
    is_illustrative: Mapped[bool]
    name_key: Mapped[str]
    pinyin: Mapped[str]
    initials: Mapped[str]
    search_text: Mapped[str]
    search_vector: Mapped[str] = mapped_column(TSVECTOR)


class ProductName(database.Base):
    """A name that goods have or had, however many: what is guessed among. A trigger writes it beside the products.

    One may stand here twice, when two transactions brought it at once.
    """

    __tablename__ = "product_names"
    __table_args__ = (Index("ix_product_names_search_vector", "search_vector", postgresql_using="gin"),)

    id: Mapped[database.Id]
    name_key: Mapped[str] = mapped_column(index=True)
    pinyin: Mapped[str]
    search_vector: Mapped[str] = mapped_column(TSVECTOR)


class Sku(database.Base):
    """One pack of a product that can be bought. The first position's price is the product's price."""

    __tablename__ = "skus"
    __table_args__ = (
        UniqueConstraint("product_id", "position"),
        CheckConstraint("price_fen > 0", name="price"),
        CheckConstraint("weight_g > 0", name="weight"),
        CheckConstraint("(market_price_fen IS NULL) = (market_price_version IS NULL)", name="market_price_whole"),
        Index("ix_skus_first_price", "price_fen", postgresql_where=text("position = 1")),
    )

    id: Mapped[database.Id]
    number: Mapped[str] = mapped_column(unique=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    position: Mapped[int]
    spec: Mapped[str]
    price_fen: Mapped[database.Fen]
    price_version: Mapped[int]
    weight_g: Mapped[int]
    # A pack that is off sale stands behind all that are on sale, so that the first is always one that can be bought.
    is_on_sale: Mapped[bool] = mapped_column(server_default=text("true"))
    # What a struck-through price may say, by `market_prices` alone; it stands only beside the price of that version.
    market_price_fen: Mapped[int | None] = mapped_column(BigInteger)
    market_price_version: Mapped[int | None]


class SkuPrice(database.Base):
    """A price that a SKU had from an instant on: the evidence behind any comparison of prices."""

    __tablename__ = "sku_prices"

    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    price_fen: Mapped[database.Fen]
    effective_at: Mapped[database.Instant]


class Certificate(database.Base):
    """Evidence that was entered for a product: without number and date there is none, and no badge.

    A geographical indication also says of which kind it is.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("product_id", "kind"),
        CheckConstraint("length(number) > 0", name="number"),
        CheckConstraint("valid_until IS NULL OR valid_until >= issued_on", name="validity"),
        CheckConstraint("(kind = 'geographical_indication') = (indication_kind IS NOT NULL)", name="indication"),
    )

    id: Mapped[database.Id]
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    kind: Mapped[CertificateKind]
    number: Mapped[str]
    issuer: Mapped[str]
    issued_on: Mapped[date] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    indication_kind: Mapped[IndicationKind | None]


class StockLevel(database.Base):
    """What of a SKU is on hand and how much of that is spoken for. Half-empty pages keep hot rows in place."""

    __tablename__ = "stock_levels"
    __table_args__ = (
        CheckConstraint("0 <= reserved AND reserved <= on_hand", name="never_oversold"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"), primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int] = mapped_column(server_default=text("0"))


class Reservation(database.Base):
    """Goods spoken for by one reference of the caller.

    No foreign key, as with `StockMove`: the statement that holds them has just found the SKU, whose row every order of
    it would lock in vain, and a SKU that ever had stock cannot go because its level has a foreign key.
    """

    __tablename__ = "reservations"
    __table_args__ = (UniqueConstraint("reference", "sku_id"), CheckConstraint("quantity > 0", name="quantity"))

    id: Mapped[database.Id]
    reference: Mapped[str]
    sku_id: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int]
    state: Mapped[ReservationState]
    held_at: Mapped[database.Instant]


class StockMove(database.Base):
    """One line of the append-only stock ledger; its sums are the stock level.

    No foreign keys: each line is written by the statement that moved the stock, and checking two more tables for every
    hold costs as much as the hold.
    """

    __tablename__ = "stock_moves"
    __table_args__ = (
        Index(
            "uq_stock_moves_reservation_id_kind",
            "reservation_id",
            "kind",
            unique=True,
            postgresql_where=text("key IS NULL"),
        ),
        Index("uq_stock_moves_key_sku_id", "key", "sku_id", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index("ix_stock_moves_restored", "reservation_id", postgresql_where=text("kind = 'restored'")),
        CheckConstraint("num_nonnulls(reservation_id, key) >= 1", name="source"),
    )

    id: Mapped[database.Id]
    sku_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[MoveKind]
    on_hand_delta: Mapped[int]
    reserved_delta: Mapped[int]
    reservation_id: Mapped[int | None] = mapped_column(BigInteger)
    key: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=_NOW)

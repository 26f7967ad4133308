"""What we sell: regions, halls, products, prices, stock and freight."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_catalog"
down_revision = "0001_ground"
branch_labels = None
depends_on = None

TABLES = (
    "stock_moves",
    "stock_levels",
    "sku_prices",
    "reservations",
    "skus",
    "certificates",
    "products",
    "freight_rates",
    "warehouses",
    "halls",
    "suppliers",
    "regions",
    "freight_zones",
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "freight_zones",
        sa.Column("province_code", sa.String(length=6), nullable=False),
        sa.Column("zone", sa.String(length=1), nullable=False),
        sa.PrimaryKeyConstraint("province_code", name="pk_freight_zones"),
    )
    op.create_table(
        "regions",
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "level",
            sa.Enum(
                "province",
                "prefecture",
                "county",
                name="ck_regions_regionlevel",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("parent_code", sa.String(length=6), nullable=True),
        sa.Column("full_name", sa.String(), nullable=False),
        sa.Column("pinyin", sa.String(), nullable=False),
        sa.Column("initials", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("longitude", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("latitude", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("poverty_level", sa.String(), nullable=True),
        sa.Column("poverty_exit", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["parent_code"], ["regions.code"], name="fk_regions_parent_code_regions"),
        sa.PrimaryKeyConstraint("code", name="pk_regions"),
    )
    op.create_index("ix_regions_parent_code", "regions", ["parent_code"])
    op.create_table(
        "suppliers",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_illustrative", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_suppliers"),
        sa.UniqueConstraint("number", name="uq_suppliers_number"),
    )
    op.create_table(
        "halls",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("slug", sa.String(collation="C"), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("local", "enterprise", "zone", name="ck_halls_hallkind", native_enum=False, create_constraint=True),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("story", sa.String(), nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["halls.id"], name="fk_halls_parent_id_halls"),
        sa.ForeignKeyConstraint(["region_code"], ["regions.code"], name="fk_halls_region_code_regions"),
        sa.PrimaryKeyConstraint("id", name="pk_halls"),
        sa.UniqueConstraint("slug", name="uq_halls_slug"),
    )
    op.create_index("ix_halls_parent_id", "halls", ["parent_id"])
    op.create_index("ix_halls_region_code", "halls", ["region_code"])
    op.create_table(
        "warehouses",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("is_illustrative", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["region_code"], ["regions.code"], name="fk_warehouses_region_code_regions"),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name="fk_warehouses_supplier_id_suppliers"),
        sa.PrimaryKeyConstraint("id", name="pk_warehouses"),
        sa.UniqueConstraint("key", name="uq_warehouses_key"),
    )
    op.create_table(
        "freight_rates",
        sa.Column("warehouse_id", sa.BigInteger(), nullable=False),
        sa.Column("zone", sa.String(length=1), nullable=False),
        sa.Column("first_weight_g", sa.Integer(), nullable=False),
        sa.Column("first_fen", sa.BigInteger(), nullable=False),
        sa.Column("step_weight_g", sa.Integer(), nullable=False),
        sa.Column("step_fen", sa.BigInteger(), nullable=False),
        sa.Column("free_over_fen", sa.BigInteger(), nullable=True),
        sa.Column("delivers_fresh", sa.Boolean(), nullable=False),
        sa.CheckConstraint("first_fen >= 0 AND step_fen >= 0", name="ck_freight_rates_amounts"),
        sa.CheckConstraint("first_weight_g > 0 AND step_weight_g > 0", name="ck_freight_rates_weights"),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name="fk_freight_rates_warehouse_id_warehouses"),
        sa.PrimaryKeyConstraint("warehouse_id", "zone", name="pk_freight_rates"),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("slug", sa.String(collation="C"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("hall_id", sa.BigInteger(), nullable=False),
        sa.Column("origin_code", sa.String(length=6), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("warehouse_id", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("label", postgresql.JSONB(), nullable=False),
        sa.Column(
            "licence_class",
            sa.Enum(
                "farm_produce",
                "prepackaged_food",
                "medicinal_food",
                "alcohol",
                "non_food",
                name="ck_products_licenceclass",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "return_class",
            sa.Enum(
                "excluded_perishable",
                "sealed_only",
                "allowed",
                name="ck_products_returnclass",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "delivery_class",
            sa.Enum(
                "parcel",
                "fragile",
                "ground",
                "bulky",
                "fresh",
                "cold",
                name="ck_products_deliveryclass",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("plate", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("is_on_sale", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_display_only", sa.Boolean(), nullable=False),
        sa.Column("is_illustrative", sa.Boolean(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("pinyin", sa.String(), nullable=False),
        sa.Column("initials", sa.String(), nullable=False),
        sa.Column("search_text", sa.String(), nullable=False),
        sa.Column("search_vector", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["hall_id"], ["halls.id"], name="fk_products_hall_id_halls"),
        sa.ForeignKeyConstraint(["origin_code"], ["regions.code"], name="fk_products_origin_code_regions"),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name="fk_products_supplier_id_suppliers"),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name="fk_products_warehouse_id_warehouses"),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("slug", name="uq_products_slug"),
    )
    op.create_index("ix_products_category", "products", ["category"])
    op.create_index("ix_products_hall_id", "products", ["hall_id"])
    op.create_index("ix_products_search_vector", "products", ["search_vector"], postgresql_using="gin")
    op.create_index("ix_products_shelf", "products", ["position", "slug"], postgresql_where=sa.text("is_on_sale"))
    op.create_table(
        "certificates",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "accreditation",
                "geographical_indication",
                name="ck_certificates_certificatekind",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.CheckConstraint("length(number) > 0", name="ck_certificates_number"),
        sa.CheckConstraint("valid_until IS NULL OR valid_until >= issued_on", name="ck_certificates_validity"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_certificates_product_id_products"),
        sa.PrimaryKeyConstraint("id", name="pk_certificates"),
        sa.UniqueConstraint("product_id", "kind", name="uq_certificates_product_id_kind"),
    )
    op.create_table(
        "skus",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("spec", sa.String(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("price_version", sa.Integer(), nullable=False),
        sa.Column("weight_g", sa.Integer(), nullable=False),
        sa.CheckConstraint("price_fen > 0", name="ck_skus_price"),
        sa.CheckConstraint("weight_g > 0", name="ck_skus_weight"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_skus_product_id_products"),
        sa.PrimaryKeyConstraint("id", name="pk_skus"),
        sa.UniqueConstraint("number", name="uq_skus_number"),
        sa.UniqueConstraint("product_id", "position", name="uq_skus_product_id_position"),
    )
    op.create_index("ix_skus_first_price", "skus", ["price_fen"], postgresql_where=sa.text("position = 1"))
    op.create_table(
        "reservations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("sku_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "held",
                "committed",
                "released",
                name="ck_reservations_reservationstate",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0", name="ck_reservations_quantity"),
        sa.ForeignKeyConstraint(["sku_id"], ["skus.id"], name="fk_reservations_sku_id_skus"),
        sa.PrimaryKeyConstraint("id", name="pk_reservations"),
        sa.UniqueConstraint("reference", "sku_id", name="uq_reservations_reference_sku_id"),
    )
    op.create_table(
        "sku_prices",
        sa.Column("sku_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["sku_id"], ["skus.id"], name="fk_sku_prices_sku_id_skus"),
        sa.PrimaryKeyConstraint("sku_id", "version", name="pk_sku_prices"),
    )
    op.create_table(
        "stock_levels",
        sa.Column("sku_id", sa.BigInteger(), nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("0 <= reserved AND reserved <= on_hand", name="ck_stock_levels_never_oversold"),
        sa.ForeignKeyConstraint(["sku_id"], ["skus.id"], name="fk_stock_levels_sku_id_skus"),
        sa.PrimaryKeyConstraint("sku_id", name="pk_stock_levels"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "stock_moves",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("sku_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "received",
                "held",
                "committed",
                "released",
                "restored",
                name="ck_stock_moves_movekind",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("on_hand_delta", sa.Integer(), nullable=False),
        sa.Column("reserved_delta", sa.Integer(), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(reservation_id, key) >= 1", name="ck_stock_moves_source"),
        sa.PrimaryKeyConstraint("id", name="pk_stock_moves"),
    )
    op.create_index(
        "ix_stock_moves_restored", "stock_moves", ["reservation_id"], postgresql_where=sa.text("kind = 'restored'")
    )
    op.create_index(
        "uq_stock_moves_key_sku_id",
        "stock_moves",
        ["key", "sku_id"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index(
        "uq_stock_moves_reservation_id_kind",
        "stock_moves",
        ["reservation_id", "kind"],
        unique=True,
        postgresql_where=sa.text("key IS NULL"),
    )


def downgrade() -> None:
    """Drop the tables, those that point at others first."""
    for table in TABLES:
        op.drop_table(table)

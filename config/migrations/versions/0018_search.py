"""Search by prefix of name, pinyin and initials, and by the trigrams of the pinyin; goods by county."""

from alembic import op

revision = "0018_search"
down_revision = "0017_print_packs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the extension and the indexes."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for column in ("name_key", "pinyin", "initials"):
        op.create_index(f"ix_products_{column}", "products", [column], postgresql_ops={column: "text_pattern_ops"})
    op.create_index(
        "ix_products_sounds", "products", ["pinyin"], postgresql_using="gin", postgresql_ops={"pinyin": "gin_trgm_ops"}
    )
    op.create_index("ix_products_origin_code", "products", ["origin_code"])


def downgrade() -> None:
    """Drop the indexes; the extension stays, as others may use it."""
    for name in ("origin_code", "sounds", "initials", "pinyin", "name_key"):
        op.drop_index(f"ix_products_{name}", table_name="products")

"""The goods on sale under a name in the order of their slugs, so that a page of a common name reads just its goods."""

import sqlalchemy as sa
from alembic import op

revision = "0061_names_by_slug"
down_revision = "0060_product_names"
branch_labels = None
depends_on = None

_INDEX, _OPS = "ix_products_name_key", {"name_key": "text_pattern_ops"}


def upgrade() -> None:
    """Put the slug behind the name, and leave out what is off sale."""
    op.drop_index(_INDEX, "products")
    on_sale = sa.text("is_on_sale")
    op.create_index(_INDEX, "products", ["name_key", "slug"], postgresql_ops=_OPS, postgresql_where=on_sale)


def downgrade() -> None:
    """Index the names alone again."""
    op.drop_index(_INDEX, "products")
    op.create_index(_INDEX, "products", ["name_key"], postgresql_ops=_OPS)

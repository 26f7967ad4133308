"""Packs that are off sale while their product is on it."""

import sqlalchemy as sa
from alembic import op

revision = "0057_packs_off_sale"
down_revision = "0056_take_stock"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; every pack that is there is on sale."""
    op.add_column("skus", sa.Column("is_on_sale", sa.Boolean(), server_default=sa.text("true"), nullable=False))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("skus", "is_on_sale")

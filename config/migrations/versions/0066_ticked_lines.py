"""Lines of a cart that stay behind when the others are ordered."""

import sqlalchemy as sa
from alembic import op

revision = "0066_ticked_lines"
down_revision = "0065_folded_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tick; every line that is there would have been ordered."""
    op.add_column("cart_lines", sa.Column("is_ticked", sa.Boolean(), server_default=sa.text("true"), nullable=False))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("cart_lines", "is_ticked")

"""The shop: orders and their lines."""

revision = "0005_shop"
down_revision = "0004_campaign"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""

"""Money."""

revision = "0003_payments"
down_revision = "0002_catalog"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""

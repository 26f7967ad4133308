"""Where they came from."""

revision = "0004_campaign"
down_revision = "0003_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""

"""People: shoppers, sessions, carts and staff."""

revision = "0006_people"
down_revision = "0005_shop"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""

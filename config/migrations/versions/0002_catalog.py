"""What we sell."""

revision = "0002_catalog"
down_revision = "0001_ground"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""

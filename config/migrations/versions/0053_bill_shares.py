"""What receivers of divided payments got of a day, as WeChat's bill says it."""

from alembic import op

revision = "0053_bill_shares"
down_revision = "0052_bindings_of_hours"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sum; days that were reconciled before shares were known have it among the other movements."""
    op.execute("ALTER TABLE bill_days ADD COLUMN shared_fen bigint NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE bill_days DROP COLUMN shared_fen")

"""Refunds that WeChat would not take can be given up, or paid out by transfer."""

from alembic import op

revision = "0055_refused_refunds"
down_revision = "0054_claim_photos"
branch_labels = None
depends_on = None

_BEFORE = "'requested', 'processing', 'succeeded', 'closed', 'abnormal', 'transferred'"


def _allow(states: str) -> None:
    op.execute(f"""
        ALTER TABLE payment_refunds DROP CONSTRAINT ck_payment_refunds_refundstate;
        ALTER TABLE payment_refunds ADD CONSTRAINT ck_payment_refunds_refundstate CHECK (state IN ({states}))
    """)


def upgrade() -> None:
    """Allow the state, and remember which sending was refused."""
    _allow(f"{_BEFORE}, 'refused'")
    op.execute("ALTER TABLE payment_refunds ADD COLUMN refused_at timestamptz")


def downgrade() -> None:
    """Refunds that were given up become such as WeChat closed: both failed."""
    op.execute("UPDATE payment_refunds SET state = 'closed' WHERE state = 'refused'")
    op.execute("ALTER TABLE payment_refunds DROP COLUMN refused_at")
    _allow(_BEFORE)

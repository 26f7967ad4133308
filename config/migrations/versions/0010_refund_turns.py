"""Refunds: when each went to WeChat, so that the next waits its turn, and those that a person paid out."""

from alembic import op

revision = "0010_refund_turns"
down_revision = "0009_ledger"
branch_labels = None
depends_on = None

_STATES = "ALTER TABLE payment_refunds DROP CONSTRAINT ck_payment_refunds_refundstate"


def upgrade() -> None:
    """Add the columns and the state."""
    op.execute(_STATES)
    op.execute("""
        ALTER TABLE payment_refunds
            ALTER COLUMN state TYPE varchar(11),
            ADD COLUMN sent_at timestamptz,
            ADD COLUMN transfer jsonb,
            ADD COLUMN transferred_at timestamptz,
            ADD CONSTRAINT ck_payment_refunds_refundstate CHECK (
                state IN ('requested', 'processing', 'succeeded', 'closed', 'abnormal', 'transferred')),
            ADD CONSTRAINT ck_payment_refunds_transfer_is_complete CHECK (
                (state = 'transferred') = (transferred_at IS NOT NULL AND transfer IS NOT NULL))
    """)
    # The next refund of a payment waits for the one before also across the upgrade.
    op.execute("UPDATE payment_refunds SET sent_at = requested_at WHERE state <> 'requested'")


def downgrade() -> None:
    """Take them away; what a person paid out becomes abnormal again, for the older code knows no better."""
    op.execute(_STATES)
    op.execute("""
        ALTER TABLE payment_refunds
            DROP CONSTRAINT ck_payment_refunds_transfer_is_complete,
            DROP COLUMN sent_at, DROP COLUMN transfer, DROP COLUMN transferred_at
    """)
    op.execute("UPDATE payment_refunds SET state = 'abnormal' WHERE state = 'transferred'")
    op.execute("""
        ALTER TABLE payment_refunds
            ALTER COLUMN state TYPE varchar(10),
            ADD CONSTRAINT ck_payment_refunds_refundstate CHECK (
                state IN ('requested', 'processing', 'succeeded', 'closed', 'abnormal'))
    """)

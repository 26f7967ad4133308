"""Cases for payments that were not divided as they were asked to be, and for parts that did not come back."""

from alembic import op

revision = "0051_share_cases"
down_revision = "0050_credit_moved"
branch_labels = None
depends_on = None

KINDS = """
    'mismatch', 'refund_mismatch', 'refund_abnormal', 'unmatched', 'ledger', 'bill_missing_here', 'bill_missing_there',
    'bill_amount', 'bill_state', 'bill_day', 'bill_fee', 'bill_doubled', 'bill_unexplained', 'frozen', 'refund_refused',
    'refund_closed', 'refund_vanished', 'bill_broken'
"""


def upgrade() -> None:
    """Let cases be about these too."""
    _allow(f"{KINDS}, 'share'")


def downgrade() -> None:
    """Refuse them again, and drop those there are."""
    op.execute("DELETE FROM payment_cases WHERE kind = 'share'")
    _allow(KINDS)


def _allow(kinds: str) -> None:
    op.execute(f"""
        ALTER TABLE payment_cases DROP CONSTRAINT ck_payment_cases_casekind,
            ADD CONSTRAINT ck_payment_cases_casekind CHECK (kind IN ({kinds}))
    """)

"""Cases for refunds that WeChat refuses, closes or forgets, and for bills that cannot be believed."""

from alembic import op

revision = "0021_money_cases"
down_revision = "0020_costs"
branch_labels = None
depends_on = None

KINDS = """
    'mismatch', 'refund_mismatch', 'refund_abnormal', 'unmatched', 'ledger', 'bill_missing_here', 'bill_missing_there',
    'bill_amount', 'bill_state', 'bill_day', 'bill_fee', 'bill_doubled', 'bill_unexplained', 'frozen'
"""
NEW = "'refund_refused', 'refund_closed', 'refund_vanished', 'bill_broken'"


def upgrade() -> None:
    """Let cases be about these too."""
    _allow(f"{KINDS}, {NEW}")


def downgrade() -> None:
    """Refuse them again, and drop those there are."""
    op.execute(f"DELETE FROM payment_cases WHERE kind IN ({NEW})")
    _allow(KINDS)


def _allow(kinds: str) -> None:
    op.execute(f"""
        ALTER TABLE payment_cases DROP CONSTRAINT ck_payment_cases_casekind,
            ADD CONSTRAINT ck_payment_cases_casekind CHECK (kind IN ({kinds}))
    """)

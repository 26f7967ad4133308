"""A seller's claim may be barred because another advert was found to have brought the order."""

from alembic import op

revision = "0050_credit_moved"
down_revision = "0049_webhooks"
branch_labels = None
depends_on = None

_BEFORE = "'own_purchase', 'suspicion', 'refunded', 'not_shareable'"


def _allow(reasons: str) -> None:
    op.execute(f"""
        ALTER TABLE commission_claims DROP CONSTRAINT ck_commission_claims_barred;
        ALTER TABLE commission_claims ADD CONSTRAINT ck_commission_claims_barred CHECK (barred_for IN ({reasons}))
    """)


def upgrade() -> None:
    """Allow the reason."""
    _allow(f"{_BEFORE}, 'credit_moved', 'receiver'")


def downgrade() -> None:
    """Claims that were barred for it become such that cannot be shared."""
    op.execute("UPDATE commission_claims SET barred_for = 'not_shareable' WHERE barred_for = 'credit_moved'")
    _allow(f"{_BEFORE}, 'receiver'")

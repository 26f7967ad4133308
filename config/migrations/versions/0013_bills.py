"""The days that were compared with WeChat's bills."""

from alembic import op

revision = "0013_bills"
down_revision = "0012_access_tokens"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("""
        CREATE TABLE bill_days (
            mchid varchar(32) NOT NULL,
            day date NOT NULL,
            trade_sha1 varchar(40),
            flow_sha1 varchar(40),
            trades integer NOT NULL,
            flows integer NOT NULL,
            paid_fen bigint NOT NULL,
            refunded_fen bigint NOT NULL,
            fees_fen bigint NOT NULL,
            withdrawn_fen bigint NOT NULL,
            other_fen bigint NOT NULL,
            net_fen bigint NOT NULL,
            balance_fen bigint,
            our_paid_fen bigint NOT NULL,
            our_refunded_fen bigint NOT NULL,
            differences integer NOT NULL,
            reconciled_at timestamptz NOT NULL,
            CONSTRAINT pk_bill_days PRIMARY KEY (mchid, day)
        )
    """)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE bill_days")

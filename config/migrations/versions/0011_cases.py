"""Cases get a name, an owner and an end, and may be about what is not a payment of ours."""

from alembic import op

revision = "0011_cases"
down_revision = "0010_refund_turns"
branch_labels = None
depends_on = None

KINDS = """
    'mismatch', 'refund_mismatch', 'refund_abnormal', 'unmatched', 'ledger', 'bill_missing_here', 'bill_missing_there',
    'bill_amount', 'bill_state', 'bill_day', 'bill_fee', 'bill_doubled', 'bill_unexplained'
"""


def upgrade() -> None:
    """Change the table."""
    op.execute(f"""
        ALTER TABLE payment_cases
            ADD slug varchar(32) NOT NULL CONSTRAINT uq_payment_cases_slug UNIQUE
                DEFAULT 'K' || upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 25)),
            ADD difference_fen bigint,
            ADD owner varchar(64),
            ADD owned_at timestamptz,
            ADD resolution varchar(11) CONSTRAINT ck_payment_cases_resolution
                CHECK (resolution IN ('explained', 'repaired', 'written_off')),
            ADD reason varchar(500),
            ADD closed_at timestamptz,
            ADD closed_by varchar(64),
            ALTER payment_id DROP NOT NULL,
            ALTER number TYPE varchar(128),
            ALTER kind TYPE varchar(18),
            DROP CONSTRAINT ck_payment_cases_casekind,
            ADD CONSTRAINT ck_payment_cases_casekind CHECK (kind IN ({KINDS})),
            ADD CONSTRAINT ck_payment_cases_end_is_complete CHECK (
                (closed_at IS NULL) = (resolution IS NULL) AND (closed_at IS NULL) = (reason IS NULL)
                AND (closed_at IS NULL) = (closed_by IS NULL))
    """)
    op.execute("CREATE INDEX ix_payment_cases_open ON payment_cases (id) WHERE closed_at IS NULL")


def downgrade() -> None:
    """Change it back; cases that it could not hold before are gone."""
    op.execute("""
        DELETE FROM payment_cases WHERE payment_id IS NULL OR length(number) > 32
            OR kind NOT IN ('mismatch', 'refund_mismatch', 'refund_abnormal')
    """)
    op.execute("DROP INDEX ix_payment_cases_open")
    op.execute("""
        ALTER TABLE payment_cases
            DROP slug, DROP difference_fen, DROP owner, DROP owned_at, DROP resolution, DROP reason, DROP closed_at,
            DROP closed_by,
            ALTER payment_id SET NOT NULL,
            ALTER number TYPE varchar(32),
            ALTER kind TYPE varchar(15),
            DROP CONSTRAINT ck_payment_cases_casekind,
            ADD CONSTRAINT ck_payment_cases_casekind
                CHECK (kind IN ('mismatch', 'refund_mismatch', 'refund_abnormal'))
    """)

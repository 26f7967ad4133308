"""The double-entry ledger: balanced and append-only by the database's own word."""

from alembic import op

revision = "0009_ledger"
down_revision = "0008_audit_chain"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its guards."""
    op.execute("""
        CREATE TABLE ledger_entries (
            source varchar(96) NOT NULL,
            line_no smallint NOT NULL,
            account varchar(48) NOT NULL,
            amount_fen bigint NOT NULL CONSTRAINT ck_ledger_entries_amount_is_something CHECK (amount_fen <> 0),
            occurred_at timestamptz NOT NULL,
            posted_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_ledger_entries PRIMARY KEY (source, line_no)
        )
    """)
    op.execute("CREATE INDEX ix_ledger_entries_account_occurred_at ON ledger_entries (account, occurred_at)")
    # Once a statement, over what it added: one entry more to a movement that balances is refused as well.
    op.execute("""
        CREATE FUNCTION ledger_must_balance() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE unbalanced text;
        BEGIN
            SELECT source INTO unbalanced FROM added GROUP BY source HAVING sum(amount_fen) <> 0 LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'the entries of % do not balance', unbalanced USING ERRCODE = 'check_violation',
                    CONSTRAINT = 'ledger_must_balance', TABLE = 'ledger_entries';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER ledger_must_balance AFTER INSERT ON ledger_entries
        REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_must_balance()
    """)
    op.execute("""
        CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'ledger entries are never changed: post the opposite' USING
                ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_is_append_only', TABLE = 'ledger_entries';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
    """)


def downgrade() -> None:
    """Drop the table and its guards."""
    op.execute("DROP TABLE ledger_entries")
    op.execute("DROP FUNCTION ledger_must_balance, ledger_is_append_only")

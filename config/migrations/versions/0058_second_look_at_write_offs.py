"""Who asked for a difference to be written off that takes two persons."""

from alembic import op

revision = "0058_second_look_at_write_offs"
down_revision = "0057_packs_off_sale"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the asking to the cases, and let nobody answer what they asked."""
    op.execute("""
        ALTER TABLE payment_cases
            ADD COLUMN write_off_asked_by varchar(64),
            ADD COLUMN write_off_asked_at timestamptz,
            ADD COLUMN write_off_reason varchar(500),
            ADD CONSTRAINT ck_payment_cases_write_off_is_complete CHECK (
                (write_off_asked_by IS NULL) = (write_off_asked_at IS NULL)
                AND (write_off_asked_by IS NULL) = (write_off_reason IS NULL)),
            ADD CONSTRAINT ck_payment_cases_another_person_writes_off CHECK (
                resolution <> 'written_off' OR write_off_asked_by <> closed_by)
    """)


def downgrade() -> None:
    """Forget who asked."""
    op.execute("""
        ALTER TABLE payment_cases
            DROP COLUMN write_off_asked_by, DROP COLUMN write_off_asked_at, DROP COLUMN write_off_reason
    """)

"""What a badge rests on: how long the notice hung, and of which kind a geographical indication is."""

from alembic import op

revision = "0032_evidence"
down_revision = "0031_trials"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a notice that runs now ends when it is due."""
    op.execute("ALTER TABLE accreditations ADD COLUMN noticed_until TIMESTAMP WITH TIME ZONE")
    op.execute("UPDATE accreditations SET noticed_until = due_at WHERE state = 'noticed'")
    op.execute("""
        ALTER TABLE certificates ADD COLUMN indication_kind VARCHAR(12)
            CONSTRAINT ck_certificates_indicationkind
            CHECK (indication_kind IN ('product', 'trademark', 'agricultural'))
    """)
    op.execute("""
        ALTER TABLE certificates ADD CONSTRAINT ck_certificates_indication
            CHECK ((kind = 'geographical_indication') = (indication_kind IS NOT NULL))
    """)


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE certificates DROP COLUMN indication_kind")
    op.execute("ALTER TABLE accreditations DROP COLUMN noticed_until")

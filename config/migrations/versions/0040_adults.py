"""Which wording of a declaration was confirmed."""

from alembic import op

revision = "0040_adults"
down_revision = "0039_partner_codes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the version; that of earlier orders is not known."""
    op.execute("ALTER TABLE order_declarations ADD COLUMN text_version VARCHAR NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Drop it."""
    op.drop_column("order_declarations", "text_version")

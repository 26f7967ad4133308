"""An index of what the goods at the front of the shelf say, in which a common word is looked for first."""

from alembic import op

revision = "0069_front_of_the_shelf"
down_revision = "0068_facts_without_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it."""
    op.execute("CREATE INDEX ix_products_front ON products USING gin (search_vector) WHERE position < 50000")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX ix_products_front")

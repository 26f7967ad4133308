"""Products and suppliers as sheets."""

from alembic import op

revision = "0048_more_sheets"
down_revision = "0047_targets"
branch_labels = None
depends_on = None

KINDS = """
    ALTER TABLE imports DROP CONSTRAINT ck_imports_importkind;
    ALTER TABLE imports ALTER COLUMN kind TYPE VARCHAR({length});
    ALTER TABLE imports ADD CONSTRAINT ck_imports_importkind CHECK (kind IN ({kinds}));
"""


def upgrade() -> None:
    """Let a sheet be about products or suppliers."""
    op.execute(KINDS.format(length=9, kinds="'prices', 'stock', 'products', 'suppliers'"))


def downgrade() -> None:
    """Forget those that were."""
    op.execute("DELETE FROM imports WHERE kind IN ('products', 'suppliers')")
    op.execute(KINDS.format(length=6, kinds="'prices', 'stock'"))

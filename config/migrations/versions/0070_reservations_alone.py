"""Reservations without a foreign key, which every order paid for twice: with a look, and with a lock on its SKU."""

from alembic import op

revision = "0070_reservations_alone"
down_revision = "0069_front_of_the_shelf"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE reservations DROP CONSTRAINT fk_reservations_sku_id_skus")


def downgrade() -> None:
    """Create it again."""
    op.execute("""
        ALTER TABLE reservations ADD CONSTRAINT fk_reservations_sku_id_skus FOREIGN KEY (sku_id) REFERENCES skus (id)
    """)

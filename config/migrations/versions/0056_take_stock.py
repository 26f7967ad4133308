"""Taking reserved stock by a function, which sees the rows as they are when its turn has come."""

from alembic import op

revision = "0056_take_stock"
down_revision = "0055_refused_refunds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what a hold ends with: queue for each SKU, in the order given, and add to what is reserved of it."""
    op.execute("""
        CREATE FUNCTION take_stock(queue int, skus bigint[], quantities int[]) RETURNS int LANGUAGE plpgsql AS $$
        DECLARE
            taken int := coalesce(cardinality(skus), 0);
        BEGIN
            FOR i IN 1 .. taken LOOP
                PERFORM pg_advisory_xact_lock(queue, skus[i]::int);
                UPDATE stock_levels SET reserved = reserved + quantities[i] WHERE sku_id = skus[i];
            END LOOP;
            RETURN taken;
        END $$
    """)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP FUNCTION take_stock")

"""Declarations: what a shopper confirmed for one order."""

from alembic import op

revision = "0007_declarations"
down_revision = "0006_orders"
branch_labels = None
depends_on = None

TABLES = """
    CREATE TABLE order_declarations (
        order_id BIGINT NOT NULL,
        kind VARCHAR(18) NOT NULL,
        declared_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_order_declarations PRIMARY KEY (order_id, kind),
        CONSTRAINT fk_order_declarations_order_id_orders FOREIGN KEY(order_id) REFERENCES orders (id),
        CONSTRAINT ck_order_declarations_declarationkind
            CHECK (kind IN ('returns_sealed', 'returns_perishable', 'adult'))
    );
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE order_declarations")

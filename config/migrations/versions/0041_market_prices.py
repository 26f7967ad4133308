"""Deals, and the market price that they allow a SKU to show."""

from alembic import op

revision = "0041_market_prices"
down_revision = "0040_adults"
branch_labels = None
depends_on = None

TABLE = """
    CREATE TABLE deals (
        reference VARCHAR NOT NULL,
        sku_id BIGINT NOT NULL,
        price_fen BIGINT NOT NULL,
        dealt_at TIMESTAMP WITH TIME ZONE NOT NULL,
        voided_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_deals PRIMARY KEY (reference),
        CONSTRAINT ck_deals_price CHECK (price_fen > 0),
        CONSTRAINT fk_deals_sku_id_skus FOREIGN KEY (sku_id) REFERENCES skus (id)
    );
    CREATE INDEX ix_deals_sku_id_dealt_at ON deals (sku_id, dealt_at) WHERE voided_at IS NULL;
    ALTER TABLE skus ADD COLUMN market_price_fen BIGINT, ADD COLUMN market_price_version INTEGER;
    ALTER TABLE skus ADD CONSTRAINT ck_skus_market_price_whole
        CHECK ((market_price_fen IS NULL) = (market_price_version IS NULL));
"""


def upgrade() -> None:
    """Create the table and the columns."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE deals")
    op.execute("ALTER TABLE skus DROP COLUMN market_price_fen, DROP COLUMN market_price_version")

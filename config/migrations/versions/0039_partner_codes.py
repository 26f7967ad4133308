"""The codes by which third-party sellers recommend goods."""

from alembic import op

revision = "0039_partner_codes"
down_revision = "0038_feed"
branch_labels = None
depends_on = None

TABLE = """
    CREATE TABLE partner_codes (
        partner_id BIGINT NOT NULL,
        landing_kind VARCHAR NOT NULL,
        landing_slug VARCHAR NOT NULL,
        code VARCHAR NOT NULL,
        placement VARCHAR NOT NULL,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_partner_codes PRIMARY KEY (partner_id, landing_kind, landing_slug),
        CONSTRAINT uq_partner_codes_code UNIQUE (code),
        CONSTRAINT uq_partner_codes_placement UNIQUE (placement),
        CONSTRAINT ck_partner_codes_landingkind CHECK (landing_kind IN ('product', 'hall')),
        CONSTRAINT fk_partner_codes_partner_id_partners FOREIGN KEY (partner_id) REFERENCES partners (id)
    );
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE partner_codes")

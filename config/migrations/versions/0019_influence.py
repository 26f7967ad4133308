"""What the nightly study of the riders' paths found."""

from alembic import op

revision = "0019_influence"
down_revision = "0018_search"
branch_labels = None
depends_on = None

TABLE = """
    CREATE TABLE influence_studies (
        level VARCHAR(8) NOT NULL,
        from_day DATE NOT NULL,
        to_day DATE NOT NULL,
        params JSONB NOT NULL,
        found JSONB NOT NULL,
        studied_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_influence_studies PRIMARY KEY (level),
        CONSTRAINT ck_influence_studies_level
            CHECK (level IN ('medium', 'network', 'line', 'asset', 'car', 'position'))
    );
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE influence_studies")

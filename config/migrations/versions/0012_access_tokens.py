"""WeChat's access tokens, shared by all processes, and the lease of whoever fetches the next."""

from alembic import op

revision = "0012_access_tokens"
down_revision = "0011_cases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("""
        CREATE TABLE wechat_access_tokens (
            key varchar(64) CONSTRAINT pk_wechat_access_tokens PRIMARY KEY,
            sealed varchar(4096),
            lives_until timestamptz,
            turn_until timestamptz,
            forced_at timestamptz
        )
    """)


def downgrade() -> None:
    """Drop it; tokens are fetched again."""
    op.execute("DROP TABLE wechat_access_tokens")

"""The bindings by which orders came, beside the placements: so that a campaign's ways are read without the log."""

from alembic import op

revision = "0062_bindings_of_ways"
down_revision = "0061_names_by_slug"
branch_labels = None
depends_on = None

# Every day with ways is counted anew: until then its ways are counted from the log.
_RECOUNT = "INSERT INTO rollup_marks (kind, day) SELECT DISTINCT 'orders', day FROM path_days; DELETE FROM path_days"


def upgrade() -> None:
    """Add the bindings to what tells the rows apart."""
    op.execute(_RECOUNT)
    op.execute(
        """
        ALTER TABLE path_days
            ADD COLUMN bindings VARCHAR NOT NULL,
            DROP CONSTRAINT pk_path_days,
            ADD CONSTRAINT pk_path_days PRIMARY KEY (day, path, bindings)
        """
    )


def downgrade() -> None:
    """Take them out again; ways over several bindings are counted anew as one."""
    op.execute(_RECOUNT)
    op.execute(
        """
        ALTER TABLE path_days
            DROP CONSTRAINT pk_path_days,
            DROP COLUMN bindings,
            ADD CONSTRAINT pk_path_days PRIMARY KEY (day, path)
        """
    )

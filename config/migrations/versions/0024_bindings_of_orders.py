"""Rollups of orders and money by binding, the ways by which orders came, and the lines of a product found by index."""

from alembic import op

revision = "0024_bindings_of_orders"
down_revision = "0023_pictures"
branch_labels = None
depends_on = None

# Every day of orders is counted anew: until then reports count those days from the log.
RECOUNT = """
    INSERT INTO rollup_marks (kind, day)
    SELECT 'orders', day FROM (
        SELECT day FROM order_days UNION SELECT day FROM credit_days UNION SELECT day FROM total_days
    ) days
"""
KEYED = {"order_days": ("day",), "credit_days": ("model", "day")}


def _keys(table: str, first: tuple[str, ...]) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return name and columns of the old key and of the new one."""
    old, new = ((*first, "placement_id", *binding, "outcome", "reason") for binding in ((), ("binding_id",)))
    return tuple((f"uq_{table}_{'_'.join(key)}", ", ".join(key)) for key in (old, new))  # type: ignore[return-value]


def upgrade() -> None:
    """Add the binding to what tells the rows apart, and the new table and index."""
    op.execute(RECOUNT)
    for table, first in KEYED.items():
        (old, _), (new, new_columns) = _keys(table, first)
        op.execute(
            f"""
            ALTER TABLE {table}
                ADD COLUMN binding_id BIGINT,
                ADD CONSTRAINT fk_{table}_binding_id_code_bindings
                    FOREIGN KEY (binding_id) REFERENCES code_bindings (id),
                DROP CONSTRAINT {old},
                ADD CONSTRAINT {new} UNIQUE NULLS NOT DISTINCT ({new_columns})
            """
        )
    op.execute(
        """
        CREATE TABLE path_days (
            day DATE NOT NULL,
            path VARCHAR NOT NULL,
            orders BIGINT NOT NULL,
            journeys BIGINT NOT NULL,
            paid_fen BIGINT NOT NULL,
            CONSTRAINT pk_path_days PRIMARY KEY (day, path)
        );
        CREATE INDEX ix_conversion_lines_product ON conversion_lines (product);
        """
    )


def downgrade() -> None:
    """Take the binding out again; rows of several bindings of one placement are counted anew as one."""
    op.execute(RECOUNT)
    op.execute("DROP INDEX ix_conversion_lines_product; DROP TABLE path_days")
    op.execute("DELETE FROM order_days; DELETE FROM credit_days")
    for table, first in KEYED.items():
        (old, old_columns), (new, _) = _keys(table, first)
        op.execute(
            f"""
            ALTER TABLE {table}
                DROP CONSTRAINT {new},
                DROP COLUMN binding_id,
                ADD CONSTRAINT {old} UNIQUE NULLS NOT DISTINCT ({old_columns})
            """
        )

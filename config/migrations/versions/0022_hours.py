"""Rollups by hour: when riders scan where, and what the scans of each hour earned; every day is counted anew."""

from alembic import op

revision = "0022_hours"
down_revision = "0021_money_cases"
branch_labels = None
depends_on = None

TABLES = """
    CREATE TABLE scan_hours (
        day DATE NOT NULL,
        placement_id BIGINT NOT NULL,
        hour SMALLINT NOT NULL,
        scans BIGINT NOT NULL,
        journeys BIGINT NOT NULL,
        CONSTRAINT pk_scan_hours PRIMARY KEY (day, placement_id, hour),
        CONSTRAINT fk_scan_hours_placement_id_placements FOREIGN KEY(placement_id) REFERENCES placements (id),
        CONSTRAINT ck_scan_hours_of_a_day CHECK (hour BETWEEN 0 AND 23)
    );
    CREATE TABLE sale_hours (
        day DATE NOT NULL,
        placement_id BIGINT NOT NULL,
        hour SMALLINT NOT NULL,
        paid_orders BIGINT NOT NULL,
        paid_journeys BIGINT NOT NULL,
        gross_fen BIGINT NOT NULL,
        refunded_fen BIGINT NOT NULL,
        CONSTRAINT pk_sale_hours PRIMARY KEY (day, placement_id, hour),
        CONSTRAINT fk_sale_hours_placement_id_placements FOREIGN KEY(placement_id) REFERENCES placements (id),
        CONSTRAINT ck_sale_hours_of_a_day CHECK (hour BETWEEN 0 AND 23)
    );
"""


def upgrade() -> None:
    """Create the tables, and mark every day that is rolled up already."""
    op.execute(TABLES)
    op.execute(
        """
        INSERT INTO rollup_marks (kind, day)
        SELECT 'scans', day FROM (SELECT DISTINCT day FROM scan_days) days
        UNION ALL
        SELECT 'orders', day FROM (SELECT day FROM order_days UNION SELECT day FROM credit_days) days
        """
    )


def downgrade() -> None:
    """Drop the tables."""
    op.execute("DROP TABLE scan_hours, sale_hours")

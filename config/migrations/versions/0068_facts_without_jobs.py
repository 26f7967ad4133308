"""Hurried facts are dispatched from the to-do list, without a job of the queue."""

from alembic import op

revision = "0068_facts_without_jobs"
down_revision = "0067_days_of_goods"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the to-do list say whose threads are to dispatch a fact, and drop what each publishing paid for in vain.

    The list is short, so nothing needs its order of time; a fact and its entry are written by one statement, and facts
    are never deleted. Facts that wait with a job from before are hurried by that job (`config.dispatch.hurry`).
    """
    op.execute("""
        ALTER TABLE open_facts ADD COLUMN queue varchar, DROP CONSTRAINT fk_open_facts_fact_id_facts
    """)
    op.execute("CREATE INDEX ix_open_facts_queue_fact_id ON open_facts (queue, fact_id) WHERE queue IS NOT NULL")
    op.execute("DROP INDEX ix_open_facts_since")


def downgrade() -> None:
    """Give each fact that still waits for its dispatch a job, and put back what was dropped."""
    op.execute("""
        INSERT INTO procrastinate_jobs (queue_name, task_name, args)
        SELECT queue, 'facts.dispatch', jsonb_build_object('fact_id', fact_id)
        FROM open_facts WHERE queue IS NOT NULL
    """)
    op.execute("""
        ALTER TABLE open_facts DROP COLUMN queue,
            ADD CONSTRAINT fk_open_facts_fact_id_facts FOREIGN KEY (fact_id) REFERENCES facts (id)
    """)
    op.execute("CREATE INDEX ix_open_facts_since ON open_facts (since)")

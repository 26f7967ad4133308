"""A queue that sends no notices and keeps no diary of jobs that end well."""

from alembic import op

revision = "0059_quiet_queue"
down_revision = "0058_second_look_at_write_offs"
branch_labels = None
depends_on = None

_ENDED_BADLY = "('failed'::procrastinate_job_status, 'cancelled', 'aborted')"


def upgrade() -> None:
    """Take procrastinate's triggers off that no job needs: a notice per job, and an event per step of its life.

    A commit that sends a notice waits for every other such commit, its own write to disk included. The events tell when
    a job ended, which is asked only of those that ended badly.
    """
    op.execute("DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs")
    op.execute("DROP TRIGGER procrastinate_trigger_status_events_insert_v1 ON procrastinate_jobs")
    op.execute("DROP TRIGGER procrastinate_trigger_status_events_update_v1 ON procrastinate_jobs")
    op.execute(f"""
        CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON procrastinate_jobs
        FOR EACH ROW WHEN (NEW.status IN {_ENDED_BADLY})
        EXECUTE FUNCTION procrastinate_trigger_function_status_events_update_v1()
    """)


def downgrade() -> None:
    """Put them back as the library has them."""
    op.execute("DROP TRIGGER procrastinate_trigger_status_events_update_v1 ON procrastinate_jobs")
    op.execute("""
        CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON procrastinate_jobs
        FOR EACH ROW EXECUTE FUNCTION procrastinate_trigger_function_status_events_update_v1()
    """)
    for name, function in (
        ("procrastinate_jobs_notify_queue_job_inserted_v1", "procrastinate_notify_queue_job_inserted_v1"),
        ("procrastinate_trigger_status_events_insert_v1", "procrastinate_trigger_function_status_events_insert_v1"),
    ):
        op.execute(f"""
            CREATE TRIGGER {name} AFTER INSERT ON procrastinate_jobs
            FOR EACH ROW WHEN (NEW.status = 'todo'::procrastinate_job_status) EXECUTE FUNCTION {function}()
        """)

"""gunicorn's settings: `gunicorn -c config/gunicorn.py wsgi:app`.

Invariant: without DATABASE_URL / REDIS_URL the master holds the embedded engines for its workers, which inherit the
URLs through the environment and never start engines themselves.
"""

import gc
import os

from config import embedded

bind = os.environ.get("BIND", "127.0.0.1:8000")
worker_class = "config.server.Worker"
# One process a core; eight threads wait for PostgreSQL and WeChat meanwhile (docs/decisions/server.md).
workers = int(os.environ.get("WEB_PROCESSES", str(min(os.cpu_count() or 2, 4))))
threads = 8
# Longer than a proxy keeps an unused connection (nginx: 60 s): else it would send on one that we are closing.
keepalive = 75
timeout = 30
graceful_timeout = 20
max_requests = 0
# Its default socket is one for the whole account: two shops on one machine would fight for it.
control_socket_disable = True
accesslog = None
# Our own log has a line for each request; gunicorn speaks of its life only. At "debug" it would write down every path,
# and an order's link opens that order.
loglevel = os.environ.get("LOG_LEVEL", "INFO").lower().replace("debug", "info")
proc_name = "local-hall"


def post_worker_init(_worker: object) -> None:
    """Spare the collector of garbage what was loaded at the start and stays.

    Else it looks through all of it once in thousands of requests, all of which stand still meanwhile.
    """
    gc.collect()
    gc.freeze()


embedded.provide(os.environ)

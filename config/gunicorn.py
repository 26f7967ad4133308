"""gunicorn's settings: `gunicorn -c config/gunicorn.py wsgi:app`.

Invariant: without DATABASE_URL / REDIS_URL the master holds the embedded engines for its workers, which inherit the
URLs through the environment and never start engines themselves.
"""

import contextlib
import ctypes
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


# glibc's number for how many arenas `malloc` may have (malloc.h).
_M_ARENA_MAX = -8


def post_worker_init(_worker: object) -> None:
    """Make a process cheap to keep: nothing is looked through for garbage in vain, or kept back for a thread.

    Else the collector goes through all that was loaded at the start once in thousands of requests, which stand still
    meanwhile, and each of eight threads keeps what its largest page took for itself. Python lets one of them work at a
    time anyway, so one arena serves them all. Another libc than glibc has nothing to be told.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


embedded.provide(os.environ)

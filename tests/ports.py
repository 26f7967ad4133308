"""Ports for servers that are told where to listen.

A port that the system hands out and takes back may be handed out again, to a connection of another process, before the
server listens on it. So these come from below the range that the system hands out, and each test process of a run keeps
to a stretch of its own.
"""

import os
import socket
import zlib

_FIRST, _STRETCH, _STRETCHES = 10_000, 500, 45
_given = 0


def free_port() -> int:
    """A port of the loopback address that nobody uses, and that no other test process is given."""
    global _given
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    stretch = zlib.crc32(run.encode()) + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for _ in range(_STRETCH):
        port = _FIRST + stretch % _STRETCHES * _STRETCH + _given % _STRETCH
        _given += 1
        with socket.socket() as probe:
            # What a server that has just stopped leaves behind is in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port of this test process is taken")

"""The supervisor of a desk: what it refuses before it starts anything."""

import socket
import subprocess
import sys

import pytest

from config import desk


def test_a_desk_does_not_start_where_something_else_answers() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(desk.PortTaken, match=f"port {port} is taken"):
            desk.require_free_ports(port)
    desk.require_free_ports(port)


def test_a_step_that_ctrl_c_ends_is_no_fault() -> None:
    step = [sys.executable, "-c", "import sys; sys.exit(1)"]
    with pytest.raises(subprocess.CalledProcessError):
        desk._command(step, {}, [])
    told: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        run = subprocess.run
        patch.setattr(desk.subprocess, "run", lambda *given, **named: (told.append(2), run(*given, **named))[1])
        desk._command(step, {}, told)
    assert told == [2]
    desk._command(step, {}, told)

"""`make run`: the whole shop on one desk, under one supervisor.

Invariant: the supervisor alone owns the engines; web, worker and emulator get their addresses from it, are restarted
when they end, and all stop when it stops. A supervisor that is killed leaves only the engines, which the next start
adopts.
"""

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from config import embedded

WEB_PORT = int(os.environ.get("WEB_PORT", "8000"))
WECHAT_PORT = int(os.environ.get("WECHAT_PORT", "9000"))
# What ends at once is not tried more than every five seconds; what ran well is back in a fifth of one.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
# The worker lets a running job finish; its calls to WeChat take at most 10 s each.
STOP_TIMEOUT_S = 25
_PR_SET_PDEATHSIG = 1


class PortTaken(Exception):
    """Something else answers where the shop wants to."""


@dataclass
class Child:
    """A process that must be running."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = SHORTEST_PAUSE_S

    def start(self, environment: dict[str, str]) -> None:
        """Start it in its own session, so that Ctrl-C reaches only the supervisor; it dies with us."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - commands of ours
            self.command,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, before exec, in a process without threads
        )

    def keep(self, environment: dict[str, str]) -> None:
        """Start it again when it has ended and its pause is over."""
        if self.process is None or self.process.poll() is None:
            return
        lived_s = time.monotonic() - self.started_at
        if lived_s < self.pause_s:
            return
        say(f"{self.name} ended ({self.process.returncode}); starting it again")
        self.pause_s = SHORTEST_PAUSE_S if lived_s > 30 else min(self.pause_s * 2, LONGEST_PAUSE_S)
        self.start(environment)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) if sys.platform == "linux" else None


def say(line: str) -> None:
    """Write one line for the person at the desk."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def require_free_ports(*ports: int) -> None:
    """Make sure that nothing else answers at `ports`: people would be shown another shop as this one.

    Raises `PortTaken`.
    """
    for port in ports:
        with socket.socket() as probe:
            # A port that was just left counts as free, as it does for the servers.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise PortTaken(f"port {port} is taken; choose others: WEB_PORT=8100 WECHAT_PORT=9100") from error


def environment_of(data_dir: Path) -> dict[str, str]:
    """Return the environment of a shop on a desk: the engines', the emulator's, and a secret made once."""
    environment = dict(os.environ)
    environment.setdefault("HALL_DATA_DIR", str(data_dir))
    environment.setdefault("PUBLIC_BASE_URL", f"http://127.0.0.1:{WEB_PORT}")
    environment.setdefault("BIND", f"127.0.0.1:{WEB_PORT}")
    environment.setdefault("LOG_LEVEL", "WARNING")
    environment["ALLOW_EMULATED_WECHAT"] = "1"
    secret = data_dir / "secret"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(48))
    environment.setdefault("SECRET_KEY", secret.read_text())
    wechat = data_dir / "wechat"
    command = [sys.executable, "-m", "emulator", "--port", str(WECHAT_PORT), "--dir", str(wechat), "--write-settings"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - a command of ours
    for line in (wechat / "settings.env").read_text().splitlines():
        name, _, value = line.partition("=")
        environment.setdefault(name, value)
    return environment


def run() -> None:
    """Start everything, say which page to open, keep everything running until Ctrl-C."""
    require_free_ports(WEB_PORT, WECHAT_PORT)
    data_dir = Path(os.environ.get("HALL_DATA_DIR") or ".data").absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    say("Starting PostgreSQL and Redis …")
    engines = embedded.ensure(data_dir)
    environment = environment_of(data_dir)
    environment["DATABASE_URL"] = engines.database_url
    if engines.redis_url:
        environment["REDIS_URL"] = engines.redis_url
    flask = [sys.executable, "-m", "flask", "--app", "wsgi"]
    children = [
        Child("wechat emulator", [sys.executable, "-m", "emulator", "--port", str(WECHAT_PORT),
                                  "--dir", str(data_dir / "wechat")]),
        Child("web", [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"]),
        Child("worker", [*flask, "worker"]),
    ]  # fmt: skip
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: told.append(number))
    try:
        for command in ("migrate", "seed"):
            _command([*flask, command], environment, told)
        for child in () if told else children:
            child.start(environment)
        _wait_for_web(told)
        _command([*flask, "welcome"], environment, told)
        while not told:
            time.sleep(0.5)
            engines.revive()
            for child in children:
                child.keep(environment)
    finally:
        say("\nStopping …")
        _stop(children[::-1])
        engines.release()


def _command(command: list[str], environment: dict[str, str], told: list[int]) -> None:
    """Run one step of the start; Ctrl-C, which reaches it too, ends it and is no fault."""
    if told:
        return
    done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - a command of ours
    if not told:
        done.check_returncode()


def _wait_for_web(told: list[int]) -> None:
    deadline = time.monotonic() + 30
    while not told and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{WEB_PORT}/readyz", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return


def _stop(children: list[Child]) -> None:
    living = [child.process for child in children if child.process is not None and child.process.poll() is None]
    for process in living:
        process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for process in living:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def command(arguments: list[str]) -> int:
    """Run one `flask` command in the desk's environment, for example `staff code`; returns its exit status."""
    data_dir = Path(os.environ.get("HALL_DATA_DIR") or ".data").absolute()
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    return subprocess.run(flask, env=environment_of(data_dir), check=False).returncode  # noqa: S603


if __name__ == "__main__":
    try:
        if sys.argv[1:]:
            sys.exit(command(sys.argv[1:]))
        run()
    except (embedded.EngineError, subprocess.CalledProcessError, PortTaken) as error:
        sys.exit(f"The shop cannot start: {error}")

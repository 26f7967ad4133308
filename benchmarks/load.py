"""The load: requests over raw keep-alive sockets, and statements over raw connections, from a few processes.

Invariant: closed loop, so each client waits for its answer before it asks again; an answer that was not expected ends
the run, because a fast error is not speed.
"""

import multiprocessing
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# More client processes than this only take the cores from what is measured.
PROCESSES = 2
# A new connection now and then spreads the clients over the server's processes as real ones are.
REQUESTS_A_CONNECTION = 100
PATIENCE_S = 60

_fork = multiprocessing.get_context("fork")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

Run = tuple[float, float, list[float], Counter[int]]


@dataclass(frozen=True)
class Outcome:
    """What came of a load: requests a second, latencies in ms (ascending), and answers by status."""

    rate: float
    latencies_ms: list[float]
    statuses: Counter[int]

    def percentile(self, share: float) -> float:
        """Return the latency in ms that `share` of the requests did not exceed."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * share))]


def request(
    method: str, path: str, *, host: str = "127.0.0.1", headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Return the bytes of one HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body or method != "GET" else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(port: int, requests: Sequence[bytes], *, connections: int, expected: set[int]) -> Outcome:
    """Send `requests` over `connections` to a server of this machine. Raises `RuntimeError` for another status."""
    shares = min(PROCESSES, connections)
    parts = [(requests[i::shares], connections // shares + (i < connections % shares)) for i in range(shares)]
    outcome = _gather([lambda part=part, width=width: _serve(port, part, width) for part, width in parts])
    wrong = {status: count for status, count in outcome.statuses.items() if status not in expected}
    if wrong:
        raise RuntimeError(f"answers that nobody expected: {wrong}")
    return outcome


def loop(make: Callable[[int], Callable[[int], None]], *, clients: int, count: int) -> Outcome:
    """Run `make(client)(turn)` `count` times over `clients` processes, without HTTP."""

    def work(client: int) -> Run:
        act = make(client)
        latencies = []
        begun = time.monotonic()
        for turn in range(count // clients):
            asked = time.perf_counter()
            act(turn)
            latencies.append((time.perf_counter() - asked) * 1000)
        return begun, time.monotonic(), latencies, Counter({0: len(latencies)})

    return _gather([lambda client=client: work(client) for client in range(clients)])


def _gather(works: Sequence[Callable[[], Run]]) -> Outcome:
    """Run each of `works` in a process of its own, all at once."""
    pipes = []
    for work in works:
        here, there = _fork.Pipe(duplex=False)
        child = _fork.Process(target=lambda work=work, there=there: there.send(work()), daemon=True)
        child.start()
        there.close()
        pipes.append((child, here))
    runs: list[Run] = []
    for child, here in pipes:
        try:
            runs.append(here.recv())
        except EOFError:
            raise RuntimeError("a client of the load died, see above") from None
        child.join()
    seconds = max(run[1] for run in runs) - min(run[0] for run in runs)
    latencies = sorted(latency for run in runs for latency in run[2])
    return Outcome(len(latencies) / seconds, latencies, sum((run[3] for run in runs), Counter()))


@dataclass
class _Client:
    """One connection and what it waits for."""

    socket: socket.socket
    asked: float = 0.0
    answer: bytes = b""
    sent: int = 0

    def ask(self, message: bytes) -> None:
        self.answer, self.asked = b"", time.perf_counter()
        self.sent += 1
        self.socket.sendall(message)


def _serve(port: int, requests: Sequence[bytes], width: int) -> Run:  # noqa: C901 - one loop and its state
    poll = select.epoll()
    todo: Iterator[bytes] = iter(requests)
    clients: dict[int, _Client] = {}
    latencies: list[float] = []
    statuses: Counter[int] = Counter()

    def connect() -> _Client:
        client = _Client(socket.create_connection(("127.0.0.1", port)))
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(client.socket.fileno(), select.EPOLLIN)
        clients[client.socket.fileno()] = client
        return client

    def leave(client: _Client) -> None:
        poll.unregister(client.socket.fileno())
        del clients[client.socket.fileno()]
        client.socket.close()

    def go_on(client: _Client, *, again: bool) -> None:
        following = next(todo, None)
        if following is None or not again or client.sent >= REQUESTS_A_CONNECTION:
            leave(client)
            client = connect() if following is not None else client
        if following is not None:
            client.ask(following)

    begun = time.monotonic()
    for _ in range(min(width, len(requests))):
        go_on(connect(), again=True)
    while clients:
        ready = poll.poll(PATIENCE_S)
        if not ready:
            raise RuntimeError(f"no answer within {PATIENCE_S} s")
        for number, _event in ready:
            client = clients[number]
            part = client.socket.recv(262144)
            client.answer += part
            if not part:
                raise RuntimeError(f"the server hung up in the middle of {client.answer[:200]!r}")
            status, again = _read(client.answer)
            if status:
                latencies.append((time.perf_counter() - client.asked) * 1000)
                statuses[status] += 1
                go_on(client, again=again)
    return begun, time.monotonic(), latencies, statuses


def _read(answer: bytes) -> tuple[int, bool]:
    """Return the status of an answer, 0 while it is not whole, and whether the connection stays open."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return 0, True
    length = _LENGTH.search(head)
    if length and len(body) < int(length[1]):
        return 0, True
    return int(head[9:12]), b"connection: close" not in head.lower()

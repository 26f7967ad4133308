"""Own a slow line for browsers: a TCP proxy whose bytes really arrive late and really share one thin pipe.

A connection costs one round trip before its first byte, as a handshake does; each direction of the line carries no more
than `bits_per_second` over all connections together.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 1460


class _Pipe:
    """One direction of the line: a clock that says when the next byte can be through."""

    def __init__(self, bits_per_second: int, delay_seconds: float) -> None:
        self._seconds_per_byte = 8 / bits_per_second
        self._delay_seconds = delay_seconds
        self._is_free_at = 0.0

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Move bytes until the source ends; what was read last arrives last."""
        loop = asyncio.get_running_loop()
        arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.ensure_future(self._deliver(arrivals, sink))
        while data := await source.read(_CHUNK):
            self._is_free_at = max(self._is_free_at, loop.time()) + len(data) * self._seconds_per_byte
            arrivals.put_nowait((self._is_free_at + self._delay_seconds, data))
        arrivals.put_nowait((loop.time() + self._delay_seconds, b""))
        await delivery

    @staticmethod
    async def _deliver(arrivals: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at, data = await arrivals.get()
            await asyncio.sleep(at - loop.time())
            if not data:
                sink.close()
                return
            sink.write(data)
            await sink.drain()


class _Line:
    def __init__(self, port: int, bits_per_second: int, round_trip_seconds: float) -> None:
        self._port = port
        self._round_trip_seconds = round_trip_seconds
        self._up = _Pipe(bits_per_second, round_trip_seconds / 2)
        self._down = _Pipe(bits_per_second, round_trip_seconds / 2)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        # Only the end of the line cancels; the stream's own callback would print that as a fault.
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(self._round_trip_seconds)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ends.append(far_writer)
            await asyncio.gather(
                self._up.carry(reader, far_writer), self._down.carry(far_reader, writer), return_exceptions=True
            )
        for end in ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)


@contextmanager
def slow_link(port: int, *, bits_per_second: int, round_trip_seconds: float) -> Iterator[int]:
    """Serve a local port on a thin line from a port of its own, and yield that port."""
    loop = asyncio.new_event_loop()
    line = _Line(port, bits_per_second, round_trip_seconds)
    thread = threading.Thread(target=loop.run_forever, name="slow-link", daemon=True)
    thread.start()
    # The loop lives in its thread from the start: playwright already runs one in this thread.
    listening = asyncio.start_server(line.accept, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(timeout=10)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

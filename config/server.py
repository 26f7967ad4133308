"""gunicorn's worker: threads that each wait for the next request themselves, and answers that leave in one piece.

gunicorn's own threaded worker hands each request from its main thread to another and back, through two queues and a
pipe, and its main thread waits for clients that are slow to hang up. Here the threads ask one epoll for whatever
connection has something to say, as many at once as have a turn (`turns`). What HTTP is (parsing, limits, framing,
errors) stays gunicorn's.

Invariant: a connection either waits in `keepalived_conns` or is in the hands of the one thread that took it out, since
epoll reports it once (EPOLLONESHOT) until it is put back and `dict.pop` gives it to one taker only. No thread waits for
a connection that has not spoken, so idle ones cost none; one that falls silent in the middle of a request holds its
thread for `patience_s` at most.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import threading
import time
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from config import turns

_ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
# How late the main thread may notice what no signal tells it: a slow request; expired connections, a dead master.
_LOOK_S, _TICK_S = 0.01, 1.0
# Beyond this, copying a body behind its head costs more than sending it apart.
_JOINED_BYTES = 65_536
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class _Wire(socket.socket):
    """A client's socket that gives up on whoever stays away in the middle of a request or an answer."""

    def give_up_after(self, seconds: int) -> None:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))

    def recv(self, *given: int) -> bytes:
        try:
            return super().recv(*given)
        except BlockingIOError as late:
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from late

    def sendall(self, *given: Any) -> None:
        try:
            super().sendall(*given)
        except BlockingIOError as late:
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from late


class _Pieces:
    """What an answer is written to while its head and the first part of its body are put together."""

    def __init__(self) -> None:
        self.data = bytearray()

    def sendall(self, data: bytes) -> None:
        self.data += data


class Response(wsgi.Response):
    """gunicorn's response, whose head leaves together with the first part of the body: one packet instead of two."""

    sock: Any

    def write(self, arg: bytes) -> None:
        """Send a part of the body, and the head before the first."""
        if self.headers_sent or len(arg) > _JOINED_BYTES:
            super().write(arg)
            return
        wire, pieces = self.sock, _Pieces()
        self.sock = pieces
        try:
            super().write(arg)
        finally:
            self.sock = wire
            wire.sendall(pieces.data)


class Worker(ThreadWorker):
    """A process with `threads` threads, each of which accepts, reads, answers and waits again."""

    # So many threads answer at once, unless some of them are slow (docs/decisions/server.md).
    turns = 2
    # For how long a client may stay away in the middle of a request or an answer, in seconds: as long as a tunnel.
    patience_s = 20

    def init_process(self) -> None:
        """Make ready and serve until told to stop."""
        # gunicorn builds each answer of what stands under this name.
        wsgi.Response = Response
        self._epoll = select.epoll()
        self._listeners = {listener.fileno(): listener for listener in self.sockets}
        self._open: set[TConn] = set()
        # By file descriptor. gunicorn looks at its length, and ends connections of which there are too many.
        self.keepalived_conns: dict[int, TConn] = {}
        self._turns = turns.Turns(self.turns)
        super().init_process()

    def get_thread_pool(self) -> None:
        """Return nothing: no thread is handed a request."""

    def handle_exit(self, _signal: int, _frame: object) -> None:
        """Stop gracefully."""
        self.alive = False

    def handle_quit(self, signal: int, frame: object) -> None:
        """Stop at once."""
        super(ThreadWorker, self).handle_quit(signal, frame)

    def run(self) -> None:
        """Keep the heartbeat and the limits of time until told to stop or the master is gone, then let clients go."""
        for listener in self.sockets:
            listener.setblocking(False)
            self._epoll.register(listener, _ONCE)
        for number in range(self.cfg.threads):
            threading.Thread(target=self._serve, args=(number,), name=f"web-{number}", daemon=True).start()
        tick = 0.0
        while self.alive:
            self._pause(_LOOK_S)
            self._turns.take_from_slow()
            now = time.monotonic()
            if now < tick:
                continue
            tick = now + _TICK_S
            if not self.is_parent_alive():
                break
            self.notify()
            self._close_waiting(expired_by=now)
            self._listen()
        self.alive = False
        for listener in self.sockets:
            self._epoll.unregister(listener)
            listener.close()
        # Whoever keeps a connection may be sending on it right now, and is answered with "Connection: close".
        lingering = time.monotonic() + STOP_KEEPALIVE_LINGER
        patience = time.monotonic() + self.cfg.graceful_timeout
        while self._open and time.monotonic() < patience:
            self._pause(_LOOK_S)
            self._turns.take_from_slow()
            self.notify()
            if time.monotonic() >= lingering:
                self._close_waiting()
        self._close_waiting()

    def _pause(self, seconds: float) -> None:
        """Wait for a signal, which writes into a pipe."""
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 4096)

    def _listen(self) -> None:
        if self.alive and len(self._open) < self.worker_connections:
            # Closed meanwhile, when the worker stops.
            with contextlib.suppress(OSError, ValueError):
                for listener in self.sockets:
                    self._epoll.modify(listener, _ONCE)

    def _close_waiting(self, *, expired_by: float | None = None) -> None:
        for descriptor, connection in list(self.keepalived_conns.items()):
            if expired_by is not None and connection.timeout > expired_by:
                continue
            taken = self.keepalived_conns.pop(descriptor, None)
            if taken is connection:
                self._open.discard(connection)
                connection.close()
            elif taken is not None:
                # One that came meanwhile and has the number of one that went.
                self._wait_for(taken)

    def _serve(self, thread: int) -> None:
        while True:
            self._turns.wait()
            has_turn = True
            while has_turn:
                for descriptor, _event in self._epoll.poll(maxevents=1):
                    self._turns.begin(thread)
                    self._act_on(descriptor)
                    has_turn = self._turns.end(thread)

    def _act_on(self, descriptor: int) -> None:
        try:
            if listener := self._listeners.get(descriptor):
                self._accept(listener)
            elif connection := self.keepalived_conns.pop(descriptor, None):
                self._answer(connection)
        except (Exception, SystemExit):
            self.log.exception("A thread goes on after an error of the server")

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted, client = listener.accept()
        except OSError as error:
            # Without descriptors left the main thread listens again in a moment; else another process was faster, the
            # client has gone again, or we stop.
            if error.errno in _NO_DESCRIPTORS:
                self.log.warning("No connection accepted: %s", error)
            else:
                self._listen()
            return
        wire = _Wire(fileno=accepted.detach())
        wire.give_up_after(self.patience_s)
        connection = TConn(self.cfg, wire, client, listener.getsockname())
        self._open.add(connection)
        self._epoll.register(wire, 0)
        self._wait_for(connection)
        self._listen()

    def _answer(self, connection: TConn) -> None:
        # It has spoken: gunicorn need not look for itself.
        connection.data_ready = True
        try:
            is_kept = self.handle(connection)
            # What came behind the request is in our hands already, of which epoll knows nothing.
            while is_kept and connection.parser.unreader.buf.getvalue():
                is_kept = self.handle(connection)
        except BaseException:
            self._end(connection)
            raise
        if is_kept:
            self._wait_for(connection)
        else:
            self._end(connection)

    def _end(self, connection: TConn) -> None:
        self._open.discard(connection)
        connection.close(graceful=True)

    def _wait_for(self, connection: TConn) -> None:
        connection.set_timeout()
        descriptor = connection.sock.fileno()
        self.keepalived_conns[descriptor] = connection
        # Its time may be over before epoll hears of it, when the worker stops: then it is closed.
        with contextlib.suppress(OSError, ValueError):
            self._epoll.modify(descriptor, _ONCE)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Return whether the connection may carry another request: cheaper for a body that was read to its end."""
        body = conn.parser.mesg.body
        if keepalive and isinstance(body.reader, LengthReader) and not body.reader.length and not body.failed:
            conn.parser.mesg = None
            return True
        return bool(super()._keepalive_after(conn, keepalive))

"""A small HTTP/1.1 server for a desk: a thread per connection, connections kept alive, hang-ups on order.

It reads each request whole before the application runs and writes each answer in one piece, so that a connection is
always at a message border when the next request comes. The raw request target reaches the application as REQUEST_URI,
because that is what merchants sign.
"""

import http.server
import io
import logging
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from emulator.gate import HangUp

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
MOST_BYTES = 1 << 20
IDLE_SECONDS = 75
_log = logging.getLogger(__name__)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Kept-alive answers would otherwise wait 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    # Buffered, so that head and body leave in one piece.
    wbufsize = -1
    server: "Server"

    def handle_one_request(self) -> None:
        """Read one request, let the application answer it, write the answer."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or len(self.raw_requestline) > 65536:
                self.close_connection = True
                return
            if not self.parse_request():
                return
            body = self._body()
            if body is not None:
                self._answer(body)
        except HangUp as order:
            self._hang_up(order)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _body(self) -> bytes | None:
        """Return the request's body, or None after refusing one of unknown or excessive length."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self.send_error(411)
        elif int(length) > MOST_BYTES:
            self.send_error(413)
        else:
            return self.rfile.read(int(length))
        self.close_connection = True
        return None

    def _answer(self, body: bytes) -> None:
        head: list[Any] = ["500 INTERNAL SERVER ERROR", []]

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            head[:] = [status, headers]

        chunks: Iterable[bytes] = ()
        try:
            chunks = self.server.application(self._environ(body), start_response)
            # A file says its length and goes out as it is read; anything else is one piece.
            length = dict(head[1]).get("Content-Length")
            if length is None or int(length) <= MOST_BYTES:
                content = b"".join(chunks)
                length, pieces = str(len(content)), iter((content,))
            else:
                pieces = iter(chunks)
        except HangUp:
            raise
        except Exception:  # noqa: BLE001 - a bug is a 500 and never the end of the server
            _log.exception("%s %s failed", self.command, self.path)
            head[:], length, pieces = ["500 INTERNAL SERVER ERROR", []], "0", iter(())
        try:
            self._write(*head, length=length, pieces=pieces)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _write(self, status: str, headers: list[tuple[str, str]], *, length: str, pieces: Iterator[bytes]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "date", "server"):
                self.send_header(name, value)
        if int(code) not in (204, 304):
            self.send_header("Content-Length", length)
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            for piece in pieces:
                self.wfile.write(piece)
        self.wfile.flush()

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "REQUEST_URI": self.path,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                environ[f"HTTP_{key}"] = value
        return environ

    def _hang_up(self, order: HangUp) -> None:
        """Drop the connection; rudely means with a TCP reset."""
        if order.is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def version_string(self) -> str:
        """Return what the real one calls itself."""
        return "nginx"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent class names it
        """Keep quiet: the control plane has the log."""


class Server(http.server.ThreadingHTTPServer):
    """The listening socket of a desk."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, application: Application) -> None:
        self.application = application
        super().__init__((host, port), Handler)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that is to be reset must not say goodbye first."""
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0):
            self.close_request(request)
        else:
            super().shutdown_request(request)

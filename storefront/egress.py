"""The one way out to addresses that partners name.

Invariant: https to a public host and nowhere else, whatever a name resolves to at the moment of the call: the address
that was looked up and judged is the one that is connected to, and the certificate must be the name's. A redirect is an
answer like any other and is not followed; of an answer only the status is read; a call is over after ten seconds,
however slowly the other side drips. Never inside a transaction.

On a desk (`WEBHOOK_DESK_CA_FILE`, refused outside of one) this machine itself may be called as well, with a certificate
of that authority: everything else holds there too.
"""

import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from config import database, settings

DEADLINE_S = 10.0
MAX_URL = 500
PORTS = frozenset({443, 8443})
# A status line and headers; whoever sends more before an empty line is no webhook.
_MAX_HEAD = 16 * 1024
# A host with both kinds of address, one of which leads nowhere, is reached by the other.
_MOST_ADDRESSES, _CONNECT_S = 3, 3.0
_URL = re.compile(r"https://[!-~]+", re.ASCII)
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
# Ways to say an IPv4 address in IPv6, behind which a private one could hide.
_COATS = tuple(ip_network(net) for net in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
# For protocols, which no host stands behind; Python lets parts of it pass for global.
_PROTOCOLS = ip_network("192.0.0.0/24")


class Unreachable(Exception):
    """The call got no answer; `reason` is a word for logs and for the partner, without anything of the answer."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Target:
    """Where a URL leads: a host's name, a port, and what stands behind them."""

    host: str
    port: int
    path: str


def target(url: str) -> Target | None:
    """Return where `url` leads, None when it may not be called whatever its host resolves to."""
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    is_desk = _authority() is not None and host == "localhost"
    if parts.username is not None or parts.fragment or not (is_desk or (_NAME.fullmatch(host) and port in PORTS)):
        return None
    return Target(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def is_public(address: str) -> bool:
    """Tell whether an IP address is out in the world: not this machine's, not a private network's, not a group's."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and any(found in net for net in _COATS):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved and found not in _PROTOCOLS


def post(url: str, *, headers: Mapping[str, str], body: bytes) -> int:
    """Send `body` once and return the status of the answer. Raises `Unreachable` when there is none."""
    database.refuse_transaction()
    to = target(url)
    if to is None:
        raise Unreachable("address_refused")
    until = time.monotonic() + DEADLINE_S
    lines = [f"POST {to.path} HTTP/1.1", f"Host: {to.host}" + ("" if to.port == 443 else f":{to.port}")]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    try:
        with _open(to, until) as wire:
            wire.settimeout(_left(until))
            wire.sendall("\r\n".join(lines).encode("ascii") + body)
            return _status(wire, until)
    except TimeoutError as fault:
        raise Unreachable("timeout") from fault
    except ssl.SSLError as fault:
        raise Unreachable("certificate") from fault
    except OSError as fault:
        raise Unreachable("no_connection") from fault


def _open(to: Target, until: float) -> ssl.SSLSocket:
    """Connect to one of the addresses of a host, after all of them were judged."""
    found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    if not found or not all(_may_call(str(address[0])) for *_, address in found):
        raise Unreachable("address_refused")
    context = ssl.create_default_context(cafile=_authority() if to.host == "localhost" else None)
    wire = _connect(found[:_MOST_ADDRESSES], until)
    try:
        wire.settimeout(_left(until))
        return context.wrap_socket(wire, server_hostname=to.host)
    except BaseException:
        wire.close()
        raise


def _connect(found: Sequence[Any], until: float) -> socket.socket:
    """Return a connection to the first address that takes one; a dead one does not use up all the time."""
    last: OSError = ConnectionError()
    for family, kind, protocol, _, address in found:
        wire = socket.socket(family, kind, protocol)
        try:
            wire.settimeout(min(_left(until), _CONNECT_S))
            wire.connect(address)
        except OSError as fault:
            wire.close()
            last = fault
        else:
            return wire
    raise last


def _may_call(address: str) -> bool:
    return is_public(address) or (_authority() is not None and ip_address(address.partition("%")[0]).is_loopback)


def _status(wire: ssl.SSLSocket, until: float) -> int:
    head = b""
    while b"\r\n\r\n" not in head:
        wire.settimeout(_left(until))
        more = wire.recv(4096)
        head += more
        if not more or len(head) > _MAX_HEAD:
            break
    said = _STATUS.match(head)
    if said is None:
        raise Unreachable("no_answer")
    return int(said[1])


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _authority() -> str | None:
    """Return the file of the authority that a desk's own endpoints are signed by; None everywhere else."""
    found = settings.current().webhook_desk_ca_file
    return str(found) if found else None

"""Carries one request to WeChat Pay and its answer back, over kept connections and within one deadline.

What is sent again is the same method, path and body, byte for byte; only the time and nonce of its signature, and the
signature over them, are new. It is sent again only where WeChat takes the repetition for the same request, or where
certainly nobody heard the first.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.exceptions import HTTPError, NewConnectionError

from config import logs

# All attempts of one call together; a job slot and a shopper wait no longer.
DEADLINE_S = 12.0
# A day's bill is some 25 MB and comes as fast as WeChat gives it.
DOWNLOAD_DEADLINE_S = 300.0
_CONNECT_S = 3.0
# Of a long download: so long may nothing come.
_SILENCE_S = 30.0
# Less than this is not worth a second attempt.
_SHORTEST_S = 0.2
# How long the other host is asked first after it answered in place of one that did not.
_BACKUP_FOR_S = 60.0
# Answers are a few KiB. A day of a hundred thousand payments is some 25 MB; what is larger than this is no bill.
_LONGEST_ANSWER = 1024 * 1024
_LONGEST_DOWNLOAD = 1 << 30
# More threads than this never wait for WeChat at once in one process.
_POOL_SIZE = 16

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, before anybody believes it."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `is_repeatable`: WeChat takes the same bytes for the same request, however often they come."""

    method: str
    path: str
    body: bytes
    is_repeatable: bool
    accept: str = "application/json"


class Transport:
    """One process's connections to WeChat Pay's main host and, if there is one, its backup host."""

    def __init__(self, main: str, backup: str | None, sign: Callable[[Request], dict[str, str]]) -> None:
        """Make no connection yet. `sign` gives the headers of one attempt, with a time and nonce of its own."""
        self._hosts = [main] if backup in (None, main) else [main, str(backup)]
        self._sign = sign
        self._backup_until = 0.0
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=_POOL_SIZE))

    def exchange(self, request: Request, *, into: BinaryIO | None = None) -> Answer:
        """Send a request, at most twice, and return the answer that counts; the content of a 200 goes `into` a file.

        A host that cannot be reached, breaks off, stays silent or answers 5xx is replaced by the other one; without
        another, only a broken connection is replaced. Raises `requests.RequestException` when nobody answered.
        """
        deadline_s = DEADLINE_S if into is None else DOWNLOAD_DEADLINE_S
        ends_at = time.monotonic() + deadline_s
        first, second = self._order()
        failure: requests.RequestException | None = None
        answer: Answer | None = None
        try:
            # Half of the time is kept for the other host, where that may be asked after a silence.
            is_halved = first != second and request.is_repeatable
            answer = self._send(first, request, into, within_s=deadline_s / 2 if is_halved else deadline_s)
        except requests.RequestException as error:
            failure = error
        left_s = ends_at - time.monotonic()
        if left_s < _SHORTEST_S or not self._may_repeat(request, answer, failure, has_other=first != second):
            return _outcome(answer, failure)
        log.warning("wechatpay.sent_again", path=request.path, other_host=first != second)
        answer = self._send(second, request, into, within_s=left_s)
        if first != second and answer.status < 500:
            self._backup_until = time.monotonic() + _BACKUP_FOR_S if second == self._hosts[-1] else 0.0
        return answer

    def _order(self) -> tuple[str, str]:
        """The host to ask first and the one to ask next; after a while the main host is asked first again."""
        main, backup = self._hosts[0], self._hosts[-1]
        return (backup, main) if time.monotonic() < self._backup_until else (main, backup)

    def _may_repeat(
        self, request: Request, answer: Answer | None, failure: requests.RequestException | None, *, has_other: bool
    ) -> bool:
        if failure is not None:
            is_broken = isinstance(failure, requests.ConnectionError)
            return _was_never_heard(failure) or (request.is_repeatable and (has_other or is_broken))
        return answer is not None and answer.status >= 500 and request.is_repeatable and has_other

    def _send(self, host: str, request: Request, into: BinaryIO | None = None, *, within_s: float) -> Answer:
        ends_at = time.monotonic() + within_s
        timeout: Any = Timeout(total=within_s, connect=min(_CONNECT_S, within_s), read=min(_SILENCE_S, within_s))
        with self._session.request(
            request.method,
            _url(host, request.path),
            data=request.body,
            headers=self._sign(request),
            auth=as_signed,
            timeout=timeout,
            # Wherever a redirect leads, it is not WeChat Pay.
            allow_redirects=False,
            stream=True,
        ) as response:
            if into is None or response.status_code != 200:
                return Answer(response.status_code, response.headers, b"".join(_read(response, ends_at)))
            _write(response, into, ends_at)
            return Answer(response.status_code, response.headers, b"")


def _url(host: str, path: str) -> str:
    """Join one of our hosts and a path, which cannot lead to another host."""
    if not path.startswith("/"):
        raise ValueError("the path could change the host of the call")
    return host + path


def _write(response: requests.Response, into: BinaryIO, ends_at: float) -> None:
    """Write an answer as it is on the wire, from the beginning; a packed file is not unpacked on the way."""
    into.seek(0)
    into.truncate()
    for piece in _read(response, ends_at, longest=_LONGEST_DOWNLOAD, is_decoded=False):
        into.write(piece)


def _read(
    response: requests.Response, ends_at: float, *, longest: int = _LONGEST_ANSWER, is_decoded: bool = True
) -> Iterator[bytes]:
    """Read an answer piece by piece: a server that drips is given up at the deadline, and one that floods at once."""
    length = 0
    try:
        while piece := response.raw.read1(64 * 1024, decode_content=is_decoded):
            length += len(piece)
            if length > longest:
                raise requests.ConnectionError("the answer is too long")
            if time.monotonic() > ends_at:
                raise requests.ReadTimeout("the answer did not end in time")
            yield piece
    except (HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError(error) from error


def _outcome(answer: Answer | None, failure: requests.RequestException | None) -> Answer:
    if answer is None:
        assert failure is not None
        raise failure
    return answer


def _was_never_heard(failure: requests.RequestException) -> bool:
    """Whether no connection was made at all, so that any request may be sent elsewhere."""
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    return isinstance(failure, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def as_signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the request as it is: without this, a .netrc on the machine would replace our Authorization."""
    return request

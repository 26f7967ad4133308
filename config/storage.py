"""Where files are kept: in a folder, or in a bucket that speaks S3 when the settings name one.

Invariant: a name ends in the digest of what it names, so what is under it never changes, a repeated `put` does no
harm, and whoever gets other bytes than were put is told so instead of being served them.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import urllib3

from config import clock, database, errors, settings

# Who may read, which thing it belongs to, the digest, and what it is.
NAME = re.compile(r"(public|private)/[0-9A-Z]{6,24}/[0-9a-f]{64}\.(avif|webp|jpg)", re.ASCII)
KINDS = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}
# A file under a name never changes.
FOR_EVER = "public, max-age=31536000, immutable"
_EMPTY = hashlib.sha256(b"").hexdigest()
_SERVICE = "s3"


class StorageAway(errors.Unavailable):
    """Where files are kept does not answer, or refuses us; what was sent can be sent again."""

    code = "storage.away"
    message = "文件暂时存取不了，请稍后再试"


class FileMissing(errors.NotFound):
    """There is no such file, or what is there is not what was put."""

    code = "storage.missing"
    message = "没有这个文件"


class Store(Protocol):
    """A place for files. None of these may be called inside a transaction."""

    def put(self, name: str, body: bytes) -> None:
        """Keep `body` under `name`. Raises `StorageAway`."""

    def get(self, name: str) -> bytes | None:
        """Return what is kept under `name`, or None. Raises `StorageAway`."""

    def delete(self, name: str) -> None:
        """Forget `name`, which need not exist. Raises `StorageAway`."""


def name_of(body: bytes, *, owner: str, suffix: str, is_public: bool) -> str:
    """Return the name of `body` as a part of the thing `owner`."""
    name = f"{'public' if is_public else 'private'}/{owner}/{hashlib.sha256(body).hexdigest()}.{suffix}"
    assert NAME.fullmatch(name), name
    return name


def put(name: str, body: bytes) -> None:
    """Keep `body` under the name that `name_of` gave it. Raises `StorageAway`."""
    database.refuse_transaction()
    _store().put(name, body)


def get(name: str) -> bytes:
    """Return what is kept under `name`. Raises `FileMissing`, also for a file that was changed, and `StorageAway`."""
    database.refuse_transaction()
    body = _store().get(name) if NAME.fullmatch(name) else None
    if body is None or hashlib.sha256(body).hexdigest() != name.rsplit("/", 1)[1].partition(".")[0]:
        raise FileMissing
    return body


def delete(name: str) -> None:
    """Forget `name`, which need not exist. Raises `StorageAway`."""
    database.refuse_transaction()
    _store().delete(name)


def url(name: str) -> str:
    """Return where a browser finds a public file: at the bucket's public address when there is one, else with us."""
    assert name.startswith("public/"), "a private file is served by a view that asks who is calling"
    return base() + name


def base() -> str:
    """Return what the names of public files are put behind, so that a browser finds them."""
    return f"{settings.current().storage_public_url or '/files'}/"


def origin() -> str:
    """Return the origin of a bucket's public address as a content policy names it, "" when we serve the files."""
    parts = urlsplit(settings.current().storage_public_url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


class Folder:
    """Files in a folder that every process of the shop sees."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, body: bytes) -> None:
        """Write beside the name and rename, so that nobody reads half a file."""
        path = self.root / name
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with partial.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def get(self, name: str) -> bytes | None:
        """Read the file."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove the file, and its folder when that is empty."""
        path = self.root / name
        path.unlink(missing_ok=True)
        if path.parent.exists() and not any(path.parent.iterdir()):
            path.parent.rmdir()


class Bucket:
    """Files in an S3 bucket at `address` (https://bucket.host or https://host/bucket), by signed requests."""

    def __init__(self, address: str, *, region: str, key_id: str, secret: str) -> None:
        self.address, self.region, self.key_id, self.secret = address.rstrip("/"), region, key_id, secret
        # Whoever uploads waits for this: better a clear refusal than a page that hangs.
        self.pool = urllib3.PoolManager(
            maxsize=4, timeout=urllib3.Timeout(connect=3, read=15), retries=urllib3.Retry(2, redirect=0, status=0)
        )

    def put(self, name: str, body: bytes) -> None:
        """Send the file with its kind, so that the bucket itself can serve it."""
        kind = KINDS[name.rsplit(".", 1)[1]]
        self._call("PUT", name, body, {"content-type": kind, "cache-control": FOR_EVER}, allowed={200})

    def get(self, name: str) -> bytes | None:
        """Fetch the file."""
        status, body = self._call("GET", name, b"", {}, allowed={200, 404})
        return body if status == 200 else None

    def delete(self, name: str) -> None:
        """Delete the file."""
        self._call("DELETE", name, b"", {}, allowed={200, 204, 404})

    def _call(
        self, method: str, name: str, body: bytes, headers: Mapping[str, str], *, allowed: set[int]
    ) -> tuple[int, bytes]:
        address = f"{self.address}/{name}"
        signed = sign(
            method, address, body, headers, region=self.region, key_id=self.key_id, secret=self.secret, now=clock.now()
        )
        try:
            answer = self.pool.request(method, address, body=body or None, headers=signed)
        except urllib3.exceptions.HTTPError as error:
            raise StorageAway(reason=type(error).__name__) from error
        if answer.status not in allowed:
            raise StorageAway(status=answer.status)
        return answer.status, answer.data


def sign(
    method: str,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    region: str,
    key_id: str,
    secret: str,
    now: datetime,
) -> dict[str, str]:
    """Return `headers` with those that prove a request to S3 (AWS signature version 4); the address has no query."""
    parts, stamp = urlsplit(address), f"{now:%Y%m%dT%H%M%SZ}"
    digest = hashlib.sha256(body).hexdigest() if body else _EMPTY
    told = {**headers, "host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(told))
    lines = "".join(f"{name}:{told[name].strip()}\n" for name in sorted(told))
    canonical = "\n".join([method, quote(parts.path), "", lines, names, digest])
    scope = f"{stamp[:8]}/{region}/{_SERVICE}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope},SignedHeaders={names},Signature={key.hex()}"
    return {**told, "authorization": proof}


def _store() -> Store:
    known = settings.current()
    if known.storage_bucket_url:
        return _bucket(
            known.storage_bucket_url,
            known.storage_region,
            known.storage_key_id or "",
            known.storage_secret or "",
        )
    return Folder(known.storage_dir)


@cache
def _bucket(address: str, region: str, key_id: str, secret: str) -> Bucket:
    """Return the one client of a process, whose connections are kept."""
    return Bucket(address, region=region, key_id=key_id, secret=secret)

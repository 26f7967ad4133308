"""Files: kept under their digest, in a folder or in a bucket, by signatures that AWS has published."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import urllib3

from config import clock, database, storage
from config import settings as process_settings
from config.settings import Settings, SettingsError

EMPTY = hashlib.sha256(b"").hexdigest()
# The examples of "Authenticating Requests: Using the Authorization Header" in Amazon's S3 reference.
KEY = {"region": "us-east-1", "key_id": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "https://examplebucket.s3.amazonaws.com"
NAME = storage.name_of(b"pear", owner="PIC0123456789", suffix="webp", is_public=True)


def test_a_get_is_signed_as_amazon_says() -> None:
    signed = storage.sign("GET", f"{HOST}/test.txt", b"", {"range": "bytes=0-9"}, **KEY, now=AT)
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    assert signed["x-amz-content-sha256"] == EMPTY


def test_a_put_is_signed_as_amazon_says() -> None:
    headers = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    signed = storage.sign("PUT", f"{HOST}/test$file.text", b"Welcome to Amazon S3.", headers, **KEY, now=AT)
    assert signed["authorization"].endswith(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


def test_a_folder_keeps_what_is_put_and_forgets_what_is_deleted(tmp_path: Path) -> None:
    folder = storage.Folder(tmp_path)
    assert folder.get(NAME) is None
    folder.put(NAME, b"pear")
    folder.put(NAME, b"pear")
    assert folder.get(NAME) == b"pear"
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == [NAME.rsplit("/", 1)[1]]
    folder.delete(NAME)
    folder.delete(NAME)
    assert folder.get(NAME) is None
    assert list((tmp_path / "public").iterdir()) == []


def test_a_file_that_was_changed_is_not_served(db: None, settings: Settings) -> None:
    storage.put(NAME, b"pear")
    assert storage.get(NAME) == b"pear"
    (settings.storage_dir / NAME).write_bytes(b"worm")
    with pytest.raises(storage.FileMissing):
        storage.get(NAME)
    storage.delete(NAME)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "public/../../etc/passwd",
        "/etc/passwd",
        f"public/X/{'0' * 64}.webp",
        f"public/PIC01/{'0' * 64}.php",
    ],
)
def test_a_name_that_is_none_of_ours_is_never_looked_up(db: None, name: str) -> None:
    with pytest.raises(storage.FileMissing):
        storage.get(name)


def test_no_file_is_touched_inside_a_transaction(db: None) -> None:
    with database.transaction(), pytest.raises(AssertionError):
        storage.put(NAME, b"pear")


def test_where_a_browser_finds_a_file(environment: dict[str, str], settings: Settings) -> None:
    process_settings.use(settings)
    assert storage.url(NAME) == f"/files/{NAME}"
    process_settings.use(Settings.from_env(environment | {"STORAGE_PUBLIC_URL": "https://cdn.example/hall/"}))
    assert storage.url(NAME) == f"https://cdn.example/hall/{NAME}"
    process_settings.use(settings)
    with pytest.raises(AssertionError):
        storage.url(NAME.replace("public", "private"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"STORAGE_BUCKET_URL": "https://hall.example"},
        {"STORAGE_SECRET": "s"},
        {"STORAGE_BUCKET_URL": "http://hall.example/b", "STORAGE_KEY_ID": "k", "STORAGE_SECRET": "s"},
        {"STORAGE_PUBLIC_URL": "ftp://cdn.example"},
    ],
)
def test_half_a_bucket_stops_the_start(environment: dict[str, str], wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="STORAGE_"):
        Settings.from_env(environment | wrong)


class Far(BaseHTTPRequestHandler):
    """A bucket on the far side of the wire that believes one signature only: that over what it was sent."""

    kept: ClassVar[dict[str, bytes]] = {}
    secret: ClassVar[str] = KEY["secret"]
    port: ClassVar[int] = 0
    # When it sends everybody elsewhere, whoever comes there.
    leads_to: ClassVar[str] = ""
    stolen: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        if self.leads_to:
            if self.path == self.leads_to:
                self.stolen.append(self.headers["authorization"])
            self.send_response(200 if self.path == self.leads_to else 307)
            self.send_header("Location", self.leads_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = self.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        given = {
            name: self.headers[name] for name in told if name not in {"host", "x-amz-content-sha256", "x-amz-date"}
        }
        when = datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        right = storage.sign(
            self.command,
            f"http://127.0.0.1:{self.port}{self.path}",
            body,
            given,
            **KEY | {"secret": self.secret},
            now=when,
        )
        if right["authorization"] != self.headers["authorization"]:
            self.answer(403)
        elif self.command == "PUT":
            self.kept[self.path] = body
            self.answer(200)
        elif self.command == "DELETE":
            self.kept.pop(self.path, None)
            self.answer(204)
        else:
            self.answer(200 if self.path in self.kept else 404, self.kept.get(self.path, b""))

    do_GET = do_PUT = do_DELETE = handle_any  # noqa: N815 - the library's names

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def bucket() -> Iterator[storage.Bucket]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Far)
    Far.port, Far.secret = server.server_port, KEY["secret"]
    Far.kept.clear()
    Far.leads_to = ""
    Far.stolen.clear()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made = storage.Bucket(f"http://127.0.0.1:{server.server_port}/hall/", **KEY)
    yield made
    made.pool.clear()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bucket_keeps_what_is_put_and_forgets_what_is_deleted(bucket: storage.Bucket) -> None:
    with clock.frozen(AT):
        assert bucket.get(NAME) is None
        bucket.put(NAME, b"pear")
        assert bucket.get(NAME) == b"pear"
        bucket.delete(NAME)
        bucket.delete(NAME)
        assert bucket.get(NAME) is None


def test_29_a_bucket_that_leads_elsewhere_is_not_followed(bucket: storage.Bucket) -> None:
    Far.leads_to = "/elsewhere"
    for act in (lambda: bucket.put(NAME, b"pear"), lambda: bucket.get(NAME), lambda: bucket.delete(NAME)):
        with pytest.raises(storage.StorageAway):
            act()
    assert Far.stolen == []
    # As urllib3 does it by itself, our signature arrives there.
    with urllib3.PoolManager() as bucket.pool:
        bucket.get(NAME)
    assert len(Far.stolen) == 1


def test_a_bucket_that_refuses_or_is_gone_is_away(bucket: storage.Bucket) -> None:
    Far.secret = "another"
    for act in (lambda: bucket.put(NAME, b"pear"), lambda: bucket.get(NAME), lambda: bucket.delete(NAME)):
        with pytest.raises(storage.StorageAway) as refused:
            act()
        assert refused.value.details == {"status": 403}
    nowhere = storage.Bucket("http://127.0.0.1:9/hall", **KEY)
    with pytest.raises(storage.StorageAway) as refused:
        nowhere.put(NAME, b"pear")
    assert "status" not in refused.value.details

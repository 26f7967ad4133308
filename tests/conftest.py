"""Fixtures for everybody: one real PostgreSQL and Redis for the run, one database per test process.

Tests commit for real, so deferred constraints fire and other connections see what happened; whatever
rows a test leaves behind are deleted after it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import redis
import structlog
from sqlalchemy.engine import Engine, make_url
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from catalog.cache import Cache
from config import database, embedded, facts, migrations
from config import redis as shared_redis
from config import settings as process_settings
from config.settings import Settings
from payments.wechatpay import client
from payments.wechatpay.breaker import Breaker
from tests import tables
from tests.shop import Shop, open_shop

# The same examples in every run, however long one takes on a busy machine.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

# What shares one shop of real processes, by where it lies: each group runs in one test process. The library's own marks
# are lost under pytest 9.2, which no longer lets a plugin rename a test (pytest-xdist, issue 1386).
TOGETHER = {
    "tests/browser/": "shop",
    "tests/journeys/test_kills.py": "shop",
    "tests/month/": "shop",
    "tests/journeys/test_proofs.py": "proofs",
}

# The engine of this process's database, by its URL.
_engines: dict[str, Engine] = {}

# Tests trade durability for speed; the races and crash tests do not depend on fsync. The
# connections that each test process keeps, and what tests start besides, find room.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")


class Together(LoadScopeScheduling):
    """Hands out tests one by one, but each group of `TOGETHER` as a whole; the largest group comes first."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for path, group in TOGETHER.items() if nodeid.startswith(path)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Let xdist distribute tests by `TOGETHER`."""
    return Together(config, log)


@pytest.fixture(scope="session")
def engines() -> Generator[embedded.Engines]:
    """The engines of this run, shared by its processes. Not under tmp_path: PostgreSQL's account cannot enter it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    data_dir = Path(tempfile.gettempdir()) / f"hall-tests-{run}"
    data_dir.mkdir(mode=0o711, exist_ok=True)
    held = embedded.ensure(data_dir, options=FAST)
    yield held
    if held.release():
        # A cluster is a hundred megabytes, and a developer runs the tests many times a day.
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def database_url(engines: embedded.Engines) -> str:
    """A migrated database of this test process's own, cloned from a template that is migrated once a run."""
    name = f"hall_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    url = make_url(engines.database_url)
    admin = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with (engines.data_dir / "template.lock").open("w") as lock, psycopg.connect(admin, autocommit=True) as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
        if "hall_template" not in made:
            connection.execute("CREATE DATABASE hall_template")
            migrations.upgrade(database.configure(url.set(database="hall_template").render_as_string(False)))
            database.engine().dispose()
        if name not in made:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE hall_template")
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def environment(
    tmp_path_factory: pytest.TempPathFactory, engines: embedded.Engines, database_url: str
) -> dict[str, str]:
    """A complete environment for the shop; WeChat's addresses lead nowhere until a fixture plugs an emulator in."""
    from tests import keys

    merchant, wechat = keys.write_pair(tmp_path_factory.mktemp("keys"))
    return {
        "DATABASE_URL": database_url,
        # Each test process has a Redis database of its own.
        "REDIS_URL": f"{engines.redis_url}?db={os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]}"
        if engines.redis_url
        else "",
        "STORAGE_DIR": str(tmp_path_factory.mktemp("files")),
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
        "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
        "ALLOW_EMULATED_WECHAT": "1",
        "WECHAT_MINIPROGRAM_APPID": "wx00000000000000a1",
        "WECHAT_MINIPROGRAM_SECRET": "miniprogram-secret-of-the-tests",
        "WECHAT_OFFICIAL_APPID": "wx00000000000000b2",
        "WECHAT_OFFICIAL_SECRET": "official-secret-of-the-tests",
        "WECHAT_API_BASE_URL": "http://127.0.0.1:9",
        "WECHAT_OPEN_BASE_URL": "http://127.0.0.1:9",
        "WECHATPAY_BASE_URL": "http://127.0.0.1:9",
        "WECHATPAY_MCHID": "1900000001",
        "WECHATPAY_MERCHANT_SERIAL": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
        "WECHATPAY_MERCHANT_KEY_FILE": str(merchant),
        "WECHATPAY_APIV3_KEY": "0123456789abcdef0123456789abcdef",
        "WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_0100000000000000000000000000000001",
        "WECHATPAY_PUBLIC_KEY_FILE": str(wechat),
    }


@pytest.fixture(scope="session")
def settings(environment: dict[str, str]) -> Settings:
    """The settings of this test process. Its Redis may take a while to answer: only a dead one counts as gone."""
    url = environment["REDIS_URL"]
    if url:
        shared_redis._pool[url] = redis.Redis.from_url(url, socket_timeout=60, socket_connect_timeout=60)
    return Settings.from_env(environment)


@pytest.fixture(autouse=True)
def logs_to_this_test() -> Iterator[None]:
    """Forget where an application of an earlier test sent its log: that stream is closed by now."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def db(settings: Settings) -> Iterator[None]:
    """The database of this test process, configured and, afterwards, empty again."""
    process_settings.use(settings)
    connect(settings)
    # A WeChat that failed in an earlier test is not left alone in this one.
    client._breaker = Breaker()
    yield
    connect(settings)
    tables.empty()


@pytest.fixture
def seeded(db: None) -> Iterator[None]:
    """The catalog as `flask seed` leaves it, with no answer cached from another test's database."""
    Cache.forget_all()
    tables.stock()
    yield
    Cache.forget_all()


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    """A whole seeded shop in real processes, on engines of its own, for the tests that are kept together."""
    running = open_shop(Path(tempfile.mkdtemp(prefix="hall-shop-")))
    yield running
    running.stop()


def connect(settings: Settings) -> None:
    """Configure the database, unless it is: an engine remembers statements and connections that thousands of tests use.

    A test that left another one behind, or none, gets a new one.
    """
    held = _engines.get(settings.database_url)
    if held is None or held is not database._engine:
        _engines[settings.database_url] = database.configure(settings.database_url, pool_size=40)


@pytest.fixture
def drain(db: None) -> Callable[[], int]:
    """Run every reaction that is due, in this process, until none is left; returns how many ran."""

    def run() -> int:
        ran = 0
        while True:
            ids = database.statement("SELECT fact_id FROM open_facts ORDER BY fact_id")
            todo = facts.missing(None, fact_ids=[fact_id for (fact_id,) in ids])
            if not todo:
                return ran
            for fact_id, reaction in todo:
                facts.react(fact_id, reaction.name)
                ran += 1

    return run

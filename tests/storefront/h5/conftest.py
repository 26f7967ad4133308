"""A stocked shop for the express lane's tests: seeded once a module, because reading changes nothing."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from catalog import seeding
from catalog.cache import Cache
from config import database
from config.settings import Settings
from storefront.app import create_app
from tests.conftest import empty_tables


@pytest.fixture(scope="module")
def stocked(settings: Settings) -> Iterator[Flask]:
    """The application over the catalog as `flask seed` leaves it."""
    app = create_app(settings)
    Cache.forget_all()
    seeding.seed(lambda what, done, total: None)
    yield app
    empty_tables()
    Cache.forget_all()
    database.engine().dispose()


@pytest.fixture
def reader(stocked: Flask) -> FlaskClient:
    """A browser without a script that asks for pages."""
    return stocked.test_client()


PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "gzip, deflate"}

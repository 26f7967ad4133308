from collections.abc import Iterator

import pytest

from catalog.cache import Cache


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """No answer of one test is handed out in another, whose database is a different one."""
    Cache.forget_all()
    yield
    Cache.forget_all()

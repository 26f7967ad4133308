"""What a log line never holds, whatever was handed to it."""

import re
from typing import Any

import pytest

from config import logs

REFUSED = """Traceback (most recent call last):
  File "orders.py", line 1, in place
psycopg.errors.CheckViolation: new row for relation "addresses" violates check constraint "refused"
DETAIL:  Failing row contains (1, 李明, 13812345678, 长江中路
1 号).

The above exception was the direct cause of the following exception:

sqlalchemy.exc.IntegrityError: (psycopg.errors.CheckViolation) new row violates check constraint "refused"
DETAIL:  Failing row contains (1, 李明, 13812345678, 长江中路
1 号).
[SQL: INSERT INTO addresses (name) VALUES (%(name)s)]
"""


def dropped(**event: Any) -> dict[str, Any]:
    return dict(logs._drop_personal(None, "", logs._drop_values(None, "", event)))


def test_an_error_of_the_database_is_told_without_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    told = dropped(exception=REFUSED)["exception"]
    assert "李明" not in told
    assert "1 号" not in told
    assert told.count("not written down") == 2
    assert "The above exception" in told
    assert "[SQL: INSERT" in told
    monkeypatch.setattr(logs, "_VALUES", re.compile(r"(?!)"))
    assert "李明" in dropped(exception=REFUSED)["exception"], "without the guard the row is written down"


def test_a_field_that_names_a_secret_is_dropped() -> None:
    assert dropped(order="2611", openid="oAAAAAA1", token="t", phone="13812345678") == {"order": "2611"}

"""Structured logs on standard error, one JSON object a line.

Invariant: lines carry numbers of orders, payments and requests, never names, phones, addresses, openids or secrets.
"""

import logging
import re
import sys
from typing import Any

import orjson
import structlog

# What must never be written down, even by mistake: a key with one of these names is dropped from every line.
FORBIDDEN_KEYS = frozenset(
    {"name", "phone", "address", "openid", "unionid", "token", "password", "secret", "authorization", "cookie", "key"}
)


# PostgreSQL tells the values of a row that it would not take, up to the statement (which has none) or the next error.
_VALUES = re.compile(r"^(?:DETAIL|CONTEXT):.*?(?=^\[SQL: |^The above exception|^During handling|\Z)", re.M | re.S)


# Loggers assembled for the present configuration, by name.
_bound: dict[str, Any] = {}


def _drop_values(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if "exception" in event:
        event["exception"] = _VALUES.sub("DETAIL: not written down\n", event["exception"])
    return event


def _drop_personal(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key in FORBIDDEN_KEYS.intersection(event):
        del event[key]
    return event


def _as_json(event: structlog.typing.EventDict, **options: Any) -> bytes:
    return orjson.dumps(event, default=options.get("default"), option=orjson.OPT_NON_STR_KEYS)


def configure(level: str = "INFO") -> None:
    """Send structlog and the standard library's loggers to standard error as JSON lines."""
    _bound.clear()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _drop_personal,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _drop_values,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong; their debug output holds bodies and credentials.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")


def get(name: str) -> Any:
    """Return a structured logger whose lines carry `module=name`."""
    return structlog.get_logger(module=name)


def bound(name: str) -> Any:
    """Return the logger of `name`, assembled once for the present configuration.

    For what every request passes: to assemble a logger costs as much as to write its line.
    """
    return _bound.get(name) or _bound.setdefault(name, get(name).bind())


def alarm(kind: str, **fields: Any) -> None:
    """Write a line that a person must look at: `alarm` is its kind; docs/runbook.md says what to do for each."""
    structlog.get_logger().error("alarm", alarm=kind, **fields)

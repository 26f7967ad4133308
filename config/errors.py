"""The kinds of refusal, each with one HTTP status.

Invariant: a refusal has a stable `code`, a message for people in Chinese, and details that hold no personal data;
every code is defined once and documented in docs/errors.md. Anything else that is raised is a bug.
"""

from typing import Any, ClassVar


class AppError(Exception):
    """A refusal that the caller can understand. Subclass a kind below and set `code` and `message`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = ""
    message: ClassVar[str] = ""
    codes: ClassVar[dict[str, type["AppError"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in cls.__dict__:
            known = AppError.codes.setdefault(cls.code, cls)
            if known.__qualname__ != cls.__qualname__:
                raise TypeError(f"error code {cls.code} is defined twice: {known.__qualname__}, {cls.__qualname__}")

    def __init__(self, message: str | None = None, *, retry_after: int | None = None, **details: Any) -> None:
        self.text = message or self.message
        self.retry_after = retry_after
        self.details = details
        super().__init__(f"{self.code}: {self.text}")


class Unauthorized(AppError):
    """We do not know who is calling."""

    status = 401


class Forbidden(AppError):
    """We know who is calling, and they may not."""

    status = 403


class NotFound(AppError):
    """There is no such thing, or it is somebody else's."""

    status = 404


class Conflict(AppError):
    """The request is right in itself but does not fit the present state."""

    status = 409


class Invalid(AppError):
    """The request is wrong in itself."""

    status = 422


class TooManyRequests(AppError):
    """Come back after `retry_after` seconds."""

    status = 429


class Unavailable(AppError):
    """Something that we need does not answer just now."""

    status = 503

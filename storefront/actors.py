"""Who is calling, as values: what a verified session speaks for, and how WeChat knows a person.

Invariant: an `Actor` comes from a proven session or login, and holds nothing personal and no secret.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from storefront.roles import Grant


class ActorKind(StrEnum):
    """What a session speaks for."""

    SHOPPER = "shopper"
    GUEST = "guest"
    STAFF = "staff"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The caller of one request.

    Shoppers and guests have `shopper_id`, `number` and `person`, staff `staff_id`, `username` and `grants`; `appid` is
    the WeChat application that a shopper came through, None for a guest. Staff who `has_second_factor` showed it.
    """

    kind: ActorKind
    shopper_id: int | None = None
    number: str | None = None
    person: UUID | None = None
    appid: str | None = None
    staff_id: int | None = None
    username: str | None = None
    grants: tuple[Grant, ...] = ()
    has_second_factor: bool = False


@dataclass(frozen=True, kw_only=True)
class WeChatIdentity:
    """How one WeChat application knows a person. JSAPI payments name it as the payer."""

    appid: str
    openid: str = field(repr=False)
    unionid: str | None = field(default=None, repr=False)

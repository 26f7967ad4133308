"""API keys of partners: 256 random bits, shown once, by which a partner's programs are known.

Invariant: only a key's digest is stored; a revoked key, and any key of a partner who is closed, opens nothing from the
next request on. Several may be valid at once, so that a partner can change to a new one without a pause.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from config import clock, database
from storefront import partners, tokens
from storefront.errors import PartnerInvalid, PartnerKeyNotFound, PartnerKeyRejected, TooManyPartnerKeys
from storefront.partner_models import Partner, PartnerKey, PartnerKind

# One for each of the partner's systems, and one to change to.
MOST_KEYS = 5
LABEL_LENGTHS = range(1, 41)
PREFIX_LENGTH = 8
# Programs that scan for leaked secrets, and people, know by it whose key it is.
KEY = re.compile(rf"hall_([0-9A-Z]{{{PREFIX_LENGTH}}})_[0-9A-Za-z_-]{{43}}", re.ASCII)


class KeyScope(StrEnum):
    """What a key may open."""

    READ_PRODUCTS = "products.read"
    WRITE_CODES = "codes.write"
    READ_STATISTICS = "statistics.read"
    MANAGE_WEBHOOKS = "webhooks.manage"


# Codes and statistics are a seller's; whoever else would have them would find nothing there.
SCOPES: dict[PartnerKind, frozenset[KeyScope]] = {
    PartnerKind.BUYER: frozenset({KeyScope.READ_PRODUCTS, KeyScope.MANAGE_WEBHOOKS}),
    PartnerKind.PRODUCER: frozenset({KeyScope.READ_PRODUCTS, KeyScope.MANAGE_WEBHOOKS}),
    PartnerKind.SELLER: frozenset(KeyScope),
}

_VERIFY = """
WITH known AS (
    SELECT k.id, k.used_on, k.scopes, p.id AS partner_id, p.number, p.kind
    FROM partner_keys k JOIN partners p ON p.id = k.partner_id
    WHERE k.key_digest = %(digest)s AND k.revoked_at IS NULL AND p.closed_at IS NULL
), used AS (
    UPDATE partner_keys u SET used_on = %(today)s FROM known
    WHERE u.id = known.id AND known.used_on IS DISTINCT FROM %(today)s
)
SELECT id, partner_id, number, kind, scopes FROM known
"""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A new key; `key` is shown this once."""

    prefix: str
    key: str = field(repr=False)
    scopes: tuple[KeyScope, ...]


@dataclass(frozen=True, kw_only=True)
class KeyView:
    """A key as staff see it: never the key itself."""

    prefix: str
    label: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None
    used_on: date | None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The partner who is calling, and by which key; a proven key and nothing personal."""

    key_id: int
    partner_id: int
    number: str
    kind: PartnerKind
    scopes: frozenset[KeyScope]


def issue(session: Session, *, partner: str, label: str, scopes: Collection[KeyScope], now: datetime) -> Issued:
    """Make a key for a partner (a number) and return it, this once.

    Raises `PartnerNotFound`, `PartnerClosed`, `PartnerInvalid` for a label that is not of 1 to 40 characters and for
    scopes that are none or not for this kind of partner, and `TooManyPartnerKeys` beyond five that are valid.
    """
    partner_id = partners.open_id(session, number=partner)
    kind = partners.find(session, number=partner).kind
    faults = {}
    if len(label) not in LABEL_LENGTHS or not label.isprintable():
        faults["label"] = "1 至 40 个字"
    if not scopes or not SCOPES[kind].issuperset(scopes):
        faults["scopes"] = "至少一项，且适用于这类伙伴"
    if faults:
        raise PartnerInvalid(fields=faults)
    valid = session.execute(
        select(PartnerKey.id).where(PartnerKey.partner_id == partner_id, PartnerKey.revoked_at.is_(None))
    ).all()
    if len(valid) >= MOST_KEYS:
        raise TooManyPartnerKeys(most=MOST_KEYS)
    prefix = "".join(secrets.choice(tokens.ALPHABET) for _ in range(PREFIX_LENGTH))
    key = f"hall_{prefix}_{tokens.secret()}"
    granted = tuple(sorted(set(scopes)))
    session.execute(
        insert(PartnerKey).values(
            partner_id=partner_id,
            prefix=prefix,
            key_digest=tokens.digest(key),
            scopes=list(granted),
            label=label,
            created_at=now,
        )
    )
    return Issued(prefix=prefix, key=key, scopes=granted)


def revoke(session: Session, *, partner: str, prefix: str, now: datetime) -> None:
    """End a key at once. Raises `PartnerKeyNotFound`, also for one that was ended before."""
    database.require_transaction(session)
    ended = session.scalar(
        update(PartnerKey)
        .where(
            PartnerKey.prefix == prefix,
            PartnerKey.revoked_at.is_(None),
            PartnerKey.partner_id == select(Partner.id).where(Partner.number == partner).scalar_subquery(),
        )
        .values(revoked_at=now)
        .returning(PartnerKey.id)
    )
    if ended is None:
        raise PartnerKeyNotFound


def listing(session: Session, *, partner: str) -> list[KeyView]:
    """Return every key that a partner ever had, those that are valid first."""
    rows = session.execute(
        select(
            PartnerKey.prefix,
            PartnerKey.label,
            PartnerKey.scopes,
            PartnerKey.created_at,
            PartnerKey.revoked_at,
            PartnerKey.used_on,
        )
        .join(Partner, Partner.id == PartnerKey.partner_id)
        .where(Partner.number == partner)
        .order_by(PartnerKey.revoked_at.is_not(None), PartnerKey.id.desc())
    )
    return [KeyView(**row._mapping) for row in rows]  # noqa: SLF001 - a row's own public mapping


def verify(key: str, *, now: datetime) -> Caller:
    """Return the partner whom `key` speaks for, and write down that it was used today.

    Costs one indexed statement. Raises `PartnerKeyRejected` when it is unknown or revoked, or its partner closed.
    """
    if not KEY.fullmatch(key):
        raise PartnerKeyRejected
    today = now.astimezone(clock.SHANGHAI).date()
    rows = database.statement(_VERIFY, {"digest": tokens.digest(key), "today": today})
    if not rows:
        raise PartnerKeyRejected
    key_id, partner_id, number, kind, scopes = rows[0]
    return Caller(
        key_id=key_id,
        partner_id=partner_id,
        number=number,
        kind=PartnerKind(kind),
        scopes=frozenset(KeyScope(scope) for scope in scopes),
    )

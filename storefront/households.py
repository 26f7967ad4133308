"""The households of a group: added, read, forgotten, and sealed under a new key.

Invariant: a name and a phone leave the database only through `of_group`, whose caller has shown that they are the
county's own staff and writes the reading into the audit trail; no identity number is taken; what is not read is counted
by number alone. A household that left is forgotten a year later, one that asks to be at once.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import clock, database, logs
from storefront import benefit_errors as errors
from storefront import benefit_links, sealing, tokens

MOST = 500
# Whoever asks the county why a co-operative had money last year must find whom it reached.
NAMES_LIVE = timedelta(days=366)
AT_ONCE = 100

# Letters of any script and the dot within names of minorities; digits would let an identity number in.
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[·. ])*[^\W\d_]")
_PHONE = re.compile(r"1\d{10}|0\d{2,3}-?\d{7,8}", re.ASCII)
_LONGEST_NAME = 30


@dataclass(frozen=True, slots=True)
class Household:
    """One household; `name` is None when no key opens it any more."""

    number: str
    name: str | None = field(repr=False)
    phone: str = field(repr=False)
    consented_on: date
    added_at: datetime
    left_at: datetime | None


def add(
    session: Session, *, group: str, name: str, phone: str, consented_on: date | None, by: str, now: datetime
) -> str:
    """Add a household that agreed on `consented_on`, and return its number. The phone may be "".

    Raises `GroupUnknown`, `HouseholdInvalid` with the fields, `HouseholdTaken`, `HouseholdsTooMany`.
    """
    name, phone = " ".join(name.split()), phone.strip()
    _check(name, phone, consented_on, now)
    group_id = benefit_links.lock_group(session, number=group)
    present = [held for held in of_group(session, group=group) if held.left_at is None]
    same = next((held for held in present if (held.name, held.phone) == (name, phone)), None)
    if same is not None:
        raise errors.HouseholdTaken(number=same.number)
    if len(present) >= MOST:
        raise errors.HouseholdsTooMany
    number = tokens.number("H")
    sealed = sealing.seal(orjson.dumps({"name": name, "phone": phone}), about=number)
    values = {"number": number, "group": group_id, "box": sealed.box, "key": sealed.key_id, "by": by, "now": now}
    session.execute(_ADD, values | {"consented_on": consented_on})
    return number


_ADD = text("""
    INSERT INTO benefit_households (number, group_id, sealed, key_id, consented_on, added_by, added_at)
    VALUES (:number, :group, :box, :key, :consented_on, :by, :now)
""")


def of_group(session: Session, *, group: str) -> list[Household]:
    """Return the households of a group with names and phones, in the order in which they came; not the forgotten ones.

    One that no key opens is the alarm `households.unreadable`.
    """
    rows = session.execute(
        text("""
            SELECT h.number, h.sealed, h.key_id, h.consented_on, h.added_at, h.left_at
            FROM benefit_households h JOIN benefit_groups g ON g.id = h.group_id
            WHERE g.number = :group AND h.sealed IS NOT NULL ORDER BY h.left_at NULLS FIRST, h.id
        """),
        {"group": group},
    )
    return [_household(row) for row in rows]


def county_of(session: Session, *, number: str) -> tuple[str, str]:
    """Return the code of the county that a household lies in, and its group's number. Raises `HouseholdUnknown`."""
    row = session.execute(
        text("""
            SELECT g.county_code, g.number FROM benefit_households h JOIN benefit_groups g ON g.id = h.group_id
            WHERE h.number = :number
        """),
        {"number": number},
    ).first()
    if row is None:
        raise errors.HouseholdUnknown
    return row[0], row[1]


def leave(session: Session, *, number: str, now: datetime) -> bool:
    """Let a household leave its group; False when it had left before. Raises `HouseholdUnknown`."""
    return _change(session, number, "SET left_at = :now WHERE number = :number AND left_at IS NULL", now)


def forget(session: Session, *, number: str, now: datetime) -> bool:
    """Delete a household's name and phone at once, because it asks to or agrees no longer; False when done before.

    It leaves its group with that. What its group had stays as it is. Raises `HouseholdUnknown`.
    """
    forgotten = "SET sealed = NULL, key_id = NULL, left_at = coalesce(left_at, :now)"
    return _change(session, number, f"{forgotten} WHERE number = :number AND sealed IS NOT NULL", now)


def forget_left(session: Session, *, before: datetime, at_most: int) -> int:
    """Delete names and phones of households that left before then, and return how many."""
    done = session.execute(
        text("""
            UPDATE benefit_households SET sealed = NULL, key_id = NULL WHERE id IN (
                SELECT id FROM benefit_households WHERE left_at < :before AND sealed IS NOT NULL LIMIT :at_most)
            RETURNING id
        """),
        {"before": before, "at_most": at_most},
    )
    return len(done.all())


_OTHERS = text("""
    SELECT id, number, sealed, key_id FROM benefit_households
    WHERE key_id <> :key AND id > :after ORDER BY id LIMIT :at_most FOR UPDATE
""")


def rekey() -> tuple[int, int]:
    """Seal under the present key what lies under another, a hundred at a time; again, it changes nothing.

    Returns how many were sealed anew, and how many no key opens: those stay as they are, and are alarmed.
    """
    key, after, done, lost = sealing.present_key_id(), 0, 0, 0
    while True:
        with database.transaction() as session:
            rows = session.execute(_OTHERS, {"key": key, "after": after, "at_most": AT_ONCE}).all()
            for row in rows:
                plain = _open(row)
                lost += plain is None
                if plain is not None:
                    sealed = sealing.seal(plain, about=row.number)
                    values = {"id": row.id, "box": sealed.box, "key": sealed.key_id}
                    session.execute(_RESEAL, values)
                    done += 1
        if len(rows) < AT_ONCE:
            return done, lost
        after = rows[-1].id


_RESEAL = text("UPDATE benefit_households SET sealed = :box, key_id = :key WHERE id = :id")


def _change(session: Session, number: str, what: str, now: datetime) -> bool:
    database.require_transaction(session)
    county_of(session, number=number)
    changed = session.execute(text(f"UPDATE benefit_households {what} RETURNING id"), {"number": number, "now": now})
    return changed.first() is not None


def _household(row: Any) -> Household:
    plain = _open(row)
    known: dict[str, Any] = orjson.loads(plain) if plain is not None else {"name": None, "phone": ""}
    return Household(row.number, known["name"], known["phone"], row.consented_on, row.added_at, row.left_at)


def _open(row: Any) -> bytes | None:
    try:
        return sealing.unseal(sealing.Sealed(row.key_id, bytes(row.sealed)), about=row.number)
    except sealing.Unreadable:
        logs.alarm("households.unreadable", household=row.number, key_id=row.key_id)
        return None


def _check(name: str, phone: str, consented_on: date | None, now: datetime) -> None:
    faults = {}
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        faults["name"] = f"2 至 {_LONGEST_NAME} 个字，不含数字；不要填身份证号"
    if phone and not _PHONE.fullmatch(phone):
        faults["phone"] = "11 位手机号或带区号的座机，可以不填"
    if consented_on is None or consented_on.year < 2000 or consented_on > now.astimezone(clock.SHANGHAI).date():
        faults["consented_on"] = "农户签字同意的日期，不晚于今天"
    if faults:
        raise errors.HouseholdInvalid(fields=faults)

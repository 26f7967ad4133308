"""Where the money of suppliers and sellers goes: a bank account, and WeChat's receiver of a commission.

Invariant: an account number is sealed at rest, shown by its last four digits, and whole only in the value that `find`
hands to whoever pays; it is in no log, no audit entry and no page.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import errors, suppliers
from catalog.supplier_lifecycle import Kind, State
from catalog.supplier_models import ReceiverKind
from config import sealing

_ACCOUNT = re.compile(r"\d{8,32}", re.ASCII)
_RECEIVERS = {
    ReceiverKind.MERCHANT: re.compile(r"\d{8,32}", re.ASCII),
    ReceiverKind.PERSON: re.compile(r"[0-9A-Za-z_-]{20,64}", re.ASCII),
}
_NAME_LENGTHS = range(2, 61)
_SEALED_FOR = "catalog.payees"

_ENTER = text("""
    INSERT INTO supplier_payees (supplier_id, account_name, bank, account_sealed, account_tail, receiver_kind,
        receiver_sealed, receiver_name, changed_by, changed_at)
    VALUES (:supplier_id, :account_name, :bank, :account_sealed, :account_tail, :receiver_kind, :receiver_sealed,
        :receiver_name, :by, :now)
    ON CONFLICT (supplier_id) DO UPDATE SET account_name = excluded.account_name, bank = excluded.bank,
        account_sealed = excluded.account_sealed, account_tail = excluded.account_tail,
        receiver_kind = excluded.receiver_kind, receiver_sealed = excluded.receiver_sealed,
        receiver_name = excluded.receiver_name, changed_by = excluded.changed_by, changed_at = excluded.changed_at
""")
_FIND = text("""
    SELECT u.number, u.name, u.kind, u.state, u.commission_bp, y.account_name, y.bank, y.account_sealed,
           y.account_tail, y.receiver_kind, y.receiver_sealed, y.receiver_name, y.changed_by, y.changed_at
    FROM suppliers u LEFT JOIN supplier_payees y ON y.supplier_id = u.id WHERE u.number = :number
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who receives a share of payments at WeChat: a merchant id or an openid, with the name that WeChat compares."""

    kind: ReceiverKind
    account: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A bank account; `masked` is what people may see of its number."""

    name: str = field(repr=False)
    bank: str
    number: str = field(repr=False)

    @property
    def masked(self) -> str:
        """The last four digits behind four stars."""
        return mask(self.number[-4:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """Whom to pay. `commission_bp` is a seller's commission in hundredths of a percent, None without one."""

    number: str
    name: str
    kind: Kind
    state: State
    account: Account
    receiver: Receiver | None
    commission_bp: int | None
    changed_at: datetime


def enter(
    session: Session, *, number: str, account: Account, receiver: Receiver | None = None, by: str, now: datetime
) -> None:
    """Write where a supplier's money goes from now on.

    Raises `SupplierUnknown`, and `PayeeInvalid(field=)` for what cannot be a name, a bank, an account or a receiver.
    """
    held = suppliers.lock(session, number)
    digits = "".join(account.number.split())
    fields = {
        "account_name": len(account.name.strip()) in _NAME_LENGTHS,
        "bank": len(account.bank.strip()) in _NAME_LENGTHS,
        "account": _ACCOUNT.fullmatch(digits) is not None,
        "receiver": receiver is None or _RECEIVERS[receiver.kind].fullmatch(receiver.account) is not None,
        "receiver_name": receiver is None or len(receiver.name.strip()) in _NAME_LENGTHS,
    }
    if wrong := [name for name, is_possible in fields.items() if not is_possible]:
        raise errors.PayeeInvalid(field=wrong[0])
    session.execute(
        _ENTER,
        {
            "supplier_id": held.id,
            "account_name": account.name.strip(),
            "bank": account.bank.strip(),
            "account_sealed": sealing.seal(digits, purpose=_SEALED_FOR),
            "account_tail": digits[-4:],
            "receiver_kind": receiver.kind if receiver else None,
            "receiver_sealed": sealing.seal(receiver.account, purpose=_SEALED_FOR) if receiver else None,
            "receiver_name": receiver.name.strip() if receiver else "",
            "by": by,
            "now": now,
        },
    )


def find(session: Session, *, number: str) -> Payee:
    """Return whom to pay for a supplier, with the whole account number, for who moves the money.

    Raises `SupplierUnknown`, `PayeeMissing`, and `PayeeUnreadable` when it was sealed with another secret key.
    """
    row = session.execute(_FIND, {"number": number}).one_or_none()
    if row is None:
        raise errors.SupplierUnknown
    if row.account_sealed is None:
        raise errors.PayeeMissing
    try:
        account = sealing.unseal(row.account_sealed, purpose=_SEALED_FOR)
        share = sealing.unseal(row.receiver_sealed, purpose=_SEALED_FOR) if row.receiver_sealed else ""
    except sealing.Unreadable:
        raise errors.PayeeUnreadable from None
    return Payee(
        number=row.number,
        name=row.name,
        kind=Kind(row.kind),
        state=State(row.state),
        account=Account(name=row.account_name, bank=row.bank, number=account),
        receiver=Receiver(kind=ReceiverKind(row.receiver_kind), account=share, name=row.receiver_name)
        if row.receiver_kind
        else None,
        commission_bp=row.commission_bp,
        changed_at=row.changed_at,
    )


def mask(tail: str) -> str:
    """Return an account number as people see it, from its last four digits."""
    return f"****{tail}"

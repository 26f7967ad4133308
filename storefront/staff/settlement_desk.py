"""Settlement at work: terms, statements, invoices and payouts as finance and suppliers see and move them.

Invariant: finance settles over the whole shop, a supplier sees its own statements once they stand; every act is in the
audit trail, with numbers and sums and without bank accounts.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import names, payees
from catalog.errors import PayeeMissing, PayeeUnreadable, SupplierUnknown
from payments import payouts, share_returns
from payments.lifecycle import PayoutState
from storefront import audit, commissions, purchase_terms, roles, settlement, settlement_lines
from storefront.actors import Actor
from storefront.roles import Permission
from storefront.settlement_errors import PeriodInvalid, StatementNotFound
from storefront.settlement_lifecycle import STANDS, Period, StatementState, Terms
from storefront.staff import accounts, sight


def listing(session: Session, actor: Actor, *, state: StatementState | None = None) -> list[dict[str, Any]]:
    """Return the statements of all suppliers, newest month first. Raises `NotPermitted`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    return settlement.listing(session, state=state)


def waiting(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Return the payouts that somebody must act on, the SKUs without terms, all terms, and sellers' commission.

    Raises `NotPermitted`.
    """
    sight.require_whole(actor, Permission.READ_MONEY)
    states = (PayoutState.REQUESTED, PayoutState.RELEASED)
    return {
        "payouts": [
            asdict(each) | {"is_own": each.requested_by == actor.username}
            for state in states
            for each in payouts.listing(session, state=state)
        ],
        "without_terms": settlement_lines.without_terms(session, period=Period.of(now)),
        "terms": purchase_terms.listing(session),
        "commissions": _commissions(session),
    }


def _commissions(session: Session) -> list[dict[str, Any]]:
    """Return sellers' claims, each with what WeChat made of it: why it got nothing, and what was taken back again."""
    claims = commissions.listing(session)
    outcomes = share_returns.outcomes(session, references={claim["order"] for claim in claims})
    nothing = dict.fromkeys(("returned_fen", "returning_fen", "unreturned_fen"), 0)
    missing = nothing | {"closed_for": None, "unreturned_for": None}
    found = {key: asdict(outcome) for key, outcome in outcomes.items()}
    return [claim | found.get((claim["order"], claim["seller"]), missing) for claim in claims]


def transfers(session: Session, actor: Actor, *, now: datetime) -> list[dict[str, Any]]:
    """Return what the bank is to be told: the released payouts with their accounts, oldest first.

    Where no account is known, or it was changed after the release, `trouble` says so and there is none: a second person
    has released the payout to another. Who read the accounts is in the audit trail. Raises `NotPermitted`.
    """
    sight.require_whole(actor, Permission.SETTLE)
    released = reversed(payouts.listing(session, state=PayoutState.RELEASED))
    found = [asdict(each) | _account(session, each) for each in released]
    told = {"payouts": [each["number"] for each in found]}
    audit.record(session, actor, "payouts.listed", "transfers", told, now=now)
    return found


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return a statement with its lines and payouts. Raises `NotPermitted`, `StatementNotFound`."""
    sight.require_whole(actor, Permission.READ_MONEY)
    found = settlement.find(session, number=number)
    return found | {"payouts": [asdict(each) for each in found["payouts"]]}


def mine(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the actor's own supplier's statements that stand. Raises `NotPermitted`."""
    accounts.require(actor, Permission.READ_STATEMENTS)
    found = [each for supplier in _own(actor) for each in settlement.listing(session, supplier=supplier)]
    return [each for each in found if each["state"] in STANDS]


def find_mine(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return one of the actor's own supplier's statements. Raises `NotPermitted`, `StatementNotFound`."""
    accounts.require(actor, Permission.READ_STATEMENTS)
    found = settlement.find(session, number=number)
    if found["state"] not in STANDS or not {None, found["supplier"]} & set(_own(actor)):
        raise StatementNotFound
    return found | {"payouts": [asdict(each) for each in found["payouts"]]}


def agree(
    session: Session,
    actor: Actor,
    *,
    supplier: str,
    sku: str | None,
    terms: Terms,
    effective_at: datetime,
    now: datetime,
) -> bool:
    """Enter what was agreed with a supplier; False when it was there. Raises `NotPermitted`, `TermsTaken`."""
    sight.require_whole(actor, Permission.SETTLE)
    entered = purchase_terms.agree(
        session, supplier=supplier, sku=sku, terms=terms, effective_at=effective_at, by=_name(actor), now=now
    )
    if entered:
        told = asdict(terms) | {"sku": sku, "effective_at": effective_at.isoformat()}
        audit.record(session, actor, "terms.agreed", supplier, told, now=now)
    return entered


def draft_all(actor: Actor, *, month: str, now: datetime) -> list[settlement.Drafted]:
    """Draft the missing statements of a month, each in a transaction of its own.

    Raises `NotPermitted`, `PeriodInvalid`, `PeriodNotOver`.
    """
    sight.require_whole(actor, Permission.SETTLE)
    try:
        period = Period(month)
    except ValueError:
        raise PeriodInvalid from None

    def note(session: Session, number: str) -> None:
        audit.record(session, actor, "statement.drafted", number, {"period": period.key}, now=now)

    return settlement.draft_all(period=period, by=_name(actor), note=note, now=now)


def redraft(session: Session, actor: Actor, *, number: str, now: datetime) -> None:
    """Fill a draft anew. Raises `NotPermitted` and what `settlement.redraft` does."""
    sight.require_whole(actor, Permission.SETTLE)
    settlement.redraft(session, number=number, by=_name(actor), now=now)
    audit.record(session, actor, "statement.redrafted", number, {}, now=now)


def approve(session: Session, actor: Actor, *, number: str, net_fen: int, now: datetime) -> StatementState:
    """Approve a draft over the sum that the actor saw. Raises `NotPermitted` and what `settlement.approve` does."""
    sight.require_whole(actor, Permission.SETTLE)
    state = settlement.approve(session, number=number, net_fen=net_fen, by=_name(actor), now=now)
    audit.record(session, actor, "statement.approved", number, {"net_fen": net_fen, "state": state}, now=now)
    return state


def invoice(session: Session, actor: Actor, *, number: str, invoice_number: str, amount_fen: int, now: datetime) -> str:
    """Enter an invoice, which asks for its payout. Raises `NotPermitted` and what `settlement.invoice` does."""
    sight.require_whole(actor, Permission.SETTLE)
    payout = settlement.invoice(
        session, number=number, invoice_number=invoice_number, amount_fen=amount_fen, by=_name(actor), now=now
    )
    told = {"invoice_number": invoice_number, "amount_fen": amount_fen, "payout": payout}
    audit.record(session, actor, "statement.invoiced", number, told, now=now)
    return payout


def pay_again(session: Session, actor: Actor, *, number: str, now: datetime) -> str:
    """Ask for a payout anew after it bounced. Raises `NotPermitted` and what `settlement.pay_again` does."""
    sight.require_whole(actor, Permission.SETTLE)
    payout = settlement.pay_again(session, number=number, by=_name(actor), now=now)
    audit.record(session, actor, "payout.requested", payout, {"statement": number}, now=now)
    return payout


def release(session: Session, actor: Actor, *, payout: str, now: datetime) -> None:
    """Let a payout go to the bank. Raises `NotPermitted` and what `payouts.release` does."""
    sight.require_whole(actor, Permission.SETTLE)
    done = payouts.release(session, number=payout, by=_name(actor), now=now)
    audit.record(session, actor, "payout.released", payout, {"amount_fen": done.amount_fen}, now=now)


def call_back(session: Session, actor: Actor, *, payout: str, reason: str, now: datetime) -> None:
    """Call a payout back before the bank moved it. Raises `NotPermitted` and what `settlement.call_back` does."""
    sight.require_whole(actor, Permission.SETTLE)
    settlement.call_back(session, payout=payout, reason=reason, by=_name(actor), now=now)
    audit.record(session, actor, "payout.withdrawn", payout, {"reason": reason}, now=now)


def mark_sent(
    session: Session, actor: Actor, *, payout: str, amount_fen: int, bank_reference: str, now: datetime
) -> None:
    """Note that the bank moved a payout. Raises `NotPermitted` and what `settlement.paid_out` does."""
    sight.require_whole(actor, Permission.SETTLE)
    settlement.paid_out(
        session, payout=payout, amount_fen=amount_fen, bank_reference=bank_reference, by=_name(actor), now=now
    )
    told = {"amount_fen": amount_fen, "bank_reference": bank_reference}
    audit.record(session, actor, "payout.sent", payout, told, now=now)


def mark_bounced(session: Session, actor: Actor, *, payout: str, reason: str, now: datetime) -> None:
    """Note that the bank sent a payout back. Raises `NotPermitted` and what `settlement.bounced` does."""
    sight.require_whole(actor, Permission.SETTLE)
    settlement.bounced(session, payout=payout, reason=reason, by=_name(actor), now=now)
    audit.record(session, actor, "payout.bounced", payout, {"reason": reason}, now=now)


def name_parties(session: Session, *tables: list[dict[str, Any]]) -> None:
    """Add to the rows of `tables` what supplier, payee or seller of each is called, as `supplier_name` and so on."""
    keys = ("supplier", "payee", "seller")
    rows = [(row, key) for table in tables for row in table for key in keys if key in row]
    called = names.suppliers(session, [row[key] for row, key in rows])
    for row, key in rows:
        row[f"{key}_name"] = called.get(row[key], row[key])


def _own(actor: Actor) -> list[str | None]:
    """Return the suppliers whose statements the actor may see; None among them is every one."""
    found = {scope.supplier for scope in roles.scopes(actor.grants, Permission.READ_STATEMENTS)}
    return [None] if None in found else sorted(found, key=str)


def _account(session: Session, payout: payouts.PayoutView) -> dict[str, str]:
    """Return to which account a payout goes, or what is wrong with it."""
    try:
        payee = payees.find(session, number=payout.payee)
    except (SupplierUnknown, PayeeMissing, PayeeUnreadable) as error:
        return {"trouble": error.message}
    if payout.released_at is None or payee.changed_at > payout.released_at:
        return {"trouble": "收款账户在复核之后改过，请撤回后重新办理"}
    return {"holder": payee.account.name, "bank": payee.account.bank, "account": payee.account.number}


def _name(actor: Actor) -> str:
    return actor.username or ""

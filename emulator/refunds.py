"""The rules by which a refund is accepted and by which an abnormal one is paid out another way, as pure functions.

Never more goes back than came in, never oftener than fifty times, never twice within a minute.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from emulator import fees
from emulator.records import Conflict, Order, Refund
from emulator.terms import Terms

# WeChat's own limits on the partial refunds of one order.
MOST_REFUNDS = 50
LATEST = timedelta(days=365)
# Either of them names the order, so a repetition may use the other.
_NAMES = ("transaction_id", "out_trade_no")


def require_same(known: Refund, order: Order, request: dict[str, Any]) -> None:
    """Refuse (Conflict `different`) a repetition that says anything else than the first request did."""
    if known.out_trade_no != order.out_trade_no or _bare(known.request) != _bare(request):
        raise Conflict("different")


def accept(
    order: Order,
    earlier: Sequence[Refund],
    request: dict[str, Any],
    *,
    now: datetime,
    wait: timedelta,
    gap: timedelta,
    outcome: str,
    terms: Terms,
) -> Refund:
    """Return a new refund that will come to `outcome` after `wait`.

    Raises Conflict: `unpaid`, `overdue`, `total`, `too_many`, `exceeded`, `too_soon`.
    """
    if order.paid_at is None:
        raise Conflict("unpaid")
    if now - order.paid_at > LATEST:
        raise Conflict("overdue")
    if request["amount"]["total"] != order.total:
        raise Conflict("total")
    if len(earlier) >= MOST_REFUNDS:
        raise Conflict("too_many")
    alive = [each for each in earlier if each.status != "CLOSED"]
    given_back = sum(each.amount for each in alive) + request["amount"]["refund"]
    if given_back > order.total:
        raise Conflict("exceeded")
    if gap and alive and now - alive[-1].created_at < gap:
        raise Conflict("too_soon")
    return Refund(
        out_refund_no=request["out_refund_no"],
        refund_id=f"50{secrets.randbelow(10**27):027d}",
        out_trade_no=order.out_trade_no,
        request=request,
        created_at=now,
        settle_at=now + wait,
        outcome=outcome,
        fee=fees.give_back(
            order.fee,
            total_fen=order.total,
            refunded_fen=given_back,
            returned=sum(each.fee for each in alive),
            places=terms.fee_places,
        ),
    )


def redirect(refund: Refund, *, now: datetime, wait: timedelta) -> Refund:
    """Return an abnormal refund on its way again, to a card this time. Raises Conflict `not_abnormal`."""
    if refund.status != "ABNORMAL":
        raise Conflict("not_abnormal")
    return replace(refund, status="PROCESSING", outcome="SUCCESS", settle_at=now + wait, settled_at=None)


def _bare(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in _NAMES}

"""Why settlement refuses: statements, their terms, their invoices.

Invariant: each code is in docs/errors.md.
"""

from config.errors import Conflict, Invalid, NotFound


class StatementNotFound(NotFound):
    """There is no such statement, or it is another supplier's."""

    code = "settlement.statement_not_found"
    message = "没有这张结算单"


class StatementMoved(Conflict):
    """The statement is in another `state` than this step needs."""

    code = "settlement.statement_moved"
    message = "结算单已不在这一步，请刷新后再看"


class StatementOutdated(Conflict):
    """Since it was drafted something of it was refunded or claimed for, or its sum is not the one that was read."""

    code = "settlement.statement_outdated"
    message = "起草之后有退款、售后或金额变化，请重新起草后再批准"


class PeriodNotOver(Conflict):
    """A month is settled once it is over."""

    code = "settlement.period_not_over"
    message = "这个月还没有结束"


class InvoiceAmountDiffers(Invalid):
    """The invoice is not over exactly what the statement says, `net_fen`."""

    code = "settlement.invoice_amount_differs"
    message = "发票金额与结算单不一致"


class InvoiceTaken(Conflict):
    """The supplier's invoice of that number belongs to another statement."""

    code = "settlement.invoice_taken"
    message = "这张发票已用于另一张结算单"


class CommissionMoved(Conflict):
    """Somebody else set the seller's commission since it was read."""

    code = "settlement.commission_moved"
    message = "佣金比例刚被别人改过，请看最新的比例再改"


class TermsTaken(Conflict):
    """There are other terms from that very instant; agreed terms are not changed, newer ones follow them."""

    code = "settlement.terms_taken"
    message = "同一生效时间已有不同的采购条款"


class OtherPersonRequired(Conflict):
    """Who drafted a statement does not approve it."""

    code = "settlement.other_person_required"
    message = "须由另一位同事批准"


class PeriodInvalid(Invalid):
    """A period is a month such as 2026-11."""

    code = "settlement.period_invalid"
    message = "账期应写成 2026-11 这样的月份"

"""Everything that payments refuses, each with its stable code.

A refusal changes nothing, except that a signed notification which cannot be applied is kept before it is refused.
"""

from config import errors


class AlreadyPaid(errors.Conflict):
    """Money for this reference has been received, so a second payment is not opened."""

    code = "payment.already_paid"
    message = "已收款，请勿重复支付"


class PaymentExpired(errors.Conflict):
    """The time to pay is over."""

    code = "payment.expired"
    message = "支付时间已过"


class PaymentRefused(errors.Conflict):
    """WeChat Pay answered that it does not accept this payment; trying the same again will not help."""

    code = "payment.refused"
    message = "微信支付未接受这笔付款"


class PaymentUnavailable(errors.Unavailable):
    """WeChat Pay's answer is unknown; nothing is lost, the same payment may be asked for again."""

    code = "payment.unavailable"
    message = "微信支付暂时没有回应，请稍后再试"


class PaymentPaused(PaymentUnavailable):
    """WeChat Pay has failed repeatedly and is left alone for some seconds; nothing was sent."""

    code = "payment.paused"
    message = "微信支付暂时繁忙，请稍后再试"


class BadPayer(errors.Invalid):
    """The payer lacks what the channel needs: an openid inside WeChat, an IP address for H5."""

    code = "payment.bad_payer"
    message = "支付信息不完整"


class NothingToRefund(errors.NotFound):
    """No received payment carries this reference."""

    code = "payment.nothing_to_refund"
    message = "没有可退款的付款"


class RefundTooLarge(errors.Conflict):
    """More is asked back than is left of the payment."""

    code = "payment.refund_too_large"
    message = "退款金额超过可退金额"


class TooManyRefunds(errors.Conflict):
    """WeChat Pay takes no further refund of this payment: what is left can only be paid out by transfer."""

    code = "payment.too_many_refunds"
    message = "这笔付款的退款次数已达上限"


class RefundTooLate(errors.Conflict):
    """WeChat Pay takes refunds for 365 days after the payment."""

    code = "payment.refund_too_late"
    message = "付款已超过一年，不能原路退款"


class WriteOffNeedsAnother(errors.Conflict):
    """A difference above the limit is written off by another person than the one who asked for it."""

    code = "payment.write_off_needs_another"
    message = "差额超过限额，须由另一位同事确认核销"


class RefundNotFound(errors.NotFound):
    """There is no refund under this number."""

    code = "payment.refund_not_found"
    message = "退款不存在"


class RefundUnderWay(errors.Conflict):
    """WeChat Pay has not said of this refund, as last sent, that it does not know it: money may be on its way."""

    code = "payment.refund_under_way"
    message = "这笔退款刚又发往微信支付，等它答复后再处理"


class RefundNotAbnormal(errors.Conflict):
    """Only a refund that WeChat Pay could not pay out, or would not take, is dealt with by hand."""

    code = "payment.refund_not_abnormal"
    message = "这笔退款不是异常状态"


class RefundDeclined(errors.Conflict):
    """WeChat Pay does not send the refund to this card; `code` is WeChat's."""

    code = "payment.refund_declined"
    message = "微信支付未接受这张银行卡"


class RefundKeyReused(errors.Conflict):
    """The same key was used before for another refund."""

    code = "payment.refund_key_reused"
    message = "退款请求与之前的不一致"


class BadSignature(errors.Unauthorized):
    """The notification is not provably WeChat's: unknown serial, wrong signature, or outside the five minutes."""

    code = "payment.bad_signature"
    message = "签名验证失败"


class NotificationTooLarge(errors.Invalid):
    """A notification is never longer than 64 KiB."""

    code = "payment.notification_too_large"
    message = "通知过长"


class MalformedNotification(errors.Invalid):
    """Signed by WeChat, yet not a notification as documented."""

    code = "payment.malformed_notification"
    message = "通知格式错误"


class UndecryptableNotification(errors.Unavailable):
    """Signed by WeChat, yet none of our API v3 keys opens it; it must be sent again once the key is right."""

    code = "payment.undecryptable_notification"
    message = "通知无法解密"


class UnknownPayment(errors.Unavailable):
    """A notification names a payment or refund that is not ours; it is kept and must be sent again."""

    code = "payment.unknown_number"
    message = "未找到对应的付款"


class CaseNotFound(errors.NotFound):
    """There is no such case."""

    code = "payment.case_not_found"
    message = "没有这个待办事项"


class CaseClosed(errors.Conflict):
    """The case has been closed; it stays as it ended."""

    code = "payment.case_closed"
    message = "这件事已经处理完"


class CaseCursorInvalid(errors.Invalid):
    """The cursor of a list of cases is not one of ours."""

    code = "payment.case_cursor_invalid"
    message = "翻页参数无效"


class NothingToWriteOff(errors.Conflict):
    """The case has no difference in money that the ledger could take up, or the money has reached the books since."""

    code = "payment.nothing_to_write_off"
    message = "这件事没有可核销的差额"


class BillNotReady(errors.Conflict):
    """A day's bill is there from ten o'clock the next morning, Beijing time, and for three months."""

    code = "payment.bill_not_ready"
    message = "这一天的账单现在取不到"


class BillUnavailable(errors.Unavailable):
    """WeChat Pay did not hand over the bill; nothing was compared, and the same day may be asked for again."""

    code = "payment.bill_unavailable"
    message = "微信账单暂时取不到，请稍后再试"


class BillBroken(errors.Unavailable):
    """The bill that came is not whole, or not WeChat's; nothing was compared, and the day may be asked for again."""

    code = "payment.bill_broken"
    message = "微信账单不完整，请稍后再试"


class PayoutNotFound(errors.NotFound):
    """There is no such payout."""

    code = "payout.not_found"
    message = "没有这笔付款"


class PayoutMoved(errors.Conflict):
    """The payout is in another `state` than this step needs."""

    code = "payout.moved"
    message = "这笔付款已不在这一步，请刷新后再看"


class PayoutStands(errors.Conflict):
    """What is to be paid out for is being paid out already, or was, with another sum or to somebody else."""

    code = "payout.stands"
    message = "已有一笔付款，不能重复付款"


class PayoutNeedsAnother(errors.Conflict):
    """Who asked for a payout does not release it."""

    code = "payout.other_person_required"
    message = "须由另一位同事复核放款"


class PayoutAmountDiffers(errors.Invalid):
    """The bank moved another sum than was released, `amount_fen`."""

    code = "payout.amount_differs"
    message = "银行付款金额与放款金额不一致"


class BankReferenceTaken(errors.Conflict):
    """The bank's reference belongs to another payout, or to a refund that was paid by transfer."""

    code = "payout.bank_reference_taken"
    message = "这个银行流水号已登记在另一笔付款上"


class NotShareable(errors.Conflict):
    """The payment was not opened for sharing, is not there, or its thirty days are over."""

    code = "sharing.not_shareable"
    message = "这笔付款不能分账"


class ShareTooLarge(errors.Conflict):
    """More than WeChat divides of a payment, `most_fen`."""

    code = "sharing.too_large"
    message = "分账金额超过上限"


class ShareStands(errors.Conflict):
    """The payment was divided or released before, in another way."""

    code = "sharing.stands"
    message = "这笔付款已分账或已解冻"


class NothingToTakeBack(errors.Conflict):
    """The receiver has not so much of the share, is no merchant, or 180 days are over."""

    code = "sharing.nothing_to_take_back"
    message = "这笔分账不能回退"

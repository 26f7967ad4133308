"""What the shop refuses, each with its stable code.

Invariant: messages are for people, details hold no personal data.
"""

from config.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests, Unauthorized, Unavailable


class SessionRequired(Unauthorized):
    """Nobody is logged in, or the session has ended."""

    code = "session.required"
    message = "请先登录"


class CodeRejected(Unauthorized):
    """WeChat does not accept the login code: wrong, used, expired or blocked. The client asks WeChat for a new one."""

    code = "session.code_rejected"
    message = "登录凭证无效或已使用，请重新登录"


class StateRejected(Unauthorized):
    """The `state` that came back from WeChat is not one that this browser was sent with, or was used before."""

    code = "session.state_rejected"
    message = "登录已过期，请返回重新打开"


class SnapshotUser(Forbidden):
    """WeChat shows the page to a made-up user (快照页), who must not order."""

    code = "session.snapshot_user"
    message = "请点击页面右下角「使用完整服务」后再下单"


class WeChatUnavailable(Unavailable):
    """WeChat did not answer, or answered what we cannot use."""

    code = "session.wechat_unavailable"
    message = "微信登录暂时不可用，请稍后再试"


class NextRejected(Invalid):
    """`next` is not a path of ours."""

    code = "session.next_rejected"
    message = "跳转地址无效"


class CsrfRejected(Forbidden):
    """The request does not prove that our own page sent it."""

    code = "session.csrf_rejected"
    message = "页面已过期，请刷新后重试"


class TooFast(TooManyRequests):
    """More requests than a person makes."""

    code = "limits.too_fast"
    message = "操作太频繁，请稍后再试"


class AddressInvalid(Invalid):
    """A field of the address cannot be delivered to; `details.fields` says which and why."""

    code = "address.invalid"
    message = "收货地址有误"


class AddressNotFound(NotFound):
    """There is no such address in this shopper's book."""

    code = "address.not_found"
    message = "收货地址不存在"


class TooManyAddresses(Conflict):
    """The address book is full."""

    code = "address.too_many"
    message = "收货地址已达上限，请先删除不用的地址"


class CartLineNotFound(NotFound):
    """The SKU is not in the cart."""

    code = "cart.line_not_found"
    message = "购物车中没有这件商品"


class CartFull(Conflict):
    """The cart holds as many different SKUs as it may."""

    code = "cart.full"
    message = "购物车已满，请先清理"


class ConsentInvalid(Invalid):
    """There is no such document, or this is not its present version: show the present one and ask again."""

    code = "consent.invalid"
    message = "协议版本已更新，请阅读后重新同意"


class LinkNotFound(NotFound):
    """No order is shown under this link, or the link was revoked."""

    code = "order.link_not_found"
    message = "链接无效或已失效"


class CredentialsRejected(Unauthorized):
    """User name, password or one-time code is wrong; which of them is never said."""

    code = "staff.credentials_rejected"
    message = "用户名、密码或动态验证码不正确"


class TotpRequired(Unauthorized):
    """The password is right and the role asks for a one-time code."""

    code = "staff.totp_required"
    message = "请输入动态验证码"


class LoginDelayed(TooManyRequests):
    """Too many wrong logins for this name from this network: wait `Retry-After` seconds."""

    code = "staff.login_delayed"
    message = "尝试次数过多，请稍后再试"


class NotPermitted(Forbidden):
    """The role, or its scope, does not allow this."""

    code = "staff.not_permitted"
    message = "没有此操作的权限"


class OutsideArea(Forbidden):
    """The placement lies in no branch that this member of staff is limited to; `details.placement` says which."""

    code = "staff.outside_area"
    message = "这个点位不在您负责的范围"


class UsernameTaken(Conflict):
    """There is already an account with this name."""

    code = "staff.username_taken"
    message = "用户名已存在"


class AccountInvalid(Invalid):
    """The user name, the password or a scope of a new account is not acceptable."""

    code = "staff.account_invalid"
    message = "账号信息不符合要求"


class AccountNotFound(NotFound):
    """There is no such staff account."""

    code = "staff.account_not_found"
    message = "账号不存在"


class CodeUnreadable(Invalid):
    """No code of ours was read in the photo; `details.picture` is its number, to be sent again with the code typed."""

    code = "staff.code_unreadable"
    message = "照片里没有读到我们的二维码，请输入码下面的 8 位编号"


class SeveralCodes(Invalid):
    """Several codes of ours are in the photo; `details.picture` is its number, to be sent again with one typed."""

    code = "staff.several_codes"
    message = "照片里有几个码，请输入要操作的那个码下面的 8 位编号"


class ProductsUnknown(Invalid):
    """There are no products with these slugs; `details.products` says which."""

    code = "staff.products_unknown"
    message = "没有这些商品"


class PhoneNotFound(NotFound):
    """No phone is marked as staff under this number."""

    code = "staff.phone_not_found"
    message = "没有这台员工手机"


class LandingUnknown(Invalid):
    """A code may only lead to a product or hall that exists."""

    code = "staff.landing_unknown"
    message = "没有这个商品或地方馆"


class PeriodTooLong(Invalid):
    """A report reaches over `details.days` days at most."""

    code = "staff.period_too_long"
    message = "报表时间跨度过长"


class ViewNotFound(NotFound):
    """There is no such saved view, or it is somebody else's."""

    code = "staff.view_not_found"
    message = "没有这个视图，或它不是您保存的"


class TooManyViews(Conflict):
    """The account has saved as many views as one may."""

    code = "staff.too_many_views"
    message = "保存的视图太多了，请先删除不用的"


class ListCursorInvalid(Invalid):
    """The cursor is not one that a page of this list gave."""

    code = "staff.cursor_invalid"
    message = "翻页参数无效"


class HallCodeRefused(Conflict):
    """A code hangs where one can go: at a physical hall or an offline zone that is open, once it was made."""

    code = "staff.hall_code_refused"
    message = "只有已开放的实体馆和线下专区才有自己的码"


class LinesInvalid(Invalid):
    """The order lines are none, too many, or not of this order."""

    code = "order.lines_invalid"
    message = "商品明细有误"


class ReturnsDeclarationMissing(Invalid):
    """How some goods are returned was shown and not confirmed; `declarations` lists what has to be."""

    code = "order.returns_declaration_missing"
    message = "请确认退货说明后再下单"


class AdultDeclarationMissing(Invalid):
    """Some goods are liquor, and the shopper has not declared to be of age for this order; `skus` lists them."""

    code = "order.adult_declaration_missing"
    message = "酒类不向未成年人出售，请确认您已年满十八周岁"


class OrderNotFound(NotFound):
    """There is no such order, or it is somebody else's."""

    code = "order.not_found"
    message = "订单不存在"


class OrderNotPending(Conflict):
    """The order no longer waits for its money; a paid one is given back through after-sales."""

    code = "order.not_pending"
    message = "订单已不是待支付状态"


class OrderNotPaid(Conflict):
    """This needs an order that is paid and not over."""

    code = "order.not_paid"
    message = "订单当前状态不能这样操作"


class OrderNotShipped(Conflict):
    """Only what was shipped can be received."""

    code = "order.not_shipped"
    message = "订单尚未全部发货"


class ReshipUsed(Conflict):
    """WeChat lets the shipping of a payment be corrected once, and it was."""

    code = "order.reship_used"
    message = "微信只允许更正一次发货信息，这笔订单已经更正过"


class PayWindowClosing(Conflict):
    """Too close to the end of the time to pay for a new payment."""

    code = "order.pay_window_closing"
    message = "支付时间即将结束，请重新下单"


class RefundExceedsLine(Conflict):
    """More would go back than was paid for a line, or for the freight; `details` say what is left."""

    code = "order.refund_exceeds_line"
    message = "退款金额超过可退金额"


class SecondPersonRequired(Conflict):
    """A refund above the limit needs a second person to approve it, and a third to pay it to another account."""

    code = "aftersales.second_person_required"
    message = "大额退款须由另一位同事办理"


class ProposalDecided(Conflict):
    """This refund was approved or rejected before."""

    code = "aftersales.proposal_decided"
    message = "这笔退款已有人处理"


class ProposalNotFound(NotFound):
    """No refund waits for a second person under this number."""

    code = "aftersales.proposal_not_found"
    message = "没有这笔待批退款"


class ClaimNotFound(NotFound):
    """There is no such after-sales claim, or it is somebody else's."""

    code = "aftersales.not_found"
    message = "售后申请不存在"


class ClaimMoved(Conflict):
    """The claim is not in a state that allows this any more; `details.state` says where it stands."""

    code = "aftersales.moved"
    message = "售后申请的状态已变化，请刷新后再试"


class AddressMissing(Invalid):
    """A return is approved with the address that the goods go to."""

    code = "aftersales.address_missing"
    message = "请填写退货地址"


class QuantityClaimed(Conflict):
    """More pieces are claimed for than are left without a claim; `details.lines` say how many are."""

    code = "aftersales.quantity_claimed"
    message = "申请数量超过可申请的数量"


class ReturnRequired(Conflict):
    """Goods that were sent and are not faulty go back for their money: claim a return."""

    code = "aftersales.return_required"
    message = "商品已发出，请申请退货退款"


class NothingToReturn(Conflict):
    """Goods that were never sent need not be sent back: claim a refund."""

    code = "aftersales.nothing_to_return"
    message = "商品尚未发出，请申请仅退款"


class NotReturnable(Conflict):
    """The law's seven days do not cover perishable goods."""

    code = "aftersales.not_returnable"
    message = "鲜活易腐商品不适用七日无理由退货，如有质量问题请选择对应原因"


class ReturnWindowOver(Conflict):
    """The seven days to return goods without a reason are over; `details.until` says since when."""

    code = "aftersales.window_over"
    message = "已超过七日无理由退货期限，如有质量问题请选择对应原因"


class SealRequired(Conflict):
    """These goods can only be returned unopened, as was confirmed when they were bought."""

    code = "aftersales.seal_required"
    message = "该商品拆封后不适用七日无理由退货，请确认商品未拆封"


class IdempotencyMismatch(Conflict):
    """The key was used before with another body."""

    code = "idempotency.mismatch"
    message = "同一请求标识已用于不同的内容"


class CursorInvalid(Invalid):
    """The cursor is not one that a page of ours gave."""

    code = "order.cursor_invalid"
    message = "翻页参数无效"


class PushNotConfigured(NotFound):
    """The token and the key of WeChat's message push are not set, so nothing of it can be believed."""

    code = "wechat.push_not_configured"
    message = "未配置微信消息推送"


class PushRejected(Unauthorized):
    """The signature is not WeChat's, or it is older than five minutes; nothing was kept."""

    code = "wechat.push_rejected"
    message = "签名无效"


class PushUnreadable(Unavailable):
    """The push is well signed, but cannot be opened with our key or is not for us; it should be sent again."""

    code = "wechat.push_unreadable"
    message = "消息无法解密"


class TemplateUnknown(Invalid):
    """No notice of ours uses this template."""

    code = "notice.template_unknown"
    message = "没有这个消息模板"


class PartnerKeyRejected(Unauthorized):
    """The key of a partner is missing, wrong or revoked, or the partner is closed."""

    code = "partner.key_rejected"
    message = "接口密钥无效"


class PartnerScopeMissing(Forbidden):
    """The key is right but may not do this; `details.scope` says what it lacks."""

    code = "partner.scope_missing"
    message = "接口密钥没有这项权限"


class PartnerNotFound(NotFound):
    """There is no such partner."""

    code = "partner.not_found"
    message = "没有这个合作伙伴"


class PartnerKeyNotFound(NotFound):
    """The partner has no such key that is still valid."""

    code = "partner.key_not_found"
    message = "没有这个有效的密钥"


class PartnerClosed(Conflict):
    """The partner was closed and stays so."""

    code = "partner.closed"
    message = "该合作伙伴已停用"


class SellerTaken(Conflict):
    """This third-party seller is a partner already."""

    code = "partner.seller_taken"
    message = "该销售方已登记为合作伙伴"


class TooManyPartnerKeys(Conflict):
    """A partner has `most` valid keys at most."""

    code = "partner.too_many_keys"
    message = "有效密钥已达上限，请先撤销一个"


class TooManyPartnerCodes(Conflict):
    """A seller has `most` links at most."""

    code = "partner.too_many_codes"
    message = "推荐码已达上限"


class PartnerInvalid(Invalid):
    """A partner, a key or an endpoint cannot be so; `details.fields` says which field and why."""

    code = "partner.invalid"
    message = "填写有误"

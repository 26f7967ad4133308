"""What the campaign refuses, each with a stable code."""

from config import errors


class CodeMistyped(errors.Invalid):
    """What was typed cannot be one of our codes: its check symbol does not fit."""

    code = "campaign.code_mistyped"
    message = "编号不对，请对照海报再输一次"


class UnknownCode(errors.NotFound):
    """Nobody printed this code, or it has been retired."""

    code = "campaign.unknown_code"
    message = "这个二维码无效或已停用"


class ForeignLink(errors.Invalid):
    """The scanned link is not one of ours; it is refused unread."""

    code = "campaign.foreign_link"
    message = "扫描的链接不属于本站"


class UnknownPlacement(errors.NotFound):
    """There is no such node in the inventory tree."""

    code = "campaign.unknown_placement"
    message = "没有这个点位"


class UnknownCampaign(errors.NotFound):
    """There is no such campaign, or no such creative in it."""

    code = "campaign.unknown_campaign"
    message = "没有这个活动或素材"


class UnknownConversion(errors.NotFound):
    """The campaign has not heard of this order (yet)."""

    code = "campaign.unknown_order"
    message = "归因中没有这个订单"


class NotDecided(errors.Conflict):
    """The order is not paid, so nobody was credited yet."""

    code = "campaign.not_decided"
    message = "订单尚未支付，还没有归因"


class BuyerForgotten(errors.Conflict):
    """The buyer was erased or forgotten; whose scans would count is no longer known, and the decision stands."""

    code = "campaign.buyer_forgotten"
    message = "买家信息已按规定删除，归因不再改变"


class UnknownMerge(errors.NotFound):
    """There is no such merge of visitors, or it was undone before."""

    code = "campaign.unknown_merge"
    message = "没有这次合并，或已经撤销"


class UnknownSignal(errors.NotFound):
    """There is no such suspicion."""

    code = "campaign.unknown_signal"
    message = "没有这条异常"


class SignalClosed(errors.Conflict):
    """The suspicion was closed before, and otherwise."""

    code = "campaign.signal_closed"
    message = "这条异常已经结案"


class PlacementTaken(errors.Conflict):
    """A placement with this number exists, or the level does not fit under the parent."""

    code = "campaign.placement_conflict"
    message = "点位编号重复或层级不符"


class BindingOverlaps(errors.Conflict):
    """The code already hangs somewhere during part of this time."""

    code = "campaign.binding_overlaps"
    message = "该二维码在这段时间内已有绑定"


class ImpossiblePeriod(errors.Invalid):
    """A period must end after it begins."""

    code = "campaign.impossible_period"
    message = "结束时间必须晚于开始时间"


class NotHanging(errors.Conflict):
    """The code hangs nowhere just now; `details` say who took it down and when."""

    code = "campaign.not_hanging"
    message = "这个码现在没有挂在任何点位"


class AlreadyHanging(errors.Conflict):
    """The code hangs at a placement already; it is taken down there first."""

    code = "campaign.already_hanging"
    message = "这个码已经挂在点位上，请先拆下"


class NoPlan(errors.Conflict):
    """Nobody said what this code leads to, nor where it is to hang."""

    code = "campaign.no_plan"
    message = "后台还没有安排这个码挂在哪里，请联系投放人员"


class PlannedElsewhere(errors.Conflict):
    """The code is planned for another placement; `details.placement` says which."""

    code = "campaign.planned_elsewhere"
    message = "这个码安排在另一个点位"


class ScanReused(errors.Conflict):
    """The key of a confirming scan was used for another one."""

    code = "campaign.scan_reused"
    message = "这个表单已经用过，请重新扫码"


class UnknownScan(errors.NotFound):
    """There is no such confirming scan."""

    code = "campaign.unknown_scan"
    message = "没有这条现场记录"


class UnknownCreative(errors.NotFound):
    """There is no such artwork."""

    code = "campaign.unknown_creative"
    message = "没有这个素材"


class CreativeTaken(errors.Conflict):
    """There is an artwork with this number."""

    code = "campaign.creative_taken"
    message = "素材编号重复"


class CreativeNotValid(errors.Conflict):
    """The artwork may not hang at this time; `details` say when it may."""

    code = "campaign.creative_not_valid"
    message = "这个素材不在有效期内"


class UnknownAlert(errors.NotFound):
    """There is no such alert."""

    code = "campaign.unknown_alert"
    message = "没有这条告警"


class AlertClosed(errors.Conflict):
    """Somebody closed this alert before."""

    code = "campaign.alert_closed"
    message = "这条告警已经办结"


class UnknownPack(errors.NotFound):
    """There is no such pack."""

    code = "campaign.unknown_pack"
    message = "没有这个印刷包"


class PackNotReady(errors.Conflict):
    """The pack is still being made, or could not be."""

    code = "campaign.pack_not_ready"
    message = "印刷包还没有做好"


class NothingToPrint(errors.Invalid):
    """No code hangs at or below this placement."""

    code = "campaign.nothing_to_print"
    message = "这里现在没有挂出的二维码，没有可印的内容"


class PackTooLarge(errors.Invalid):
    """More codes than one pack may have; choose a narrower part of the tree."""

    code = "campaign.pack_too_large"
    message = "二维码太多，请选小一点的范围"


class NotPrintable(errors.Conflict):
    """The piece failed preflight; `details.step` says at which step."""

    code = "campaign.not_printable"
    message = "这个二维码没有通过印前检验，不能印刷"


class UnknownCost(errors.NotFound):
    """There is no such cost entry."""

    code = "campaign.unknown_cost"
    message = "没有这笔成本"


class CostImplausible(errors.Invalid):
    """The amount is not positive or beyond any contract, or the period is longer than ten years."""

    code = "campaign.cost_implausible"
    message = "金额须大于零且不超过 10 亿元，时间不超过十年"


class CostIsReversal(errors.Conflict):
    """This entry takes another back, and cannot be taken back itself; enter the cost again."""

    code = "campaign.cost_is_reversal"
    message = "冲销记录不能再冲销，请重新登记"


class ExposureImplausible(errors.Invalid):
    """The range is out of order, a figure is beyond the city's metro, or the ridership has no source."""

    code = "campaign.exposure_implausible"
    message = "请按 最低 ≤ 最可能 ≤ 最高 填写，客流不超过一千万，并写明来源"


class UnknownTrial(errors.NotFound):
    """There is no such test."""

    code = "campaign.unknown_trial"
    message = "没有这个测试"


class TrialImpossible(errors.Invalid):
    """The test needs 4 to 200 units of which none lies in another, 2 to 52 weeks, and a first day ahead."""

    code = "campaign.trial_impossible"
    message = "请选 4 到 200 个互不包含的点位，2 到 52 周，开始日期要在今天之后"


class TrialFixed(errors.Conflict):
    """The test has started, was withdrawn, or its first day has passed: it cannot be changed any more."""

    code = "campaign.trial_fixed"
    message = "测试已开始、已撤回或已过开始日期，不能再改"

"""What the campaign refuses, each with a stable code."""

from config import errors


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

"""What is refused about groups, households and links that benefit, each with its stable code.

Invariant: messages are for people; details hold numbers and shares, never a household's name or phone.
"""

from config.errors import Conflict, Invalid, NotFound


class GroupUnknown(NotFound):
    """There is no such co-operative or household group, or it is out of sight."""

    code = "benefit.group_not_found"
    message = "没有找到这个合作社或农户组"


class GroupTaken(Conflict):
    """The county has a group of that name; `number` says which."""

    code = "benefit.group_taken"
    message = "本县已有同名的合作社或农户组"


class CountyInvalid(Invalid):
    """The code is no county of the province."""

    code = "benefit.county_invalid"
    message = "没有这个县（市、区）"


class ProductUnlinkable(Invalid):
    """The product does not exist, or it comes from outside the county's area."""

    code = "benefit.product_invalid"
    message = "没有这个商品，或不是本地出产"


class LinkUnknown(NotFound):
    """There is no such link, or it is out of sight."""

    code = "benefit.link_not_found"
    message = "没有找到这条带贫关系"


class LinkPeriodInvalid(Invalid):
    """A link begins and ends a minute from now or later, and ends after it began."""

    code = "benefit.period_invalid"
    message = "起止时间要晚于现在，并且先起后止"


class LinkOverlaps(Conflict):
    """The product is linked to this group in this mode during part of that time."""

    code = "benefit.link_overlaps"
    message = "这段时间里，该商品已以同样方式带动这个组"


class SharesExceedWhole(Conflict):
    """The links of a product would share out more than all of it at some time; `left_bp` is what is free then."""

    code = "benefit.shares_exceed_whole"
    message = "该商品各项带贫比例合计不能超过 100%"


class LinkEnded(Conflict):
    """The link has an end already, and not a later one than was asked for."""

    code = "benefit.link_ended"
    message = "这条带贫关系已经结束"


class HouseholdUnknown(NotFound):
    """There is no such household, or it is another county's."""

    code = "household.not_found"
    message = "没有找到这户"


class HouseholdInvalid(Invalid):
    """A field of a household is wrong; `details.fields` says which. Identity numbers are never taken."""

    code = "household.invalid"
    message = "农户信息填写有误"


class HouseholdTaken(Conflict):
    """The group has a household of this name and phone; `number` says which."""

    code = "household.taken"
    message = "这户已经在组里"


class HouseholdsTooMany(Conflict):
    """A group holds 500 households at most."""

    code = "household.too_many"
    message = "每组最多 500 户，请另建一组"

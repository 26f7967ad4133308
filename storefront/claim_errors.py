"""The refusals of photos that shoppers send with their claims.

Invariant: as `storefront.errors`.
"""

from config.errors import Conflict, NotFound, TooManyRequests


class ClaimPhotoUnknown(NotFound):
    """There is no such photo of this order, it is somebody else's, another claim shows it, or its time is over."""

    code = "aftersales.photo_unknown"
    message = "没有这张照片，请重新选择"


class PhotosTooMany(Conflict):
    """A claim shows at most `details.most` photos."""

    code = "aftersales.photos_too_many"
    message = "照片已达上限"


class PhotosTooManyToday(TooManyRequests):
    """One person sent as many photos as anybody may within a day."""

    code = "aftersales.photo_quota"
    message = "今天上传的照片太多，请明天再试"

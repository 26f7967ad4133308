"""The refusals of the catalog, each with a stable code.

Invariant: details name SKUs, slugs and region codes only, never a person.
"""

from config import errors


class ProductUnknown(errors.NotFound):
    """There is no such product, or it is off sale."""

    code = "catalog.product_unknown"
    message = "商品不存在或已下架"


class HallUnknown(errors.NotFound):
    """There is no such hall, or it is closed."""

    code = "catalog.hall_unknown"
    message = "地方馆不存在"


class PlateUnknown(errors.NotFound):
    """There is no drawn plate of that name."""

    code = "catalog.plate_unknown"
    message = "图片不存在"


class SkuUnknown(errors.Invalid):
    """A line names a SKU that does not exist; `skus` lists them."""

    code = "catalog.sku_unknown"
    message = "商品规格不存在"


class QuantityInvalid(errors.Invalid):
    """A quantity is not between 1 and the most that one line may hold."""

    code = "catalog.quantity_invalid"
    message = "购买数量不正确"


class PriceInvalid(errors.Invalid):
    """A price is not a positive amount of fen within reason."""

    code = "catalog.price_invalid"
    message = "价格不正确"


class RegionInvalid(errors.Invalid):
    """The code is no division of China, or one that an address may not end in."""

    code = "catalog.region_invalid"
    message = "收货地区不正确，请选择到区县"


class CursorInvalid(errors.Invalid):
    """The cursor was not made by this list."""

    code = "catalog.cursor_invalid"
    message = "翻页参数不正确"


class FilterInvalid(errors.Invalid):
    """A filter or sort order that this list does not have."""

    code = "catalog.filter_invalid"
    message = "筛选条件不正确"


class NotForSale(errors.Conflict):
    """A line is display-only or off sale; `lines` says which."""

    code = "catalog.not_for_sale"
    message = "商品暂不销售"


class OutOfStock(errors.Conflict):
    """Less is left than was asked for; `lines` holds each short SKU and what is available."""

    code = "catalog.out_of_stock"
    message = "库存不足"


class NotDeliverable(errors.Conflict):
    """Some lines cannot be sent to that region; `lines` holds their SKUs."""

    code = "catalog.not_deliverable"
    message = "所选地区暂不配送"


class ReservationUnknown(errors.NotFound):
    """Nothing was ever reserved under this reference."""

    code = "catalog.reservation_unknown"
    message = "没有找到库存预留"


class ReservationReleased(errors.Conflict):
    """The reservation was given back and can no longer be committed."""

    code = "catalog.reservation_released"
    message = "库存预留已释放"


class ReservationCommitted(errors.Conflict):
    """The goods were already taken: only a return brings them back."""

    code = "catalog.reservation_committed"
    message = "库存已出库"


class ReturnTooLarge(errors.Conflict):
    """More would come back than was ever taken under this reference."""

    code = "catalog.return_too_large"
    message = "退回数量超过售出数量"

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


class HallInvalid(errors.Invalid):
    """What is said of a hall lacks something or is too long; `fields` says what."""

    code = "catalog.hall_invalid"
    message = "馆的信息不完整或不正确"


class HallTaken(errors.Conflict):
    """There is a hall of that slug."""

    code = "catalog.hall_taken"
    message = "这个网址名已经有馆使用"


class HallMoved(errors.Conflict):
    """The hall was changed meanwhile, or its `state` does not allow that; `version` is the one to read."""

    code = "catalog.hall_moved"
    message = "这个馆刚被别人改过，请看过最新内容再改"


class HallInUse(errors.Conflict):
    """So many `products` that belong to the hall are on sale; it closes when they are not."""

    code = "catalog.hall_in_use"
    message = "馆内还有商品在售，不能关闭"


class ShelvesInvalid(errors.Invalid):
    """A shelf has no name, or too many goods, or the same twice, or unknown ones; `shelves` are their places from 1."""

    code = "catalog.shelves_invalid"
    message = "货架名称或商品不正确"


class TargetInvalid(errors.Invalid):
    """A target has no amount, or is for what nobody counts in such a region; `fields` says what is wrong."""

    code = "catalog.target_invalid"
    message = "目标不正确"


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
    """A line is display-only or off sale; `lines` says which, and `because` why."""

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


class AccreditationUnknown(errors.NotFound):
    """There is no such accreditation, or it is out of sight."""

    code = "accreditation.not_found"
    message = "没有找到这项认定"


class AccreditationStanding(errors.Conflict):
    """The product has an application under way, or is accredited; `number` says which."""

    code = "accreditation.standing"
    message = "该商品已有进行中或有效的认定"


class AccreditationMoved(errors.Conflict):
    """That step may not follow the present `state`, or is not for this seat."""

    code = "accreditation.moved"
    message = "认定当前状态不能进行这一步"


class AccreditationReasonMissing(errors.Invalid):
    """A step against somebody needs a reason of 2 to 500 characters."""

    code = "accreditation.reason_missing"
    message = "请写明理由（2 到 500 字）"


class AccreditationOtherSeat(errors.Forbidden):
    """The same person already took a step of this accreditation in another seat."""

    code = "accreditation.other_seat"
    message = "您已在这项认定中以另一身份办理过，须由他人办理"


class EvidenceMissing(errors.Conflict):
    """The application lacks files of these `kinds`."""

    code = "accreditation.evidence_missing"
    message = "申请材料不全"


class EvidenceClosed(errors.Conflict):
    """Files and text may be changed in a draft or after a return only."""

    code = "accreditation.evidence_closed"
    message = "材料已提交，退回补正后才能修改"


class EvidenceTooMany(errors.Conflict):
    """An application holds 30 files at most."""

    code = "accreditation.evidence_too_many"
    message = "材料最多 30 份"


class NoticeRunning(errors.Conflict):
    """The public notice runs until `until`."""

    code = "accreditation.notice_running"
    message = "公示期未满"


class NoticeOver(errors.Conflict):
    """Objections are heard during the public notice only."""

    code = "accreditation.notice_over"
    message = "公示期已结束，不再接收异议"


class ObjectionsOpen(errors.Conflict):
    """There are `count` objections without an answer."""

    code = "accreditation.objections_open"
    message = "还有异议没有答复"


class ObjectionUnknown(errors.NotFound):
    """There is no such objection."""

    code = "accreditation.objection_not_found"
    message = "没有找到这条异议"


class ObjectionAnswered(errors.Conflict):
    """The objection was answered before; an answer is not changed."""

    code = "accreditation.objection_answered"
    message = "这条异议已经答复"


class TownshipInvalid(errors.Invalid):
    """The code is no township of the county that the product comes from."""

    code = "accreditation.township_invalid"
    message = "乡镇（街道）与商品产地不符"


class BatchUnknown(errors.Invalid):
    """There is no such batch of the catalogue."""

    code = "accreditation.batch_invalid"
    message = "没有这个目录批次"


class BatchTaken(errors.Conflict):
    """A batch of that name exists."""

    code = "accreditation.batch_taken"
    message = "已有同名批次"


class IndicationInvalid(errors.Invalid):
    """A geographical indication needs its number, its issuer and a day up to today."""

    code = "accreditation.indication_invalid"
    message = "请填写地理标志的证书编号、发证单位和不晚于今天的日期"


class RectificationInvalid(errors.Invalid):
    """An order to rectify needs a day in the future, and the others none; or there is none to confirm."""

    code = "accreditation.rectification_invalid"
    message = "整改期限不正确"


class AccreditationRequired(errors.Conflict):
    """The product lost its accreditation, or never had one, and stays off the shelf until it has."""

    code = "accreditation.required"
    message = "该商品没有有效的认定，认定发布后才能上架"


class SupplierUnknown(errors.NotFound):
    """There is no such supplier, or it is out of sight."""

    code = "supplier.not_found"
    message = "没有找到这家供应商"


class SupplierMoved(errors.Conflict):
    """That step may not follow the present `state`, or is not for this seat."""

    code = "supplier.moved"
    message = "供应商当前状态不能进行这一步"


class SupplierReasonMissing(errors.Invalid):
    """A step against a supplier needs a reason of 2 to 500 characters."""

    code = "supplier.reason_missing"
    message = "请写明理由（2 到 500 字）"


class SupplierNotAdmitted(errors.Conflict):
    """The supplier is not admitted, suspended or lapsed, so its goods stay off the shelf."""

    code = "supplier.not_admitted"
    message = "供应商目前不能供货，商品不能上架"


class SupplierSealed(errors.Conflict):
    """What a supplier applied with is changed by staff only, unless it was refused."""

    code = "supplier.sealed"
    message = "资料已提交，需要更改请联系平台"


class SupplierIncomplete(errors.Conflict):
    """The application lacks these `fields`, or photographs of these `papers`."""

    code = "supplier.incomplete"
    message = "入驻资料不全"


class SupplierPapersExpired(errors.Conflict):
    """These `papers` ran out: nobody sells on them."""

    code = "supplier.papers_expired"
    message = "营业执照或食品经营许可已过期"


class CreditCodeInvalid(errors.Invalid):
    """The unified social credit code is none: its check character does not fit."""

    code = "supplier.credit_code_invalid"
    message = "统一社会信用代码不正确，请对照营业执照核对"


class CreditCodeTaken(errors.Conflict):
    """A supplier with that credit code has applied before; `number` says which."""

    code = "supplier.credit_code_taken"
    message = "这家单位已经申请过，不能重复申请"


class SupplierProfileInvalid(errors.Invalid):
    """A field of the application cannot be so; `field` says which."""

    code = "supplier.profile_invalid"
    message = "资料填写不正确"


class AgreementOutdated(errors.Conflict):
    """The agreement has a newer `version`, which has to be read and accepted."""

    code = "supplier.agreement_outdated"
    message = "供应商协议已更新，请阅读新版本后再同意"


class PapersTooMany(errors.Conflict):
    """A supplier holds 30 photographed papers at most."""

    code = "supplier.papers_too_many"
    message = "资质照片最多 30 张"


class PayeeMissing(errors.Conflict):
    """The supplier has not said where its money goes."""

    code = "supplier.payee_missing"
    message = "供应商还没有登记收款账户"


class PayeeInvalid(errors.Invalid):
    """The bank account or WeChat's receiver cannot be so; `field` says which."""

    code = "supplier.payee_invalid"
    message = "收款信息填写不正确"


class PayeeUnreadable(errors.Conflict):
    """The account was sealed with another secret key and has to be entered again."""

    code = "supplier.payee_unreadable"
    message = "收款账户无法解密，请重新登记"


class ProductionBatchUnknown(errors.NotFound):
    """There is no such production batch, or it is out of sight or of another product."""

    code = "batch.not_found"
    message = "没有这个批次"


class BatchIncomplete(errors.Invalid):
    """A production batch needs its lot, place and day; a report its laboratory, number, day and verdict."""

    code = "batch.incomplete"
    message = "请填完整批号、产地和不晚于今天的日期；检验报告要有机构、编号、日期和结论"


class LotTaken(errors.Conflict):
    """The product has a batch of that lot; `code` says which."""

    code = "batch.lot_taken"
    message = "这个商品已有同一批号的批次"


class ReportTooLong(errors.Conflict):
    """A test report holds 20 pages at most."""

    code = "batch.report_too_long"
    message = "检验报告最多 20 页"


class RecallReasonMissing(errors.Invalid):
    """A recall needs a reason of 2 to 200 characters, which the public reads."""

    code = "batch.reason_missing"
    message = "请写明召回原因（2 到 200 字）"


class BatchRecalled(errors.Conflict):
    """The batch was recalled before."""

    code = "batch.recalled"
    message = "这个批次已经召回"


class BatchBarred(errors.Conflict):
    """A batch that was recalled or failed its test may not leave; `codes` lists them."""

    code = "batch.barred"
    message = "批次已召回或检验不合格，不能发货"


class ReviewUnknown(errors.NotFound):
    """There is no such review of a price, or it is out of sight."""

    code = "price_review.not_found"
    message = "没有这项价格核查"


class ReviewMoved(errors.Conflict):
    """The review is in another `state` than the one that was decided on."""

    code = "price_review.moved"
    message = "这项价格核查刚刚有了变化，请看清后再决定"


class ReviewReasonMissing(errors.Invalid):
    """To ask for another price or to stop the sale needs a reason of 2 to 200 characters."""

    code = "price_review.reason_missing"
    message = "请写明理由（2 到 200 字）"


class CountTooLow(errors.Conflict):
    """Orders have spoken for more than was counted; `lines` holds each SKU and how many are spoken for."""

    code = "catalog.count_too_low"
    message = "盘点数少于已被订单占用的数量"


class StockMoved(errors.Conflict):
    """What is on hand changed since whoever counted looked; `lines` holds each SKU, what they saw and what is there."""

    code = "catalog.stock_moved"
    message = "在您填写期间库存变了（有订单、退货或入库），没有改动：请看最新在库后再盘"

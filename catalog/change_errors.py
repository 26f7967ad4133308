"""The refusals of changes that suppliers make to their goods, each with a stable code.

Invariant: details name fields and changes only, never a person.
"""

from config import errors


class FactInvalid(errors.Invalid):
    """A fact of a product cannot be so; `field` says which."""

    code = "goods.fact_invalid"
    message = "商品资料填写不正确"


class ChangeEmpty(errors.Conflict):
    """Nothing would change."""

    code = "goods.change_empty"
    message = "内容没有变化"


class ChangeStanding(errors.Conflict):
    """Another change of the product is under review; `number` says which."""

    code = "goods.change_standing"
    message = "已有一项变更在审核，请等它办结或先撤回"


class ChangeUnknown(errors.NotFound):
    """There is no such change, or it is out of sight."""

    code = "goods.change_not_found"
    message = "没有找到这项变更"


class ChangeMoved(errors.Conflict):
    """The change was decided before, or what it changes is no longer as it was when it was asked for."""

    code = "goods.change_moved"
    message = "这项变更已办结，或原内容已变动，请刷新后再看"


class ChangeReasonMissing(errors.Invalid):
    """A refusal, or a stocktaking, needs a reason of 2 to 500 characters."""

    code = "goods.reason_missing"
    message = "请写明原因（2 到 500 字）"


class ChangeOwn(errors.Forbidden):
    """Who asked for a change does not decide on it."""

    code = "goods.change_own"
    message = "变更须由他人审核"


class PriceHeld(errors.Conflict):
    """The county holds a price of these goods back; they are on sale once it is accepted."""

    code = "goods.price_held"
    message = "价格正在县级核查，核查通过后才能上架"


class PackLast(errors.Conflict):
    """No other pack of these goods is on sale."""

    code = "goods.pack_last"
    message = "这是最后一个在售的规格：不再卖的话，请下架整个商品"


class EntryInvalid(errors.Invalid):
    """New goods, or a new pack, cannot be so; `faults` has for each field its title and what is wrong with it."""

    code = "goods.entry_invalid"
    message = "请按提示改正后再提交"


class EntryTaken(errors.Conflict):
    """The supplier has goods of this name from this county already; `slug` says which."""

    code = "goods.entry_taken"
    message = "您已经录过同一产地的同名商品：新规格请在那个商品里添加"

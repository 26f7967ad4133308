"""The menu of the staff's pages: sections, and what is in them.

Invariant: a menu shows only what its reader may open; who may open little sees all of it at once, everybody else the
sections and the pages of the section that they are in.
"""

from dataclasses import dataclass

from storefront import roles
from storefront.actors import Actor
from storefront.roles import Permission
from storefront.staff import accounts, sight

# So many pages fit beside each other; a reader of fewer needs no sections.
_AT_ONCE = 8


@dataclass(frozen=True)
class Item:
    """One page; `permission` None is for everybody, `is_whole` asks for a role without a scope.

    `by_branch` asks for one without, or for a branch of the placements: a region or a supplier is none.
    """

    key: str
    path: str
    title: str
    permission: Permission | None
    is_whole: bool = False
    by_branch: bool = False


@dataclass(frozen=True)
class Section:
    """Pages that belong together."""

    title: str
    items: tuple[Item, ...]

    @property
    def path(self) -> str:
        """Where a click on the section leads: its first page."""
        return self.items[0].path


SECTIONS = (
    Section(
        "今日",
        (Item("today", "/staff/", "今日", None),),
    ),
    Section(
        "效果",
        (
            Item("report", "/staff/report", "点位报表", Permission.READ_REPORTS, by_branch=True),
            Item("metro", "/staff/metro", "地铁图", Permission.READ_REPORTS, by_branch=True),
            Item("train", "/staff/train", "列车", Permission.READ_REPORTS, by_branch=True),
            Item("wall", "/staff/wall", "大屏", Permission.READ_REPORTS, is_whole=True),
            Item("costs", "/staff/costs", "成本", Permission.READ_REPORTS, by_branch=True),
        ),
    ),
    Section(
        "订单",
        (
            Item("orders", "/staff/orders", "订单", Permission.READ_ORDERS),
            Item("aftersales", "/staff/aftersales", "售后", Permission.READ_ORDERS),
            Item("approvals", "/staff/approvals", "退款审批", Permission.REFUND_ORDERS),
        ),
    ),
    Section(
        "商品",
        (
            Item("goods", "/staff/my/goods", "商品", Permission.KEEP_GOODS),
            Item("imports", "/staff/imports", "表格导入", Permission.IMPORT_GOODS),
            Item("prices", "/staff/prices", "价格核查", Permission.READ_PRICES),
            Item("batches", "/staff/batches", "批次", Permission.READ_BATCHES),
            Item("accreditations", "/staff/accreditations", "产品认定", Permission.READ_ACCREDITATIONS),
            Item("changes", "/staff/changes", "变更审核", Permission.DECIDE_ACCREDITATION),
            Item("suppliers", "/staff/suppliers", "供应商", Permission.READ_SUPPLIERS),
        ),
    ),
    Section(
        "县域",
        (
            Item("halls", "/staff/halls", "馆与专区", Permission.READ_HALLS),
            Item("targets", "/staff/targets", "目标", Permission.READ_HALLS),
            Item("benefit", "/staff/benefit", "带贫", Permission.READ_BENEFIT),
            Item("readiness", "/staff/readiness", "832准备", Permission.READ_ACCREDITATIONS),
        ),
    ),
    Section(
        "投放",
        (
            Item("codes", "/staff/codes", "二维码", Permission.READ_PLACEMENTS, by_branch=True),
            Item("creatives", "/staff/creatives", "素材", Permission.READ_PLACEMENTS, by_branch=True),
            Item("field", "/staff/field", "现场", Permission.WORK_FIELD, by_branch=True),
            Item("alerts", "/staff/alerts", "告警", Permission.READ_ALERTS, by_branch=True),
        ),
    ),
    Section(
        "财务",
        (
            Item("finance", "/staff/finance", "财务", Permission.READ_MONEY, is_whole=True),
            Item("settlement", "/staff/settlement", "结算", Permission.READ_MONEY, is_whole=True),
            Item("commissions", "/staff/commissions", "推广佣金", Permission.SETTLE, is_whole=True),
            Item("statements", "/staff/my/statements", "我的结算单", Permission.READ_STATEMENTS),
        ),
    ),
    Section(
        "管理",
        (
            Item("partners", "/staff/partners", "合作伙伴", Permission.MANAGE_PARTNERS, is_whole=True),
            Item("people", "/staff/accounts", "账号", Permission.MANAGE_STAFF, is_whole=True),
            Item("trail", "/staff/audit", "操作记录", Permission.MANAGE_STAFF, is_whole=True),
            Item("phone", "/staff/phone", "本机", Permission.MARK_PHONES),
        ),
    ),
)


@dataclass(frozen=True)
class Menu:
    """What a reader sees: the upper row and, with sections, the lower one; each entry with whether it is here."""

    upper: tuple[tuple[str, str, bool], ...]
    lower: tuple[tuple[str, str, bool], ...]


def of(actor: Actor, here: str) -> Menu:
    """Return the menu of a reader who is on the page `here`."""
    sections = [
        Section(section.title, tuple(item for item in section.items if _may_open(actor, item))) for section in SECTIONS
    ]
    sections = [section for section in sections if section.items]
    items = [item for section in sections for item in section.items]
    if len(items) <= _AT_ONCE:
        return Menu(_entries(items, here), ())
    own = next((section for section in sections if any(item.key == here for item in section.items)), None)
    upper = tuple(
        (section.path, section.items[0].title if len(section.items) == 1 else section.title, section is own)
        for section in sections
    )
    return Menu(upper, _entries(own.items, here) if own and len(own.items) > 1 else ())


def _entries(items: list[Item] | tuple[Item, ...], here: str) -> tuple[tuple[str, str, bool], ...]:
    return tuple((item.path, item.title, item.key == here) for item in items)


def _may_open(actor: Actor, item: Item) -> bool:
    if item.permission is None:
        return True
    if item.by_branch:
        return roles.branches(actor.grants, item.permission) != []
    return accounts.allowed(actor, item.permission, sight.WHOLE if item.is_whole else None)

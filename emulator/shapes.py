"""What a request body may look like: lengths, characters and obligations, refused in WeChat's own words.

A shape refuses unknown keys, null, and characters beyond the basic plane anywhere, as the real one does.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from emulator.gate import Refusal

TRADE_NUMBER = r"[0-9A-Za-z_\-|*]*"
REFUND_NUMBER = r"[0-9A-Za-z_\-|*@]*"


class Shape(Protocol):
    """Something that a value can be held against."""

    @property
    def label(self) -> str:
        """What people call the field."""

    @property
    def is_required(self) -> bool:
        """Whether the field must be there."""

    def check(self, path: str, value: Any) -> None:
        """Raise Refusal PARAM_ERROR unless the value fits."""


def _refuse(path: str, value: Any, message: str) -> Refusal:
    shown = value if isinstance(value, (int, str, float)) and not isinstance(value, bool) else None
    detail = {"field": path.removeprefix("/body"), "location": "body"} | ({} if shown is None else {"value": shown})
    return Refusal(400, "PARAM_ERROR", f"输入源“{path}”{message}", detail)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A string of so many characters, perhaps of a pattern."""

    label: str
    longest: int
    shortest: int = 1
    pattern: str | None = None
    is_required: bool = False

    def check(self, path: str, value: Any) -> None:
        """Hold a value against the length and the pattern."""
        rule = f"映射到值字段“{self.label}”字符串规则校验失败"
        if not isinstance(value, str):
            raise _refuse(path, value, f"{rule}，类型不是字符串")
        if len(value) < self.shortest:
            raise _refuse(path, len(value), f"{rule}，字节数 {len(value)}，小于最小值 {self.shortest}")
        if len(value) > self.longest:
            raise _refuse(path, len(value), f"{rule}，字节数 {len(value)}，大于最大值 {self.longest}")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise _refuse(path, value, f"{rule}，含有非法字符")
        if any(ord(letter) > 0xFFFF for letter in value):
            raise _refuse(path, len(value), f"{rule}，含有四字节字符")


@dataclass(frozen=True, kw_only=True)
class Instant(Text):
    """An RFC 3339 time with an offset."""

    longest: int = 64

    def check(self, path: str, value: Any) -> None:
        """Hold a value against RFC 3339."""
        super().check(path, value)
        try:
            is_aware = datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            is_aware = False
        if not is_aware:
            raise _refuse(path, value, f"映射到值字段“{self.label}”时间格式校验失败，应为RFC3339格式")


@dataclass(frozen=True, kw_only=True)
class NotifyUrl(Text):
    """A full address without a query; that plain http is for this machine only is checked by the caller."""

    longest: int = 256

    def check(self, path: str, value: Any) -> None:
        """Hold a value against the form of a notify_url."""
        super().check(path, value)
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise _refuse(path, value, f"映射到值字段“{self.label}”校验失败，必须是不带参数的完整URL")


@dataclass(frozen=True, kw_only=True)
class Address(Text):
    """An IPv4 or IPv6 address. The real one also refuses 127.0.0.1, which on a desk is everybody's."""

    longest: int = 45

    def check(self, path: str, value: Any) -> None:
        """Hold a value against the form of an address."""
        super().check(path, value)
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise _refuse(path, value, f"映射到值字段“{self.label}”校验失败，不是合法的IP地址") from None


@dataclass(frozen=True, kw_only=True)
class Whole:
    """An integer from `least`."""

    label: str
    least: int = 1
    is_required: bool = False

    def check(self, path: str, value: Any) -> None:
        """Hold a value against the range."""
        rule = f"映射到数值字段“{self.label}”规则校验失败"
        if not isinstance(value, int) or isinstance(value, bool):
            raise _refuse(path, value, f"{rule}，类型不是整数")
        if value < self.least:
            raise _refuse(path, value, f"{rule}，值低于最小值 {self.least}")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """True or false."""

    label: str
    is_required: bool = False

    def check(self, path: str, value: Any) -> None:
        """Hold a value against being a boolean."""
        if not isinstance(value, bool):
            raise _refuse(path, value, f"映射到字段“{self.label}”规则校验失败，类型不是布尔值")


@dataclass(frozen=True, kw_only=True)
class Group:
    """An object of named fields and no others."""

    label: str
    fields: Mapping[str, Shape]
    is_required: bool = False

    def check(self, path: str, value: Any) -> None:
        """Hold an object against its fields."""
        if not isinstance(value, dict):
            raise _refuse(path, value, f"映射到字段“{self.label}”规则校验失败，类型不是对象")
        for name in value.keys() - self.fields.keys():
            raise _refuse(f"{path}/{name}", None, "参数中含有非法的额外参数")
        for name, shape in self.fields.items():
            if name in value:
                shape.check(f"{path}/{name}", value[name])
            elif shape.is_required:
                raise _refuse(f"{path}/{name}", None, f"映射到字段“{shape.label}”必填性规则校验失败，此字段为必填项")


@dataclass(frozen=True, kw_only=True)
class Several:
    """A list of like things."""

    label: str
    item: Shape
    is_required: bool = False

    def check(self, path: str, value: Any) -> None:
        """Hold every item against the shape."""
        if not isinstance(value, list):
            raise _refuse(path, value, f"映射到字段“{self.label}”规则校验失败，类型不是数组")
        for number, each in enumerate(value):
            self.item.check(f"{path}/{number}", each)


MCHID = Text(label="商户号", longest=32, is_required=True)
NOTIFY_URL = NotifyUrl(label="回调地址", longest=255, is_required=True)
_CURRENCY = Text(label="货币类型", longest=16, pattern="CNY")
_PREPAY: dict[str, Shape] = {
    "appid": Text(label="公众号ID", longest=32, is_required=True),
    "mchid": MCHID,
    "description": Text(label="商品描述", longest=127, is_required=True),
    "out_trade_no": Text(label="商户订单号", shortest=6, longest=32, pattern=TRADE_NUMBER, is_required=True),
    "time_expire": Instant(label="交易结束时间"),
    "attach": Text(label="商户数据包", shortest=0, longest=128),
    "notify_url": NOTIFY_URL,
    "goods_tag": Text(label="订单优惠标记", longest=32),
    "support_fapiao": Flag(label="电子发票入口开放标识"),
    "amount": Group(
        label="订单金额",
        fields={"total": Whole(label="总金额", is_required=True), "currency": _CURRENCY},
        is_required=True,
    ),
    "detail": Group(
        label="优惠功能",
        fields={
            "cost_price": Whole(label="订单原价", least=0),
            "invoice_id": Text(label="商品小票ID", longest=32),
            "goods_detail": Several(
                label="单品列表",
                item=Group(
                    label="单品",
                    fields={
                        "merchant_goods_id": Text(label="商户侧商品编码", longest=32, is_required=True),
                        "wechatpay_goods_id": Text(label="微信支付商品编码", longest=32),
                        "goods_name": Text(label="商品名称", longest=256),
                        "quantity": Whole(label="商品数量", is_required=True),
                        "unit_price": Whole(label="商品单价", least=0, is_required=True),
                    },
                ),
            ),
        },
    ),
    "settle_info": Group(label="结算信息", fields={"profit_sharing": Flag(label="是否指定分账")}),
}
_STORE = Group(
    label="商户门店信息",
    fields={
        "id": Text(label="门店编号", longest=32, is_required=True),
        "name": Text(label="门店名称", longest=256),
        "area_code": Text(label="地区编码", longest=32),
        "address": Text(label="详细地址", longest=512),
    },
)
_H5_INFO = Group(
    label="H5场景信息",
    fields={
        "type": Text(label="场景类型", longest=32, pattern="iOS|Android|Wap", is_required=True),
        "app_name": Text(label="应用名称", longest=64),
        "app_url": Text(label="网站URL", longest=128),
        "bundle_id": Text(label="iOS平台BundleID", longest=128),
        "package_name": Text(label="Android平台PackageName", longest=128),
    },
    is_required=True,
)


def _scene(h5_info: dict[str, Shape], *, is_required: bool) -> Group:
    fields: dict[str, Shape] = {
        "payer_client_ip": Address(label="用户终端IP", is_required=True),
        "device_id": Text(label="商户端设备号", longest=32),
        "store_info": _STORE,
    }
    return Group(label="场景信息", fields=fields | h5_info, is_required=is_required)


_OPENID = Text(label="用户标识", longest=128, is_required=True)
_PAYER = Group(label="支付者", fields={"openid": _OPENID}, is_required=True)
_PLAIN_SCENE = _scene({}, is_required=False)
PREPAY: dict[str, Shape] = {
    "jsapi": Group(label="下单", fields=_PREPAY | {"payer": _PAYER, "scene_info": _PLAIN_SCENE}),
    "native": Group(label="下单", fields=_PREPAY | {"scene_info": _PLAIN_SCENE}),
    "h5": Group(label="下单", fields=_PREPAY | {"scene_info": _scene({"h5_info": _H5_INFO}, is_required=True)}),
}
CLOSE: Shape = Group(label="关单", fields={"mchid": MCHID})
REFUND: Shape = Group(
    label="退款",
    fields={
        "transaction_id": Text(label="微信支付订单号", longest=32),
        "out_trade_no": Text(label="商户订单号", shortest=6, longest=32, pattern=TRADE_NUMBER),
        "out_refund_no": Text(label="商户退款单号", longest=64, pattern=REFUND_NUMBER, is_required=True),
        "reason": Text(label="退款原因", longest=80),
        "notify_url": NotifyUrl(label="退款结果回调url"),
        "funds_account": Text(label="退款资金来源", longest=32, pattern="AVAILABLE|UNSETTLED"),
        "amount": Group(
            label="金额信息",
            fields={
                "refund": Whole(label="退款金额", is_required=True),
                "total": Whole(label="原订单金额", is_required=True),
                "currency": Text(label="退款币种", longest=16, pattern="CNY", is_required=True),
                "from": Several(
                    label="退款出资账户及金额",
                    item=Group(
                        label="出资账户",
                        fields={
                            "account": Text(label="出资账户类型", longest=32, is_required=True),
                            "amount": Whole(label="出资金额", is_required=True),
                        },
                    ),
                ),
            },
            is_required=True,
        ),
    },
)
ABNORMAL_REFUND: Shape = Group(
    label="异常退款",
    fields={
        "out_refund_no": Text(label="商户退款单号", longest=64, pattern=REFUND_NUMBER, is_required=True),
        "type": Text(
            label="异常退款处理方式", longest=32, pattern="USER_BANK_CARD|MERCHANT_BANK_CARD", is_required=True
        ),
        "bank_type": Text(label="开户银行", longest=16),
        "bank_account": Text(label="收款银行卡号", longest=1024),
        "real_name": Text(label="收款用户姓名", longest=1024),
    },
)

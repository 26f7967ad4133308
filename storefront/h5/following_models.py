"""Own what the pages of an order are told: its parcels, its progress, its card in a list; frozen values."""

from dataclasses import dataclass
from datetime import datetime

from storefront.h5.aftersales_models import ClaimCard


@dataclass(frozen=True)
class OrderLine:
    """One line of an order as it was bought."""

    product_slug: str
    title: str
    spec: str
    image: str
    quantity: int
    price_fen: int
    batch: str = ""


@dataclass(frozen=True)
class Consignment:
    """What ships together, and where it is."""

    number: int
    freight_fen: int
    lines: tuple[OrderLine, ...]
    carrier: str = ""
    tracking_number: str = ""
    shipped_at: datetime | None = None


@dataclass(frozen=True)
class Progress:
    """Where an order stands in a person's words, and what can be done about it now."""

    headline: str
    detail: str
    tone: str
    step: int
    can_pay: bool = False
    can_check: bool = False
    can_cancel: bool = False
    follows: bool = False
    counts_down: bool = False


@dataclass(frozen=True)
class OrderPage:
    """One order, following its payment."""

    number: str
    state: str
    payment_state: str
    progress: Progress
    goods_fen: int
    freight_fen: int
    payable_fen: int
    refunding_fen: int
    refunded_fen: int
    consignments: tuple[Consignment, ...]
    recipient: str
    phone: str
    address: str
    remark: str
    placed_at: datetime
    pay_until: datetime
    seconds_left: int
    paid_at: datetime | None
    channel: str
    starts_paying: bool = False
    login_url: str = ""
    notice: str = ""
    declared: tuple[str, ...] = ()
    can_link: bool = False
    link_url: str = ""
    claims: tuple[ClaimCard, ...] = ()
    can_claim: bool = False


@dataclass(frozen=True)
class OrderCard:
    """One order in the list of my orders."""

    number: str
    headline: str
    tone: str
    placed_at: datetime
    payable_fen: int
    lines: tuple[OrderLine, ...]


@dataclass(frozen=True)
class OrdersPage:
    """My orders, newest first."""

    orders: tuple[OrderCard, ...]
    next_url: str | None

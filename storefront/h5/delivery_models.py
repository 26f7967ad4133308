"""Own what the forms are told that send something somewhere: frozen values, what was typed among them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RegionChoices:
    """Three dependent selects; a division without parts leaves the selects below it empty."""

    provinces: tuple[tuple[str, str], ...]
    cities: tuple[tuple[str, str], ...] = ()
    counties: tuple[tuple[str, str], ...] = ()
    province: str = ""
    city: str = ""
    county: str = ""


@dataclass(frozen=True)
class Quote:
    """What an order would be charged, or why it cannot be delivered there."""

    goods_fen: int
    freight_fen: int | None
    refused_because: str = ""

    @property
    def payable_fen(self) -> int | None:
        """Goods and freight together in fen; None while the freight is not known."""
        return None if self.freight_fen is None else self.goods_fen + self.freight_fen


@dataclass(frozen=True)
class DeliveryForm:
    """What the shopper has entered so far; `errors` maps a field to what is wrong with it.

    `seen_fen` is the sum that the page showed for this very choice, `consent` the texts that the ticked box stood for.
    """

    key: str
    name: str = ""
    phone: str = ""
    detail: str = ""
    remark: str = ""
    consent: str = ""
    seen_fen: int = 0
    errors: dict[str, str] = field(default_factory=dict)

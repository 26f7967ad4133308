"""Own what the page of a product is told, from its evidence to the form that buys it: frozen values."""

from dataclasses import dataclass
from datetime import date, datetime

from storefront.h5.browse_models import HallLink, ProductCard
from storefront.h5.delivery_models import AddressChoices, DeliveryForm, Quote, RegionChoices


@dataclass(frozen=True)
class Spec:
    """One SKU as a choice."""

    sku: str
    name: str
    price_fen: int
    is_available: bool
    market_fen: int | None = None


@dataclass(frozen=True)
class Accreditation:
    """The evidence behind a badge; without a number and a date there is no badge."""

    number: str
    issuer: str
    issued_on: date
    valid_until: date | None
    county: str = ""
    batch: str = ""
    notice: str = ""
    noticed_at: datetime | None = None
    noticed_until: datetime | None = None


@dataclass(frozen=True)
class Indication:
    """A geographical indication: its kind in words, number, issuer and date."""

    kind: str
    number: str
    issuer: str
    issued_on: date


@dataclass(frozen=True)
class Product:
    """What is sold, with everything the price and label rules want shown before paying."""

    slug: str
    name: str
    hall: HallLink
    origin: str
    description: str
    image: str
    tint: str
    specs: tuple[Spec, ...]
    accreditation: Accreditation | None
    indication: Indication | None
    label: tuple[tuple[str, str], ...]
    label_missing: tuple[str, ...]
    ship_from: str
    freight_note: str
    return_class: str
    return_terms: str
    has_to_confirm_returns: bool
    refused_because: str
    needs_adult: bool
    is_illustrative: bool

    @property
    def is_available(self) -> bool:
        """Whether any spec can be bought now."""
        return not self.refused_because and any(spec.is_available for spec in self.specs)


@dataclass(frozen=True)
class OrderForm(DeliveryForm):
    """The form of one product's page."""

    sku: str = ""
    quantity: int = 1
    has_confirmed_returns: bool = False
    has_declared_adult: bool = False


@dataclass(frozen=True)
class ProductPage:
    """The landing of a scan: one page from product to payment. `is_spent`: the key that was sent is another order's."""

    product: Product
    form: OrderForm
    where: AddressChoices
    regions: RegionChoices
    quote: Quote
    notice: str = ""
    is_spent: bool = False
    benefit: str = ""
    others: tuple[ProductCard, ...] = ()


@dataclass(frozen=True)
class AbsentPage:
    """Goods that left the shelf: why, and what else their hall has."""

    name: str
    because: str
    hall: HallLink
    others: tuple[ProductCard, ...]

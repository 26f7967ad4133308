"""Own what each page is told: frozen values, ready to be shown.

Templates decide nothing about money, stock or state; amounts are `*_fen`, instants are aware, and no database id is
among it.
"""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True)
class Shop:
    """Who sells, and the numbers the law wants in every footer; an empty one is shown as not yet entered."""

    name: str
    operator: str
    contact: str
    licence_number: str
    food_licence_number: str
    alcohol_licence_number: str
    icp_number: str
    public_security_number: str


@dataclass(frozen=True)
class HallLink:
    """One hall as a link: its whole name, its place's, the two or three characters on its seal, how much it sells."""

    slug: str
    name: str
    place: str
    seal: str
    product_count: int = 0


@dataclass(frozen=True)
class HallCard:
    """One hall in a list of several kinds: what it is, and for a place where and when one can go there."""

    slug: str
    name: str
    kind: str
    region: str
    owner: str
    address: str
    hours: str
    product_count: int


@dataclass(frozen=True)
class Picture:
    """A picture in its sizes: (type, srcset) for each format but the last, and the last as a plain image."""

    sources: tuple[tuple[str, str], ...]
    image: str
    width: int
    height: int


@dataclass(frozen=True)
class HallGroup:
    """The home halls of one city: its own, and those of its counties."""

    name: str
    head: HallLink | None
    members: tuple[HallLink, ...]


@dataclass(frozen=True)
class ProductCard:
    """One product in a list, at the price of the spec that its page opens with."""

    slug: str
    name: str
    hall: str
    price_fen: int
    image: str
    market_fen: int | None
    is_accredited: bool
    is_available: bool
    is_display_only: bool
    is_illustrative: bool


@dataclass(frozen=True)
class HomePage:
    """The list of halls."""

    groups: tuple[HallGroup, ...]
    picks: tuple[ProductCard, ...]
    city_count: int
    county_count: int
    product_count: int


@dataclass(frozen=True)
class Choice:
    """One way to narrow a search, or to widen it again when it is chosen: a link."""

    name: str
    count: int
    url: str
    is_chosen: bool


@dataclass(frozen=True)
class Shelf:
    """Goods that somebody chose, under their name."""

    name: str
    products: tuple[ProductCard, ...]


@dataclass(frozen=True)
class HallPage:
    """One hall: its picture and story, its shelves, a page of its goods, and the places and zones around it.

    `home` is where the goods of its region stand, None for that hall itself.
    """

    hall: HallLink
    card: HallCard
    contact: str
    is_place: bool
    picture: Picture | None
    region: str
    city: HallLink | None
    home: HallLink | None
    story: str
    shelves: tuple[Shelf, ...]
    products: tuple[ProductCard, ...]
    around: tuple[HallCard, ...]
    neighbours: tuple[HallLink, ...]
    next_url: str | None
    benefit: str = ""


@dataclass(frozen=True)
class HallsPage:
    """The halls of every kind by city, and by what the list can be narrowed."""

    query: str
    kinds: tuple[Choice, ...]
    cities: tuple[Choice, ...]
    groups: tuple[tuple[str, tuple[HallCard, ...]], ...]
    empty: str
    next_url: str | None


@dataclass(frozen=True)
class SearchPage:
    """What was searched for, what was found, by what it can be narrowed, and what there is instead of nothing."""

    query: str
    products: tuple[ProductCard, ...]
    next_url: str | None
    choices: tuple[Choice, ...] = ()
    meant: str = ""
    popular: tuple[ProductCard, ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()


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
class ClaimCard:
    """An after-sales claim as its order's page lists it."""

    number: str
    headline: str
    tone: str
    kind: str
    amount_fen: int


@dataclass(frozen=True)
class ClaimLine:
    """A line of an order, or so many pieces of it."""

    line: int
    title: str
    spec: str
    image: str
    quantity: int


@dataclass(frozen=True)
class ClaimForm:
    """What the shopper has chosen so far; `quantities` maps lines to pieces, an empty `kind` is not chosen yet."""

    key: str
    kind: str = ""
    cause: str = "no_reason"
    quantities: dict[int, int] = field(default_factory=dict)
    note: str = ""
    is_sealed: bool = False


@dataclass(frozen=True)
class ClaimFormPage:
    """The form of a claim; without anything that can be claimed for it says so."""

    order: str
    lines: tuple[ClaimLine, ...]
    form: ClaimForm
    can_claim: bool
    is_sent: bool
    kinds: tuple[tuple[str, str], ...]
    causes: tuple[tuple[str, str], ...]
    most_photos: int
    notice: str = ""


@dataclass(frozen=True)
class ClaimPage:
    """One claim: where it stands, whom it waits for, where goods go back to, and how many photos may be added."""

    number: str
    order: str
    headline: str
    detail: str
    tone: str
    kind: str
    cause: str
    note: str
    photos: tuple[str, ...]
    photos_left: int
    lines: tuple[ClaimLine, ...]
    amount_fen: int
    freight_fen: int
    answer: str
    return_address: str
    carrier: str
    tracking_number: str
    filed_at: datetime
    due_at: datetime | None
    can_send: bool
    can_withdraw: bool
    carriers: tuple[str, ...]
    notice: str = ""


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


@dataclass(frozen=True)
class Document:
    """A versioned text that shoppers consent to."""

    kind: str
    title: str
    version: str
    effective_on: date
    is_current: bool
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Apology:
    """A page for what could not be shown, and where to go instead."""

    status: int
    title: str
    detail: str
    request_id: str = ""

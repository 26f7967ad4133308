"""Own what the pages are told that anybody reads: halls, lists, a search. Frozen values, ready to be shown."""

from dataclasses import dataclass


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
class HallGroup:
    """The home halls of one city: its own, and those of its counties."""

    name: str
    head: HallLink | None
    members: tuple[HallLink, ...]


@dataclass(frozen=True)
class Picture:
    """A picture in its sizes: (type, srcset) for each format but the last, and the last as a plain image."""

    sources: tuple[tuple[str, str], ...]
    image: str
    width: int
    height: int


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
class Shelf:
    """Goods that somebody chose, under their name."""

    name: str
    products: tuple[ProductCard, ...]


@dataclass(frozen=True)
class Choice:
    """One way to narrow a search, or to widen it again when it is chosen: a link."""

    name: str
    count: int
    url: str
    is_chosen: bool


@dataclass(frozen=True)
class HomePage:
    """The list of halls."""

    groups: tuple[HallGroup, ...]
    picks: tuple[ProductCard, ...]
    city_count: int
    county_count: int
    product_count: int


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

"""The words that rows of the campaign may use: levels, kinds, surfaces, clocks, stages, entries, outcomes."""

from enum import StrEnum


class Level(StrEnum):
    """The levels of the inventory tree, from the widest to the narrowest."""

    MEDIUM = "medium"
    NETWORK = "network"
    LINE = "line"
    ASSET = "asset"
    CAR = "car"
    POSITION = "position"


class TouchKind(StrEnum):
    """What a touch was (R1 to R3, R23)."""

    SCAN = "scan"
    SCAN_ALBUM = "scan_album"
    SCAN_LONGPRESS = "scan_longpress"
    SHARE_OPEN = "share_open"
    # A scan's page that goes on in another browser: its own rider's or a friend's, nobody can tell.
    CONTINUED = "continued"
    TYPED = "typed"
    REVISIT = "revisit"


class Surface(StrEnum):
    """Where the touch was seen."""

    H5 = "h5"
    MINIPROGRAM = "miniprogram"


class Clock(StrEnum):
    """Whose clock gave `occurred_at` (R20)."""

    WECHAT = "wechat"
    SERVER = "server"
    CLIENT_ADJUSTED = "client_adjusted"
    CLAMPED = "clamped"


class Drop(StrEnum):
    """Why a touch was never a person with a camera (R5)."""

    CRAWLER = "wechat_crawler"
    HEAD = "head"
    PREFETCH = "prefetch"
    TRIAL = "trial"
    AUTOMATION = "automation"


class Exclusion(StrEnum):
    """Whose scans and orders are kept but never counted (R16)."""

    STAFF = "excluded_staff"
    CREW = "excluded_crew"
    TEST = "excluded_test"


class Stage(StrEnum):
    """How far a journey came, in order."""

    VIEW = "view"
    CART = "cart"
    ORDER = "order"
    PAID = "paid"


class Model(StrEnum):
    """How the touches of one journey share a sale (R9)."""

    LAST = "last"
    FIRST = "first"
    LINEAR = "linear"
    POSITION = "position"
    DECAY = "decay"


class Repeat(StrEnum):
    """Whether one touch may earn several orders (R17)."""

    EVERY = "every"
    ONCE = "once"


class Resolution(StrEnum):
    """What became of a suspicion: its touches count after all, or are kept out for good (R18)."""

    HARMLESS = "harmless"
    CONFIRMED = "confirmed"


class ReviewKind(StrEnum):
    """What may have changed orders that were decided: an order itself, a visitor, a person, or too much to tell."""

    ORDER = "order"
    VISITOR = "visitor"
    PERSON = "person"
    ALL = "all"


class Outcome(StrEnum):
    """What became of a paid order."""

    ATTRIBUTED = "attributed"
    UNATTRIBUTED = "unattributed"
    EXCLUDED = "excluded"


class Entry(StrEnum):
    """Why a ledger row was written."""

    SALE = "sale"
    REFUND = "refund"
    SUPERSEDE = "supersede"


class RefundState(StrEnum):
    """What the ledger made of a refund."""

    PARKED = "parked"
    APPLIED = "applied"
    REJECTED = "rejected"


class View(StrEnum):
    """On which day a refund is shown (R24): the sale's (cohort) or its own (cash)."""

    COHORT = "cohort"
    CASH = "cash"

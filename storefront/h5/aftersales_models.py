"""Own what the pages of a claim are told, and the form of one: frozen values."""

from dataclasses import dataclass, field
from datetime import datetime


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

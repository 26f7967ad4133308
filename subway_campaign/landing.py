"""Where a scan lands: a product or a hall, named by slug and never by URL."""

from dataclasses import dataclass
from enum import StrEnum


class LandingKind(StrEnum):
    """What a landing page shows."""

    PRODUCT = "product"
    HALL = "hall"


@dataclass(frozen=True)
class Landing:
    """The page that a binding leads to; the shop checks that it exists and what to show when it is off sale."""

    kind: LandingKind
    slug: str

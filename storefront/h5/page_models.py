"""Own what the frame around every page is told, and the pages of a document and of an apology.

As in every module of such models: values are frozen and ready to be shown, templates decide nothing about money, stock
or state; amounts are `*_fen`, instants are aware, and no database id is among it.
"""

from dataclasses import dataclass
from datetime import date


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

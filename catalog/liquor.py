"""Whether liquor may be sold: only while the number of our licence is set.

Invariant: without the licence every product of class `alcohol` is display-only and no checkout prices one for sale,
whatever its row says; the rows follow the setting within a minute.
"""

from datetime import datetime

from sqlalchemy import text

from config import database, settings

_FOLLOW = text("""
    UPDATE products SET is_display_only = NOT :is_licensed
    WHERE licence_class = 'alcohol' AND is_display_only = :is_licensed
""")


def is_licensed() -> bool:
    """Tell whether this shop has a licence to sell liquor."""
    return settings.current().alcohol_licence_number is not None


def follow_licence(*, now: datetime) -> None:
    """Let liquor be sold once the licence's number is set, and only shown when it is taken away."""
    with database.transaction() as session:
        session.execute(_FOLLOW, {"is_licensed": is_licensed()})

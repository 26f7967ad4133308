"""Tables of the feed: each product as it was last published, and which ones may have changed since.

Invariant: marks are left by triggers of the database, in the transaction that changes goods, prices, certificates or
halls, and when a product sells out or can be had again; only `catalog.feed` writes entries.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from config import database


class FeedEntry(database.Base):
    """A product as partners were last told of it; without a body it has left the shelf."""

    __tablename__ = "feed_entries"

    slug: Mapped[str] = mapped_column(String(collation="C"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, unique=True)
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    changed_at: Mapped[datetime]


class FeedMark(database.Base):
    """A product that may read otherwise than its entry."""

    __tablename__ = "feed_marks"

    id: Mapped[database.Id]
    slug: Mapped[str]

"""Market prices: what a struck-through price may say, computed from deals and never typed.

The lowest price that was dealt at within the seven days before the present price took effect, and only when it is
above the present one (明码标价和禁止价格欺诈规定, article 16). Without a deal in those days there is none.
Invariant: a market price belongs to one version of a price, so that whoever changes a price has taken it away.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database

WINDOW = timedelta(days=7)
# A price that has stood for a month is the price: to call it reduced for ever would mislead.
LONGEST_SHOWN = timedelta(days=30)

_NOTE = text("""
    INSERT INTO deals (reference, sku_id, price_fen, dealt_at)
    SELECT d.reference, s.id, d.price_fen, d.dealt_at
    FROM unnest(cast(:references AS text[]), cast(:skus AS text[]), cast(:prices AS bigint[]),
                cast(:instants AS timestamptz[])) AS d (reference, sku, price_fen, dealt_at)
    JOIN skus s ON s.number = d.sku
    ON CONFLICT (reference) DO NOTHING
""")
_VOID = text("UPDATE deals SET voided_at = :now WHERE reference = ANY(:references) AND voided_at IS NULL")
_BOUNDS = """
    d.voided_at IS NULL AND d.dealt_at >= h.effective_at - cast(:window AS interval) AND d.dealt_at < h.effective_at
"""
# What may have one: whose price changed within the month; and what has one, which may have to go.
_COMPUTE = text(f"""
    WITH judged AS (
        SELECT s.id, s.price_version, s.price_fen, h.effective_at, (
            SELECT min(d.price_fen) FROM deals d WHERE d.sku_id = s.id AND {_BOUNDS}
        ) AS lowest_fen
        FROM skus s JOIN sku_prices h ON h.sku_id = s.id AND h.version = s.price_version
        WHERE (cast(:skus AS text[]) IS NULL OR s.number = ANY(:skus))
          AND (h.effective_at > cast(:now AS timestamptz) - cast(:longest AS interval)
               OR s.market_price_fen IS NOT NULL)
    ), meant AS (
        SELECT id, price_version, CASE
            WHEN lowest_fen > price_fen AND effective_at > cast(:now AS timestamptz) - cast(:longest AS interval)
            THEN lowest_fen END AS market_fen
        FROM judged
    ), changed AS (
        SELECT s.id, m.price_version, m.market_fen FROM skus s JOIN meant m ON m.id = s.id
        WHERE s.price_version = m.price_version
          AND (s.market_price_fen, s.market_price_version) IS DISTINCT FROM
              (m.market_fen, CASE WHEN m.market_fen IS NOT NULL THEN m.price_version END)
        ORDER BY s.id FOR UPDATE OF s
    )
    UPDATE skus s SET market_price_fen = c.market_fen,
                      market_price_version = CASE WHEN c.market_fen IS NOT NULL THEN c.price_version END
    FROM changed c WHERE s.id = c.id AND s.price_version = c.price_version
""")


@dataclass(frozen=True, slots=True)
class Deal:
    """One piece of a SKU at the price paid; `reference` is the caller's own name for it, the same if told again."""

    reference: str
    sku: str
    price_fen: int
    dealt_at: datetime


def note(session: Session, *, deals: Sequence[Deal]) -> None:
    """Keep what was dealt at; the same reference again changes nothing, and an unknown SKU is passed over."""
    database.require_transaction(session)
    session.execute(
        _NOTE,
        {
            "references": [deal.reference for deal in deals],
            "skus": [deal.sku for deal in deals],
            "prices": [deal.price_fen for deal in deals],
            "instants": [deal.dealt_at for deal in deals],
        },
    )


def void(session: Session, *, references: Collection[str], now: datetime) -> None:
    """Take deals that were undone out of every comparison; what is not known changes nothing."""
    database.require_transaction(session)
    session.execute(_VOID, {"references": list(references), "now": now})


def compute(session: Session, *, skus: Collection[str] | None = None, now: datetime) -> None:
    """Compute anew which market price may be shown, of these SKUs (numbers) or of all."""
    database.require_transaction(session)
    values = {"skus": None if skus is None else sorted(skus), "now": now, "window": WINDOW, "longest": LONGEST_SHOWN}
    session.execute(_COMPUTE, values)


def compute_due(*, now: datetime) -> None:
    """Compute the market prices of all, because deals come in, are undone and grow old."""
    with database.transaction() as session:
        compute(session, now=now)

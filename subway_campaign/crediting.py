"""The signed ledger of who earned an order's money: sold, given back, and moved to a later decision.

Invariant: rows are only ever inserted. What a decision posts sums to what was paid and not refunded for every line and
model; reversing it posts its rows once more with the other sign, on the same days, so that every report reads as if
the later decision had been the first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from subway_campaign import shares
from subway_campaign.decisions import Share
from subway_campaign.lifecycle import Entry, Model

Weights = Mapping[Model, Sequence[Share]]

_POST = text("""
    INSERT INTO credits (decision_id, entry, source, occurred_at, cohort_at,
                         model, line_no, touch_id, placement_id, fen)
    SELECT :decision, :entry, :source, :occurred_at, :cohort_at, moved.* FROM unnest(
        cast(:models AS text[]), cast(:line_nos AS integer[]), cast(:touches AS uuid[]),
        cast(:placements AS bigint[]), cast(:fens AS bigint[])) AS moved
""")


def sell(
    session: Session, *, decision: int, weights: Weights, order: str, paid_at: datetime, lines: Mapping[int, int]
) -> None:
    """Credit what was paid for each line (line number → fen) to who shares the order (R13)."""
    moves = {
        (model, no): shares.split(fen, [share.weight for share in weights[model]])
        for model in Model
        for no, fen in lines.items()
    }
    _post(session, decision, weights, moves, entry=Entry.SALE, source=order, at=paid_at, cohort_at=paid_at)


def give_back(
    session: Session,
    *,
    decision: int,
    weights: Weights,
    refund: str,
    line_no: int,
    before_fen: int,
    fen: int,
    paid_at: datetime,
    refunded_at: datetime,
) -> None:
    """Take back `fen` of a line whose net was `before_fen`, with the decision's weights (R14)."""
    moves = {
        (model, line_no): shares.reversal(
            before_fen=before_fen,
            after_fen=before_fen - fen,
            weights=[share.weight for share in weights[model]],
        )
        for model in Model
    }
    _post(session, decision, weights, moves, entry=Entry.REFUND, source=refund, at=refunded_at, cohort_at=paid_at)


# A refund taken back stays a refund, so that sales and refunds of a placement that lost an order both end at nothing.
_REVERSE = text("""
    INSERT INTO credits (decision_id, model, line_no, touch_id, placement_id, entry, source, fen,
                         occurred_at, cohort_at)
    SELECT decision_id, model, line_no, touch_id, placement_id,
           CASE entry WHEN 'refund' THEN 'refund' ELSE 'supersede' END, 'v' || :version || ' ' || source, -fen,
           occurred_at, cohort_at
    FROM credits WHERE decision_id = :decision
""")
_PAID_LINES = text("SELECT line_no, paid_fen FROM conversion_lines WHERE conversion_id = :conversion ORDER BY line_no")
_GIVEN_BACK = text("""
    SELECT refund, line_no, fen, refunded_at,
           sum(fen) OVER (PARTITION BY line_no ORDER BY refunded_at, refund) - fen AS earlier_fen
    FROM conversion_refunds WHERE order_number = :order AND state = 'applied' AND line_no > 0
    ORDER BY refunded_at, refund, line_no
""")


def move(
    session: Session,
    *,
    superseded: int,
    version: int,
    decision: int,
    weights: Weights,
    conversion: int,
    order: str,
    paid_at: datetime,
) -> None:
    """Reverse all that the decision `superseded` posted, and post the order's sale and refunds under `decision`.

    `version` is the new decision's.
    """
    session.execute(_REVERSE, {"decision": superseded, "version": version})
    lines = {row.line_no: row.paid_fen for row in session.execute(_PAID_LINES, {"conversion": conversion})}
    paid = {no: fen for no, fen in lines.items() if fen is not None}
    sell(session, decision=decision, weights=weights, order=order, paid_at=paid_at, lines=paid)
    for row in session.execute(_GIVEN_BACK, {"order": order}):
        give_back(
            session,
            decision=decision,
            weights=weights,
            refund=row.refund,
            line_no=row.line_no,
            before_fen=paid[row.line_no] - int(row.earlier_fen),
            fen=row.fen,
            paid_at=paid_at,
            refunded_at=row.refunded_at,
        )


def _post(
    session: Session,
    decision: int,
    weights: Weights,
    moves: Mapping[tuple[Model, int], Sequence[int]],
    *,
    entry: Entry,
    source: str,
    at: datetime,
    cohort_at: datetime,
) -> None:
    rows = [
        (model, line_no, share.touch, share.placement_id, fen)
        for (model, line_no), parts in moves.items()
        for share, fen in zip(weights[model], parts, strict=True)
        if fen
    ]
    if not rows:
        return
    names = ("models", "line_nos", "touches", "placements", "fens")
    session.execute(
        _POST,
        {
            "decision": decision,
            "entry": entry,
            "source": source,
            "occurred_at": at,
            "cohort_at": cohort_at,
            **{name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)},
        },
    )

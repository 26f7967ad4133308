"""Why one order was credited, for a person who has ten seconds, and for one who has ten minutes.

Invariant: shows the candidates of this one order and nothing else that its buyer did; who opened it is in the trail.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid
from storefront import guard
from storefront.roles import Permission
from storefront.staff import order_desk, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind, Part, Sheet, Table
from subway_campaign.lifecycle import Entry, Model

blueprint = Blueprint("staff_pages_explanation", __name__, url_prefix=frame.ROOT, template_folder="../templates")

# How long a reason may be, in characters.
_REASON = (4, 200)
_MODEL = Column("model", "模型", words=words.MODELS, only="file")
LEDGER = Table(
    "ledger",
    "账目",
    (
        Column("occurred_at", "时间", Kind.INSTANT, width=20),
        _MODEL,
        Column("entry", "事项", words=words.ENTRIES, note=lambda row: row["source"]),
        Column("source", "凭据", Kind.CODE, only="file", width=24),
        Column("line", "商品行", value=lambda row: f"第 {row['line']} 行 {row['title']}".strip(), width=30),
        Column("place", "记在", width=34),
        Column("fen", "金额", Kind.MONEY, sums=True),
    ),
)


def _share(model: Model) -> Callable[[tables.Row], str | None]:
    return lambda share: share["of"].get(model)


SHARES = Table(
    "shares",
    "各模型怎么分",
    (
        Column("place", "有效触点", width=34),
        Column("at", "扫码时间", Kind.INSTANT, width=20),
        *(Column(model, words.MODELS[model], value=_share(model)) for model in Model),
    ),
)


@blueprint.get("/orders/<number:number>/attribution")
@guard.staff(Permission.READ_ATTRIBUTION)
def show(number: str) -> Response:
    """Say in words who was credited with an order, and why."""
    told = _read(number)
    explained, names = told["explained"], told["names"]
    rows = _ledger(told)
    last = [row for row in rows if row["model"] == Model.LAST]
    return frame.render(
        "staff/attribution.html",
        here="orders",
        number=number,
        e=explained,
        names=names,
        events=_events(explained, last),
        winner=_winner(explained),
        shares=_shares(explained, names),
        models=words.MODELS,
        sheet=Sheet.of(LEDGER, last, sum_title="净额"),
        gross_fen=sum(row["fen"] for row in last if row["entry"] != Entry.REFUND),
        net_fen=sum(row["fen"] for row in last),
        window_days=explained.get("params", {}).get("window_s", 0) // 86400,
    )


@blueprint.post("/orders/<number:number>/attribution")
@guard.staff(Permission.WRITE_PLACEMENTS)
def override(number: str) -> Response:
    """Decide on the order with everything that is known now, because of the reason in the form."""
    return _because(number, order_desk.decide_again, done="decided_again")


@blueprint.post("/orders/<number:number>/merges/<number:merge>")
@guard.staff(Permission.WRITE_PLACEMENTS)
def part(number: str, merge: str) -> Response:
    """Part the buyer from somebody they were joined to, because of the reason in the form."""
    return _because(number, order_desk.part, merge=merge, done="parted")


def _because(number: str, verb: Callable[..., object], *, done: str, **asked: str) -> Response:
    path, reason = f"/orders/{number}/attribution", request.form.get("reason", "").strip()
    if not _REASON[0] <= len(reason) <= _REASON[1]:
        return frame.back(path, fault="form.because")
    try:
        with database.transaction() as session:
            verb(session, guard.actor(), number=number, reason=reason, now=clock.now(), **asked)
    except (Conflict, Invalid) as error:
        return frame.refused(path, error)
    return frame.back(path, done=done)


@exports.files(blueprint, "/orders/<number:number>/attribution")
@guard.staff(Permission.READ_ATTRIBUTION)
def download(number: str, kind: str) -> Response:
    """Send the rows of the ledger, of all models."""
    told = _read(number)
    by_model = {model: [row for row in _ledger(told) if row["model"] == model] for model in Model}
    parts = []
    for model, rows in by_model.items():
        total = {"occurred_at": None, "model": model, "place": "净额", "fen": sum(row["fen"] for row in rows)}
        parts += [Part(rows), Part([{"line": "", "title": "", "source": "", **total}], is_sum=True)]
    notes = (("订单", number), ("结论", told["explained"]["words"]))
    shares = Sheet.of(SHARES, _shares(told["explained"], told["names"]), notes=notes)
    return exports.send(kind, Sheet(LEDGER, parts, notes=notes), shares, now=clock.now(), period=number)


def _read(number: str) -> dict[str, Any]:
    with database.transaction() as session:
        return order_desk.explain(session, guard.actor(), number=number, now=clock.now())


def _ledger(told: dict[str, Any]) -> list[dict[str, Any]]:
    names, titles = told["names"], told["titles"]
    return [
        row | {"place": names.get(row["placement"], row["placement"]) or "无点位", "title": titles.get(row["line"], "")}
        for row in told["explained"].get("ledger", [])
    ]


def _winner(explained: dict[str, Any]) -> dict[str, Any] | None:
    """Return the last touch of the journey, which the default model gives everything; None without a journey."""
    touches = {touch["touch"]: touch for touch in explained.get("touches", [])}
    journey = [touches[touch] for touch in explained.get("journey", []) if touch in touches]
    return journey[-1] if journey else None


def _events(explained: dict[str, Any], ledger: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what happened in order: the candidate touches, the order, its payment, what went back."""
    shares = {share["touch"] for share in explained.get("weights", {}).get(Model.LAST, [])}
    events: list[dict[str, Any]] = [
        {"at": touch["occurred_at"], "what": "touch", "touch": touch, "is_credited": touch["touch"] in shares}
        for touch in explained.get("touches", [])
    ]
    events.append({"at": explained["placed_at"], "what": "placed"})
    if explained["paid_at"]:
        # WeChat tells whole seconds, so money can seem to have moved before the order was placed.
        paid_at = max(explained["placed_at"], explained["paid_at"], key=tables.instant)
        events.append({"at": paid_at, "what": "paid"})
    back: dict[tuple[str, str], int] = {}
    for row in ledger:
        if row["entry"] == Entry.REFUND:
            key = (row["occurred_at"], row["source"])
            back[key] = back.get(key, 0) - row["fen"]
    events += [{"at": at, "what": "refunded", "fen": fen, "source": source} for (at, source), fen in back.items()]
    # A touch at the very instant of the order still counts for it, so it stands before.
    rank = {"touch": 0, "placed": 1, "paid": 2, "refunded": 3}
    return sorted(events, key=lambda event: (tables.instant(event["at"]), rank[event["what"]]))


def _shares(explained: dict[str, Any], names: dict[str, str]) -> list[dict[str, Any]]:
    """Return each credited touch, oldest first, with its fraction under every model; "" where it has none."""
    touches = {touch["touch"]: touch for touch in explained.get("touches", [])}
    weights = {
        model: {share["touch"]: Fraction(share["numerator"], share["denominator"]) for share in row}
        for model, row in explained.get("weights", {}).items()
    }
    return [
        {
            "place": names.get(touches[touch]["placement"], touches[touch]["placement"]),
            "at": touches[touch]["occurred_at"],
            "of": {model: _said(row.get(touch)) for model, row in weights.items()},
        }
        for touch in explained.get("journey", [])
        if touch in touches
    ]


def _said(share: Fraction | None) -> str:
    """Return a share as people write it: a small fraction exactly, a long one (of decay) rounded."""
    if not share:
        return "—"
    if share == 1:
        return "全部"
    return str(share) if share.denominator <= 100 else f"≈ {float(share) * 100:.2f}%"

"""After-sales on pages: the queue with its deadlines, decisions, goods coming back, refunds that need a person."""

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from config import clock, darkroom, database
from config.errors import AppError, Conflict, Invalid, Unavailable
from storefront import guard
from storefront.api.shapes import photograph
from storefront.claim_lifecycle import OPEN, WAITS_FOR_STAFF, ClaimState
from storefront.errors import NotPermitted
from storefront.roles import Permission
from storefront.staff import accounts, claim_desk, sight, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_aftersales", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PAGE = 20
_TABS = {
    "": ("待我处理", WAITS_FOR_STAFF),
    "open": ("进行中", OPEN - WAITS_FOR_STAFF),
    "over": ("已结束", frozenset(ClaimState) - OPEN),
}
_CARD = re.compile(r"[0-9]{8,30}", re.ASCII)
_BANK = re.compile(r"[A-Z0-9_]{2,32}", re.ASCII)


CLAIMS = tables.Table(
    "claims",
    "售后",
    (
        Column("number", "售后单", Kind.CODE, width=18),
        Column("state", "状态", words=words.CLAIMS),
        Column("due_at", "期限", Kind.MINUTE, width=20),
        Column(
            "goods",
            "商品",
            value=lambda row: "、".join(f"{e['title']} ×{e['quantity']}" for e in row["lines"]),
            width=40,
        ),
        Column("kind", "类型", words=words.CLAIM_KINDS),
        Column("cause", "原因", words=words.CAUSES),
        Column("order", "订单", Kind.CODE, width=18),
        Column("amount_fen", "金额", Kind.MONEY, sums=True),
    ),
)
PROPOSALS = tables.Table(
    "approvals",
    "等待第二人批准的退款",
    (
        Column("number", "编号", Kind.CODE, width=18),
        Column("order", "订单", Kind.CODE, width=18),
        Column("asked_by", "申请人"),
        Column("asked_at", "申请时间", Kind.MINUTE, width=20),
        Column("reason", "原因", width=36),
        Column("amount_fen", "金额", Kind.MONEY, sums=True),
    ),
)


@blueprint.get("/aftersales")
@guard.staff(Permission.READ_ORDERS)
def listing() -> Response:
    """Show the claims that wait for staff, or the others."""
    tab = request.args.get("tab", "")
    tab = tab if tab in _TABS else ""
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 4 else 1
    offset = max(0, number - 1) * _PAGE
    with database.transaction() as session:
        found = claim_desk.queue(session, guard.actor(), states=_TABS[tab][1], offset=offset, limit=_PAGE + 1)
    return frame.render(
        "staff/claims.html",
        here="aftersales",
        claims=found[:_PAGE],
        tab=tab,
        tabs={key: title for key, (title, _) in _TABS.items()},
        page=number,
        has_next=len(found) > _PAGE,
    )


@exports.files(blueprint, "/aftersales")
@guard.staff(Permission.READ_ORDERS)
def download(kind: str) -> Response:
    """Send the claims of one tab as a file."""
    title, states = _TABS.get(request.args.get("tab", ""), _TABS[""])
    with database.transaction() as session:
        found = claim_desk.queue(session, guard.actor(), states=states, limit=exports.MOST_ROWS)
    sheet = tables.Sheet.of(CLAIMS, found, sum_title="合计", notes=(("状态", title), exports.CUT))
    return exports.send(kind, sheet, now=clock.now())


@exports.files(blueprint, "/approvals")
@guard.staff(Permission.REFUND_ORDERS)
def download_approvals(kind: str) -> Response:
    """Send the refunds that wait for a second person as a file."""
    with database.transaction() as session:
        found = claim_desk.waiting(session, guard.actor())
    return exports.send(kind, tables.Sheet.of(PROPOSALS, found, sum_title="合计"), now=clock.now())


@blueprint.get("/aftersales/<number:number>")
@guard.staff(Permission.READ_ORDERS)
def show(number: str) -> Response:
    """Show one claim with what may be done about it."""
    with database.transaction() as session:
        claim = claim_desk.find(session, guard.actor(), number=number)
    return frame.render("staff/claim.html", here="aftersales", claim=claim)


@blueprint.get("/aftersales/<number:number>/photos/<number:photo>")
@guard.staff(Permission.READ_ORDERS)
def photo(number: str, photo: str) -> Response:
    """Send a photo of a claim, small when the query says so."""
    with database.transaction() as session:
        claim_desk.require_photo(session, guard.actor(), number=number, photo=photo)
    return photograph(photo, darkroom.SIZES[2] if "small" in request.args else darkroom.SIZES[0])


@blueprint.post("/aftersales/<number:number>/approval")
@guard.staff(Permission.REFUND_ORDERS)
def approve(number: str) -> Response:
    """Agree to a claim, as the form says."""
    form, path = request.form, f"/aftersales/{number}"
    lines = words.typed_fens(form)
    freight_fen = words.fen(form.get("freight", "0"))
    if freight_fen is None or None in lines.values():
        return frame.back(path, fault="form.amount")

    def act(session: Any) -> None:
        claim_desk.approve(
            session,
            guard.actor(),
            number=number,
            answer=form.get("answer", "").strip()[:200],
            lines={line: fen for line, fen in lines.items() if fen is not None},
            freight_fen=freight_fen,
            return_address=form.get("return_address", "").strip()[:200],
            now=clock.now(),
        )

    return _try(path, act, done="claim_approved")


@blueprint.post("/aftersales/<number:number>/refusal")
@guard.staff(Permission.REFUND_ORDERS)
def refuse(number: str) -> Response:
    """Refuse a claim with the reason in the form."""
    path, answer = f"/aftersales/{number}", request.form.get("answer", "").strip()[:200]
    if not answer:
        return frame.back(path, fault="form.reason")
    return _try(
        path,
        lambda session: claim_desk.refuse(session, guard.actor(), number=number, answer=answer, now=clock.now()),
        done="claim_refused",
    )


@blueprint.post("/aftersales/<number:number>/receipt")
@guard.staff(Permission.SHIP_ORDERS)
def take_back(number: str) -> Response:
    """Confirm that goods came back."""
    is_restocked = request.form.get("restocked") == "yes"
    return _try(
        f"/aftersales/{number}",
        lambda session: claim_desk.take_back(
            session, guard.actor(), number=number, is_restocked=is_restocked, now=clock.now()
        ),
        done="goods_received",
    )


@blueprint.get("/approvals")
@guard.staff(Permission.REFUND_ORDERS)
def approvals() -> Response:
    """Show the refunds that need a person: a second one, or one who pays."""
    actor = guard.actor()
    is_whole = accounts.allowed(actor, Permission.READ_MONEY, sight.WHOLE)
    with database.transaction() as session:
        waiting = claim_desk.waiting(session, actor)
        stuck = claim_desk.abnormal(session, actor) if is_whole else None
    now = clock.now().astimezone(clock.SHANGHAI)
    return frame.render(
        "staff/approvals.html", here="approvals", waiting=waiting, stuck=stuck, today=now.date().isoformat()
    )


@blueprint.post("/approvals/<number:number>/decision")
@guard.staff(Permission.REFUND_ORDERS)
def decide(number: str) -> Response:
    """Approve or reject a refund as the second person."""
    is_approved = request.form.get("do") == "approve"
    return _try(
        "/approvals",
        lambda session: claim_desk.decide(
            session, guard.actor(), number=number, is_approved=is_approved, now=clock.now()
        ),
        done="refund_approved" if is_approved else "refund_rejected",
    )


@blueprint.post("/approvals/<number:number>/card")
@guard.staff(Permission.REFUND_ORDERS)
def send_to_card(number: str) -> Response:
    """Have WeChat send a stuck refund to the payer's card."""
    form = request.form
    bank, account, holder = (form.get(name, "").strip() for name in ("bank_type", "account", "holder"))
    if not _BANK.fullmatch(bank) or not _CARD.fullmatch(account) or not 1 <= len(holder) <= 60:
        return frame.back("/approvals", fault="form.card")
    try:
        claim_desk.send_to_card(
            guard.actor(), number=number, bank_type=bank, account=account, holder=holder, now=clock.now()
        )
    except (Conflict, Invalid, Unavailable, NotPermitted) as error:
        return frame.refused("/approvals", error)
    return frame.back("/approvals", done="sent_to_card")


@blueprint.post("/approvals/<number:number>/transfer")
@guard.staff(Permission.REFUND_ORDERS)
def mark_transferred(number: str) -> Response:
    """Write that a stuck refund was paid out by transfer."""
    form, now = request.form, clock.now()
    reference, note = form.get("bank_reference", "").strip(), form.get("note", "").strip()[:200]
    try:
        paid_at = datetime.fromisoformat(form.get("paid_on", "")).replace(hour=12, tzinfo=clock.SHANGHAI)
    except ValueError:
        return frame.back("/approvals", fault="form.transfer")
    if not 4 <= len(reference) <= 64 or paid_at.date() > now.astimezone(clock.SHANGHAI).date():
        return frame.back("/approvals", fault="form.transfer")
    return _try(
        "/approvals",
        lambda session: claim_desk.mark_transferred(
            session,
            guard.actor(),
            number=number,
            bank_reference=reference,
            note=note,
            paid_at=min(paid_at, now),
            now=now,
        ),
        done="transferred",
    )


def _try(path: str, act: Any, *, done: str) -> Response:
    """Do something in one transaction, and send the browser back to say what came of it."""
    try:
        with database.transaction() as session:
            act(session)
    except (Conflict, Invalid, NotPermitted) as error:
        refusal: AppError = error
        return frame.refused(path, refusal)
    return frame.back(path, done=done)

"""Own the pages of after-sales: the form of a claim, where it stands, and sending goods back.

Invariant: a claim is shown to its shopper alone; what the rules refuse is said on the form, with everything typed kept.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from config import clock, darkroom, database
from config.errors import AppError, Invalid
from storefront import claim_photos, claim_views, claims, errors, guard, order_views
from storefront.api.shapes import photograph
from storefront.claim_lifecycle import HOLDS_PIECES, Cause, ClaimKind, ClaimState
from storefront.h5 import pages
from storefront.h5.aftersales_models import ClaimCard, ClaimForm, ClaimFormPage, ClaimLine, ClaimPage
from storefront.order_lifecycle import CLAIMABLE

blueprint = Blueprint("h5_aftersales", __name__, url_prefix="/orders/<number:number>/aftersales")

CAUSES = {
    Cause.NO_REASON: "不想要了",
    Cause.DAMAGED: "收到时有破损",
    Cause.QUALITY: "质量问题",
    Cause.WRONG_ITEM: "发错商品",
    Cause.NOT_RECEIVED: "没有收到",
}
KINDS = {ClaimKind.REFUND: "仅退款", ClaimKind.RETURN: "退货退款"}
CARRIERS = ("顺丰速运", "中通快递", "圆通速递", "申通快递", "韵达速递", "邮政 EMS", "京东物流", "极兔速递")

_STORY = {
    ClaimState.FILED: ("等待商家处理", "商家会在 48 小时内答复，逾期会自动提醒负责人。", "calm"),
    ClaimState.APPROVED: ("请寄回商品", "商家已同意，请在期限内寄出并填写运单号；逾期未寄，申请会自动关闭。", "warm"),
    ClaimState.SENT_BACK: ("等待商家收货", "商家收到商品并确认后，款项会立即原路退回。", "calm"),
    ClaimState.REFUNDING: ("退款中", "款项正在原路退回，到账时间以微信支付通知为准。", "busy"),
    ClaimState.REFUNDED: ("已退款", "款项已原路退回。", "calm"),
    ClaimState.REFUSED: ("商家未同意", "您可以再次申请，或联系客服。", "calm"),
    ClaimState.WITHDRAWN: ("已撤销", "您撤销了这次申请，需要时可以再次申请。", "calm"),
    ClaimState.LAPSED: ("已关闭", "超过期限没有寄回商品，申请已关闭。", "calm"),
}
# Six photos as phones write them; one that is larger is refused in words, much more by the frame of every page.
_MOST_BYTES = 4 * darkroom.LARGEST_BYTES
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}")
_COUNT = re.compile(r"[0-9]{1,3}", re.ASCII)
_TRACKING = re.compile(r"[0-9A-Za-z-]{5,40}", re.ASCII)


@blueprint.get("/new")
@guard.shopper
def new(number: str) -> Response:
    """Show the form of a claim."""
    return _form(number, ClaimForm(key=secrets.token_urlsafe(16)))


@blueprint.post("")
@guard.body_up_to(_MOST_BYTES)
@guard.shopper
def file(number: str) -> AnyResponse:
    """File a claim, and show it; or the form again, saying why not. A photo that is refused does not hold it up."""
    form = _read(request.form)
    if not form.quantities:
        return _form(number, form, notice="请选择要申请售后的商品和数量", status=422)
    try:
        with database.transaction() as session:
            claim, is_new = claims.file(
                session,
                shopper_id=guard.shopper_id(),
                order=number,
                kind=ClaimKind(form.kind),
                lines=form.quantities,
                cause=Cause(form.cause),
                note=form.note,
                is_sealed=form.is_sealed,
                key=form.key,
                now=clock.now(),
            )
    except errors.OrderNotFound:
        raise
    except AppError as error:
        return _form(number, form, notice=error.text, status=error.status)
    # A second tap brings the same photos again.
    trouble = _take_photos(number, claim) if is_new else ""
    if trouble:
        return _page(number, claim, notice=f"申请已提交。{trouble}", status=422)
    return redirect(f"/orders/{number}/aftersales/{claim}", 303)


@blueprint.get("")
@guard.public
def reopened(number: str) -> AnyResponse:
    """Lead whoever reloads the address of a form that came back to the form."""
    return redirect(f"/orders/{number}/aftersales/new", 302)


@blueprint.get("/<number:claim>/<any(withdrawal, parcel, photos):act>")
@guard.public
def reopened_claim(number: str, claim: str, act: str) -> AnyResponse:
    """Lead whoever reloads the address of an act on a claim to the claim."""
    return redirect(f"/orders/{number}/aftersales/{claim}", 302)


@blueprint.get("/<number:claim>")
@guard.shopper
def show(number: str, claim: str) -> Response:
    """Show where a claim stands."""
    return _page(number, claim)


@blueprint.post("/<number:claim>/withdrawal")
@guard.shopper
def withdraw(number: str, claim: str) -> AnyResponse:
    """Withdraw a claim, and show it again."""
    try:
        with database.transaction() as session:
            claims.withdraw(session, shopper_id=guard.shopper_id(), number=claim, now=clock.now())
    except errors.ClaimMoved as error:
        return _page(number, claim, notice=error.text, status=error.status)
    return redirect(f"/orders/{number}/aftersales/{claim}", 303)


@blueprint.post("/<number:claim>/parcel")
@guard.shopper
def send_back(number: str, claim: str) -> AnyResponse:
    """Note how the goods travel back, and show the claim again."""
    carrier, tracking = request.form.get("carrier", "").strip()[:32], request.form.get("tracking_number", "").strip()
    if not carrier or not _TRACKING.fullmatch(tracking):
        return _page(number, claim, notice="请填写快递公司，以及 5 到 40 位字母或数字的运单号", status=422)
    try:
        with database.transaction() as session:
            claims.send_back(
                session,
                shopper_id=guard.shopper_id(),
                number=claim,
                carrier=carrier,
                tracking_number=tracking,
                now=clock.now(),
            )
    except errors.ClaimMoved as error:
        return _page(number, claim, notice=error.text, status=error.status)
    return redirect(f"/orders/{number}/aftersales/{claim}", 303)


@blueprint.post("/<number:claim>/photos")
@guard.body_up_to(_MOST_BYTES)
@guard.shopper
def add_photos(number: str, claim: str) -> AnyResponse:
    """Show more photos with a claim, and show it again."""
    with database.transaction() as session:
        claim_views.find(session, shopper_id=guard.shopper_id(), order=number, number=claim)
    trouble = _take_photos(number, claim) if any(request.files.getlist("photos")) else "请选择照片。"
    if trouble:
        return _page(number, claim, notice=trouble, status=422)
    return redirect(f"/orders/{number}/aftersales/{claim}", 303)


@blueprint.get("/photos/<number:photo>")
@guard.shopper
def photo(number: str, photo: str) -> Response:
    """Send a photo of the shopper's own order, small when the query says so."""
    with database.transaction() as session:
        claim_photos.require_own(session, shopper_id=guard.shopper_id(), order=number, picture=photo)
    return photograph(photo, darkroom.SIZES[2] if "small" in request.args else darkroom.SIZES[0])


def _take_photos(number: str, claim: str) -> str:
    """Take the photos of the form in, one after the other, and return what is to be said of those that were not."""
    troubles = []
    for place, sent in enumerate(filter(None, request.files.getlist("photos")), 1):
        try:
            taken = claim_photos.take_in(
                shopper_id=guard.shopper_id(), order=number, upload=sent.read(), now=clock.now()
            )
            with database.transaction() as session:
                claim_photos.add(
                    session, shopper_id=guard.shopper_id(), number=claim, photos=[taken.number], now=clock.now()
                )
        except AppError as error:
            troubles.append(f"第 {place} 张照片没有收下：{error.text}。")
            if not isinstance(error, Invalid):
                break
    return "".join(troubles)


def free(order: Mapping[str, Any], found: list[dict[str, Any]]) -> dict[int, int]:
    """Return how many pieces of each line can still be claimed for; lines without any are left out."""
    if order["state"] not in CLAIMABLE:
        return {}
    left = {line["line"]: line["quantity"] for line in order["lines"] if line["refunded_fen"] < line["amount_fen"]}
    for claim in found:
        for line in claim["lines"] if claim["state"] in HOLDS_PIECES else ():
            left[line["line"]] = left.get(line["line"], 0) - line["quantity"]
    return {line: count for line, count in left.items() if count > 0}


def cards(found: list[dict[str, Any]]) -> tuple[ClaimCard, ...]:
    """Return an order's claims as its page lists them."""
    return tuple(
        ClaimCard(
            number=claim["number"],
            headline=_STORY[claim["state"]][0],
            tone=_STORY[claim["state"]][2],
            kind=KINDS[claim["kind"]],
            amount_fen=claim["amount_fen"],
        )
        for claim in found
    )


def _read(fields: Mapping[str, str]) -> ClaimForm:
    """Return what was typed; what is no choice of ours is replaced by the first of them."""
    typed = {
        int(name[4:]): int(value)
        for name, value in fields.items()
        if re.fullmatch(r"line[1-9][0-9]{0,2}", name, re.ASCII) and _COUNT.fullmatch(value)
    }
    key, kind, cause = (fields.get(name, "") for name in ("key", "kind", "cause"))
    return ClaimForm(
        key=key if _KEY.fullmatch(key) else secrets.token_urlsafe(16),
        kind=kind if kind in set(ClaimKind) else ClaimKind.REFUND.value,
        cause=cause if cause in set(Cause) else Cause.NO_REASON.value,
        quantities={line: count for line, count in typed.items() if count},
        note=re.sub(r"[\x00-\x1f\x7f]+", " ", fields.get("note", "")).strip()[:200],
        is_sealed=fields.get("sealed") == "yes",
    )


def _form(number: str, form: ClaimForm, *, notice: str = "", status: int = 200) -> Response:
    with database.transaction() as session:
        order = order_views.find(session, shopper_id=guard.shopper_id(), number=number)
        found = claim_views.of_order(session, shopper_id=guard.shopper_id(), order=number)
    is_sent = any(each["shipped_at"] for each in order["consignments"])
    left = free(order, found)
    lines = tuple(_line(line | {"quantity": left[line["line"]]}) for line in order["lines"] if line["line"] in left)
    if not form.quantities and len(lines) == 1:
        form = replace(form, quantities={lines[0].line: lines[0].quantity})
    if not form.kind:
        form = replace(form, kind=(ClaimKind.RETURN if is_sent else ClaimKind.REFUND).value)
    page = ClaimFormPage(
        order=number,
        lines=lines,
        form=form,
        can_claim=bool(lines),
        is_sent=is_sent,
        kinds=tuple((kind.value, word) for kind, word in KINDS.items()),
        causes=tuple((cause.value, word) for cause, word in CAUSES.items()),
        most_photos=claim_photos.MOST_A_CLAIM,
        notice=notice,
    )
    return pages.private(pages.render("h5/claim_form.html", status=status, page=page))


def _page(number: str, claim: str, *, notice: str = "", status: int = 200) -> Response:
    with database.transaction() as session:
        found = claim_views.find(session, shopper_id=guard.shopper_id(), order=number, number=claim)
    headline, detail, tone = _STORY[found["state"]]
    page = ClaimPage(
        number=claim,
        order=number,
        headline=headline,
        detail=detail,
        tone=tone,
        kind=KINDS[found["kind"]],
        cause=CAUSES[found["cause"]],
        note=found["note"],
        photos=tuple(found["photos"]),
        photos_left=claim_photos.MOST_A_CLAIM - len(found["photos"]) if found["state"] in claim_photos.WAITS else 0,
        lines=tuple(map(_line, found["lines"])),
        amount_fen=found["amount_fen"],
        freight_fen=found["freight_fen"],
        answer=found["answer"],
        return_address=found["return_address"],
        carrier=found["carrier"] or "",
        tracking_number=found["tracking_number"] or "",
        filed_at=datetime.fromisoformat(found["filed_at"]),
        due_at=datetime.fromisoformat(found["due_at"]) if found["due_at"] else None,
        can_send=found["state"] in {ClaimState.APPROVED, ClaimState.SENT_BACK},
        can_withdraw=found["state"] in {ClaimState.FILED, ClaimState.APPROVED} and found["received_at"] is None,
        carriers=CARRIERS,
        notice=notice,
    )
    return pages.private(pages.render("h5/claim.html", status=status, page=page))


def _line(found: Mapping[str, Any]) -> ClaimLine:
    return ClaimLine(
        line=found["line"],
        title=found["title"],
        spec=found["spec"],
        image=found["image"],
        quantity=found["quantity"],
    )

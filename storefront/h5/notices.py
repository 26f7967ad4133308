"""The public notice: which products a county means to accredit, and the form in which anybody may object.

Invariant: nobody need log in or give a name; the same form sent twice is one objection.
"""

import re
import secrets
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from catalog import accreditation_views, objections
from catalog.errors import NoticeOver
from config import clock, database
from storefront import guard, limits
from storefront.h5 import pages

blueprint = Blueprint("h5_notices", __name__, template_folder="templates")

_PAGE = 30
_AREA = re.compile(r"34[0-9]{0,4}", re.ASCII)
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")
_STATES = {
    "noticed": "公示中",
    "published": "已认定",
    "suspended": "认定已暂停",
    "revoked": "认定已撤销",
    "expired": "认定已到期",
}
_PAPERS = {
    "licence": "营业执照",
    "food_permit": "食品经营许可或备案",
    "test_report": "检验报告",
    "origin": "产地证明",
    "benefit": "联农带农材料",
    "photo": "实物照片",
    "other": "其他材料",
}
# What concerns the applicant alone, such as papers sent back, is not for the public.
_STEPS = {
    "submit": "提交申请",
    "endorse": "乡镇（街道）同意推荐",
    "oppose": "乡镇（街道）不同意推荐",
    "approve": "县级认定，开始公示",
    "publish": "发布入目录",
    "recheck": "年度复核通过",
    "suspend": "暂停认定",
    "lapse": "逾期，暂停认定",
    "reinstate": "恢复认定",
    "revoke": "撤销认定",
    "expire": "认定到期",
}
# Many people object from one office or village network; a machine that floods a county is held up.
_AN_HOUR = 30


@blueprint.get("/notices")
@guard.public
def listing() -> Response:
    """Show what is on public notice, in all of Anhui or in one place."""
    area = request.args.get("area", "")
    area = area if _AREA.fullmatch(area) else ""
    with database.transaction() as session:
        rows = accreditation_views.notices(session, area=area, limit=_PAGE)
    return pages.render("h5/notices.html", rows=rows)


@blueprint.get("/notices/<number:number>")
@guard.public
def show(number: str) -> Response:
    """Show one notice, and the form to object while it runs."""
    return _page(number, content="", contact="", key=secrets.token_urlsafe(16))


@blueprint.get("/notices/<number:number>/objections")
@guard.public
def reopened(number: str) -> AnyResponse:
    """Lead whoever reloads the address of a form that came back to the notice."""
    return redirect(f"/notices/{number}#objections", 302)


@blueprint.post("/notices/<number:number>/objections")
@guard.public
def object_to(number: str) -> Response:
    """File an objection and show where it stands; a form that cannot be filed comes back as it was."""
    limits.allow(f"objections:{request.remote_addr}", limit=_AN_HOUR, window_s=3600)
    form = request.form
    content, contact = (_CONTROL.sub(" ", form.get(name, "")).strip() for name in ("content", "contact"))
    key = form.get("key", "")
    key = key if _KEY.fullmatch(key) else secrets.token_urlsafe(16)
    if len(content) not in objections.CONTENT_LENGTHS or len(contact) > objections.CONTACT_LENGTH:
        wrong = (
            f"请写明异议的内容和理由，{objections.CONTENT_LENGTHS.start} 到 {objections.CONTENT_LENGTHS.stop - 1} 字。"
        )
        return _page(number, content=content[:2000], contact=contact[:100], key=key, wrong=wrong, status=422)
    try:
        with database.transaction() as session:
            objections.file(
                session,
                number=objections.number_of(number, key),
                accreditation=number,
                content=content,
                contact=contact,
                now=clock.now(),
            )
    except NoticeOver as error:
        return _page(number, content=content, contact=contact, key=key, wrong=str(error.message), status=409)
    return redirect(f"/notices/{number}?objected={objections.number_of(number, key)}#objections", 303)  # type: ignore[return-value]


def _page(number: str, *, status: int = 200, wrong: str = "", **typed: str) -> Response:
    now = clock.now()
    with database.transaction() as session:
        found = accreditation_views.notice(session, number=number)
    return pages.render(
        "h5/notice.html",
        status=status,
        it=found,
        is_open=_is_open(found, now),
        objected=request.args.get("objected", ""),
        wrong=wrong,
        typed=typed,
        states=_STATES,
        papers=[_PAPERS[kind] for kind in found["papers"]],
        steps=[(_STEPS[step["act"]], step["taken_at"]) for step in found["steps"] if step["act"] in _STEPS],
    )


def _is_open(found: dict[str, Any], now: datetime) -> bool:
    return bool(found["state"] == "noticed" and found["due_at"] and now < found["due_at"])

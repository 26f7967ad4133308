"""The page with which a member of staff says: this phone is mine, do not count what it scans."""

from collections.abc import Iterable
from dataclasses import asdict
from uuid import uuid4

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import NotFound
from storefront import guard, sessions
from storefront.roles import Permission
from storefront.staff import phones
from storefront.staff.pages import exports, frame
from storefront.staff.phones import PhoneView
from storefront.staff.tables import Column, Kind, Sheet, Table
from subway_campaign import visits

blueprint = Blueprint("staff_pages_phone", __name__, url_prefix=frame.ROOT, template_folder="../templates")


PHONES = Table(
    "phones",
    "工作手机",
    (
        Column("number", "编号", Kind.CODE, only="file", width=20),
        Column("label", "名称", note=lambda one: "本机" if one["is_here"] else None, width=28),
        Column("username", "标记人", width=20),
        Column("marked_at", "标记时间", Kind.MINUTE, width=20),
    ),
    lead="label",
)


@blueprint.get("/phone")
@guard.staff(Permission.MARK_PHONES)
def show() -> Response:
    """Show whether this phone is marked, and the phones that are."""
    with database.transaction() as session:
        phone, marked = phones.here(session, visitor=guard.visitor())
    return frame.render("staff/phone.html", here="phone", phone=phone, phones=marked, sheet=_sheet(phone, marked))


@exports.files(blueprint, "/phone")
@guard.staff(Permission.MARK_PHONES)
def download(kind: str) -> Response:
    """Send the phones that are marked now as a file."""
    with database.transaction() as session:
        phone, marked = phones.here(session, visitor=guard.visitor())
    return exports.send(kind, _sheet(phone, marked), now=clock.now())


def _sheet(phone: PhoneView | None, marked: Iterable[PhoneView]) -> Sheet:
    here = phone.number if phone else None
    return Sheet.of(PHONES, [asdict(one) | {"is_here": one.number == here} for one in marked])


@blueprint.post("/phone/mark")
@guard.staff(Permission.MARK_PHONES)
def mark() -> Response:
    """Mark this browser; one that has not scanned yet is given its name for it now."""
    label = " ".join(request.form.get("label", "").split())[:40]
    if not label or not label.isprintable():
        return frame.back("/phone", fault="form.label")
    visitor = guard.visitor() or uuid4()
    with database.transaction() as session:
        phones.mark(session, actor=guard.actor(), visitor=visitor, label=label, now=clock.now())
    response = frame.back("/phone", done="marked")
    response.set_cookie(
        guard.visitor_cookie_name(),
        str(visitor),
        max_age=int(visits.COOKIE_LIFE.total_seconds()),
        **sessions.cookie_attributes(),
    )
    return response


@blueprint.post("/phone/release")
@guard.staff(Permission.MARK_PHONES)
def release() -> Response:
    """Count this browser again."""
    visitor = guard.visitor()
    if visitor is None:
        return frame.back("/phone", fault="staff.phone_not_found")
    try:
        with database.transaction() as session:
            phones.release_here(session, actor=guard.actor(), visitor=visitor, now=clock.now())
    except NotFound as error:
        return frame.refused("/phone", error)
    return frame.back("/phone", done="released")

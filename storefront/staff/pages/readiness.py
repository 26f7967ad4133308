"""Readiness for the 832 platform on a page: county by county, what each supplier still lacks, and the form to fetch."""

from flask import Blueprint, Response

from config import clock, database
from storefront import guard
from storefront.roles import Permission
from storefront.staff import readiness_desk
from storefront.staff.pages import exports, frame

blueprint = Blueprint("staff_pages_readiness", __name__, url_prefix=frame.ROOT, template_folder="../templates")


@blueprint.get("/readiness")
@guard.staff(Permission.READ_ACCREDITATIONS)
def show() -> Response:
    """Show the counties in sight with their suppliers and what these lack."""
    with database.transaction() as session:
        found = readiness_desk.counties(session, guard.actor(), now=clock.now())
    return frame.render(
        "staff/readiness.html",
        here="readiness",
        counties=found,
        sums=readiness_desk.summed(found),
        todo=readiness_desk.todo,
        unseen=readiness_desk.UNSEEN,
        form_note=readiness_desk.FORM_NOTE,
    )


@exports.files(blueprint, "/readiness/listing")
@guard.staff(Permission.READ_ACCREDITATIONS)
def listing(kind: str) -> Response:
    """Hand out the platform's form for the suppliers in sight."""
    now = clock.now()
    with database.transaction() as session:
        found = readiness_desk.counties(session, guard.actor(), now=now)
    return exports.send(kind, readiness_desk.form(found), now=now, period=f"{now.astimezone(clock.SHANGHAI):%Y-%m-%d}")

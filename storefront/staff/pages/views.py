"""Saving a report's filters under a name, and forgetting them."""

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, NotFound
from storefront import guard
from storefront.roles import Permission, Role
from storefront.staff import saved_views
from storefront.staff.pages import choices, frame

blueprint = Blueprint("staff_pages_views", __name__, url_prefix=frame.ROOT, template_folder="../templates")


@blueprint.post("/report/views")
@guard.staff(Permission.READ_REPORTS)
def save() -> Response:
    """Keep the filters of the form under its name."""
    now = clock.now()
    # Read and written anew: what is kept is a choice, whatever the form said.
    choice = choices.read(request.form, today=now.astimezone(clock.SHANGHAI).date())
    name = " ".join(request.form.get("name", "").split())
    role = request.form.get("role")
    if not 1 <= len(name) <= saved_views.NAME_LENGTH or not name.isprintable():
        return _back(choice, fault="form.view")
    try:
        with database.transaction() as session:
            saved_views.save(
                session,
                guard.actor(),
                name=name,
                query=choice.query(),
                role=Role(role) if role in set(Role) else None,
                now=now,
            )
    except Conflict as error:
        return _back(choice, fault=error.code)
    return _back(choice, done="view_saved")


@blueprint.post("/report/views/<number:number>/removal")
@guard.staff(Permission.READ_REPORTS)
def remove(number: str) -> Response:
    """Forget a view."""
    try:
        with database.transaction() as session:
            saved_views.remove(session, guard.actor(), number=number, now=clock.now())
    except NotFound as error:
        return frame.refused("/report", error)
    return frame.back("/report", done="view_deleted")


def _back(choice: choices.Choice, **said: str) -> Response:
    return frame.back("/report", **choice.parts(), **said)

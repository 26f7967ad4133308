"""The way in and out: login, logout, and the files that pages load."""

from flask import Blueprint, Response, redirect, request

from config import clock, database, settings
from storefront import csrf, guard, login, sessions
from storefront.errors import CredentialsRejected, LoginDelayed, TotpRequired
from storefront.staff import accounts
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_entrance", __name__, url_prefix=frame.ROOT, template_folder="../templates")


@blueprint.get("/login")
@guard.public
def ask() -> Response:
    """Show the login form."""
    return _form(_next(request.args.get("next", "")), "")


@blueprint.post("/login")
@guard.public
def enter() -> Response:
    """Log in and go where the browser was going."""
    csrf.check(
        method=request.method,
        session_token=None,
        given=None,
        origin=request.headers.get("Origin") or request.headers.get("Referer"),
        base_url=settings.current().public_base_url,
        secret_key=settings.current().secret_key,
    )
    target, username = _next(request.form.get("next", "")), request.form.get("username", "").strip()[:64]
    now = clock.now()
    try:
        opened = accounts.login(
            username=username,
            password=request.form.get("password", ""),
            totp=request.form.get("totp", "").strip() or None,
            address=request.remote_addr,
            now=now,
        )
    except (CredentialsRejected, TotpRequired) as error:
        return _form(target, username, error.text, status=401, needs_totp=isinstance(error, TotpRequired))
    except LoginDelayed as error:
        trouble = f"输错次数太多，请等 {error.retry_after} 秒再试。"
        response = _form(target, username, trouble, status=429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    entered: Response = redirect(target, 303)  # type: ignore[assignment]
    entered.set_cookie(**sessions.cookie(opened, now=now))
    return entered


@blueprint.post("/logout")
@guard.staff()
def leave() -> Response:
    """End the session of this browser, or every session of its account when the form says `everywhere`."""
    presented, actor = guard.presented(of_staff=True), guard.actor()
    now = clock.now()
    with database.transaction() as session:
        if "everywhere" in request.form:
            accounts.log_out_everywhere(session, username=actor.username or "", now=now, by=actor)
        else:
            accounts.leave(session, actor, token=presented.token if presented else "", now=now)
    left = frame.back("/login")
    left.delete_cookie(sessions.cookie_name(staff=True), **sessions.cookie_attributes())
    return left


@blueprint.get(f"/<any({', '.join(map(repr, (*frame.ASSETS, *frame.VENDOR)))}):name>")
@guard.public
def asset(name: str) -> Response:
    """Return a style or a script."""
    return frame.asset(name)


def _form(
    target: str, username: str, trouble: str | None = None, *, status: int = 200, needs_totp: bool = False
) -> Response:
    return frame.render(
        "staff/login.html", status=status, next=target, username=username, trouble=trouble, needs_totp=needs_totp
    )


def _next(path: str) -> str:
    """Return a path below /staff, whatever was asked for."""
    return path if path.startswith(f"{frame.ROOT}/") and login.is_path_of_ours(path) else f"{frame.ROOT}/"

"""The page on which somebody of the staff gives their own account a second factor."""

from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, Response, request

from config import clock
from storefront import guard, sessions
from storefront.errors import CredentialsRejected, LoginDelayed
from storefront.second_factor_errors import SecondFactorStanding
from storefront.staff import enrolment
from storefront.staff.pages import frame

blueprint = Blueprint("staff_pages_second_factor", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_PATH = "/second-factor"


@blueprint.get("/second-factor")
@guard.staff()
def show() -> Response:
    """Show a new secret to scan, or that there is one."""
    if guard.actor().has_second_factor:
        return frame.render("staff/second_factor.html", offer=None)
    return _form(enrolment.offer(guard.actor()))


@blueprint.post("/second-factor")
@guard.staff()
def accept() -> Response:
    """Keep the secret whose code the form shows, and lead to the login; what is wrong is said beside it."""
    given, actor, now = request.form, guard.actor(), clock.now()
    sealed = given.get("sealed", "")[:500]
    try:
        enrolment.accept(
            actor,
            password=given.get("password", ""),
            sealed=sealed,
            code=given.get("totp", "").strip(),
            address=request.remote_addr,
            now=now,
        )
    except SecondFactorStanding as error:
        return frame.refused(_PATH, error)
    except CredentialsRejected:
        return _again(sealed, "密码或验证码不对：请确认扫的是下面这个码，并填手机上正在显示的 6 位数字。", 422)
    except LoginDelayed as error:
        return _again(sealed, f"输错次数太多，请等 {error.retry_after} 秒再试。", 429)
    done = frame.back("/login", done="totp_enrolled")
    done.delete_cookie(sessions.cookie_name(staff=True), **sessions.cookie_attributes())
    return done


def _again(sealed: str, trouble: str, status: int) -> Response:
    try:
        offered = enrolment.offer(guard.actor(), sealed=sealed)
    except CredentialsRejected:
        offered = enrolment.offer(guard.actor())
    return _form(offered, trouble, status)


def _form(offered: enrolment.Offer, trouble: str = "", status: int = 200) -> Response:
    # Only whoever comes here needs what draws codes.
    import segno

    secret = parse_qs(urlsplit(offered.uri).query)["secret"][0]
    response = frame.render(
        "staff/second_factor.html",
        status=status,
        offer=offered,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=segno.make(offered.uri).svg_data_uri(scale=5),
        trouble=trouble,
    )
    response.headers["Cache-Control"] = "no-store"
    return response

"""The one guard over every route: who may call it, whether their page meant it, and how often.

Invariant: each view says who may call it (`@guard.public`, `@guard.shopper`, `@guard.shopper_asking(question)`,
`@guard.staff(permission)`, `@guard.partner(scope)` or `@guard.signed`), the application refuses to start while one does
not, and no view runs before its guard has passed.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, Request, g, request

from config import clock, http, settings
from config.database import Question
from storefront import csrf, limits, partner_keys, roles, sessions, tokens
from storefront.actors import Actor, ActorKind
from storefront.errors import NotPermitted, PartnerKeyRejected, PartnerScopeMissing, SessionRequired
from storefront.partner_keys import KeyScope
from storefront.roles import Permission

View = TypeVar("View", bound=Callable[..., Any])

# Flask's own and flask-smorest's documents: readable by anybody.
OPEN_ENDPOINTS = {"static", "api-docs.openapi_json", "api-docs.openapi_swagger_ui"}

PUBLIC, SHOPPER, STAFF, PARTNER, SIGNED = "public", "shopper", "staff", "partner", "signed"

# What OpenAPI says of each; a cookie's unsafe requests also carry `X-CSRF-Token` and come from our own origin.
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of a login: 43 characters, opaque."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "hall_session",
        "description": "A shopper's session, `__Host-hall_session` over https; unsafe methods also need X-CSRF-Token.",
    },
    "staff_cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "hall_staff",
        "description": "A staff session, `__Host-hall_staff` over https; unsafe methods also need X-CSRF-Token.",
    },
    "partner_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A partner's API key, `hall_` and so on; staff issue it, and it is shown once.",
    },
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    SHOPPER: [{"bearer": []}, {"cookie": []}],
    STAFF: [{"bearer": []}, {"staff_cookie": []}],
    PARTNER: [{"partner_key": []}],
}

# Twice a second for a whole minute: no thumb does that. Reading is stopped by the flood limit only.
CHANGES_A_MINUTE = 120
# A full pull of 100,000 products at 100 a page takes two minutes then; a program gone wild is held up.
PARTNER_REQUESTS_A_MINUTE = 600

_VISITOR_COOKIE = "hall_visitor"


def _mark(function: View, kind: str, permission: Permission | KeyScope | None = None) -> View:
    function.guard = (kind, permission)  # type: ignore[attr-defined]
    function.__dict__.setdefault("_apidoc", {}).update(guard=kind, security=_SECURITY.get(kind, []))
    return function


def public(function: View) -> View:
    """Let anybody call this view."""
    return _mark(function, PUBLIC)


def shopper(function: View) -> View:
    """Let shoppers and guests call this view, by bearer token or cookie; `actor()` is then one of them."""
    return _mark(function, SHOPPER)


def shopper_asking(question: Callable[..., Question]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let shoppers and guests call this view, and hand it the answer to a question of its own as `answer`.

    The question is made of the view's arguments and may be about nothing but what anybody may know: it is asked along
    with who is calling, in one statement, and whoever may not call hears no answer. Put this next to the view, below
    what reads its arguments; a request that brings no token is refused before they are read.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def identified(*args: Any, **kwargs: Any) -> Any:
            found = _presented(SHOPPER)
            who, answer = sessions.verify_along(found.token, question(*args, **kwargs), now=clock.now())
            _admit(found, who, SHOPPER, None)
            return function(*args, answer=answer, **kwargs)

        identified.is_asking = True  # type: ignore[attr-defined]
        return _mark(identified, SHOPPER)

    return mark


def staff(permission: Permission | None = None) -> Callable[[View], View]:
    """Let staff call this view who hold `permission` anywhere, or any staff when None.

    Whether the permission reaches the thing at hand is the view's to check, with `roles.permits` and its scope.
    """

    def mark(function: View) -> View:
        return _mark(function, STAFF, permission)

    return mark


def partner(scope: KeyScope | None = None) -> Callable[[View], View]:
    """Let partners call this view by an API key that has `scope`, or by any when None.

    `partner_caller()` is then one of them.
    """

    def mark(function: View) -> View:
        return _mark(function, PARTNER, scope)

    return mark


def signed(function: View) -> View:
    """Let other servers call this view: its verb proves the signature of every request. No limit holds them up."""
    return _mark(function, SIGNED)


def body_up_to(most: int) -> Callable[[View], View]:
    """Let a view take a body of up to `most` bytes, which is more than others may; read after the guard has passed."""

    def mark(function: View) -> View:
        function.most_bytes = most  # type: ignore[attr-defined]
        return function

    return mark


def unguarded(app: Flask) -> list[str]:
    """Return the endpoints whose views do not say who may call them."""
    return sorted(
        endpoint
        for endpoint, view in app.view_functions.items()
        if endpoint not in OPEN_ENDPOINTS and not hasattr(view, "guard")
    )


def install(app: Flask) -> None:
    """Let every request of `app` pass through the guard."""

    @app.before_request
    def enforce() -> None:
        asked = http.asked()
        view = app.view_functions.get(asked.endpoint or "")
        kind, permission = getattr(view, "guard", (PUBLIC, None))
        most = getattr(view, "most_bytes", None)
        if most:
            asked.max_content_length = most
        if kind == SIGNED:
            return
        if not _is_loopback(asked.remote_addr):
            limits.stop_flood(str(asked.remote_addr))
        if asked.method == "OPTIONS":
            return
        if kind == PARTNER:
            _identify_partner(permission)
        elif getattr(view, "is_asking", False):
            # Who it is will be asked next to the view.
            _presented(kind)
        elif kind in {SHOPPER, STAFF}:
            _identify(kind, permission)
        _limit_changes(asked)


def actor() -> Actor:
    """Return who is calling a guarded view. Raises `SessionRequired` in a public one that nobody logged in to."""
    found = caller()
    if found is None:
        raise SessionRequired
    return found


def partner_caller() -> partner_keys.Caller:
    """Return which partner calls a `@partner` view. Raises `PartnerKeyRejected` in any other."""
    found: partner_keys.Caller | None = g.get("partner")
    if found is None:
        raise PartnerKeyRejected
    return found


def caller() -> Actor | None:
    """Return the shopper or guest who is calling, or None; for public views, which serve both.

    Raises `CsrfRejected` for a request by cookie that changes something and was not sent by our own page.
    """
    kept = http.kept()
    if "actor" not in kept:
        try:
            _identify(SHOPPER, None)
        except (SessionRequired, NotPermitted):
            kept.actor = None
    found: Actor | None = kept.actor
    return found


def shopper_id() -> int:
    """Return whose cart and orders a `@shopper` view is about."""
    found = actor().shopper_id
    if found is None:
        raise SessionRequired
    return found


def presented(*, of_staff: bool = False) -> sessions.Presented | None:
    """Return the session token of this request, proven or not. Raises `SessionRequired` for a malformed header."""
    authorization = http.asked().environ.get("HTTP_AUTHORIZATION")
    if authorization is not None:
        return sessions.presented(authorization=authorization, cookies={}, staff=of_staff)
    name = sessions.cookie_name(staff=of_staff)
    return sessions.presented(authorization=None, cookies={name: _cookie(name) or ""}, staff=of_staff)


def csrf_token(*, of_staff: bool = False) -> str | None:
    """Return the token that this session's forms and scripts must send back; None without a session by cookie."""
    token = _cookie(sessions.cookie_name(staff=of_staff))
    return csrf.token(token, secret_key=settings.current().secret_key) if token else None


def visitor() -> UUID | None:
    """Return the first-party visitor of this browser, or None; it is a random name and no login."""
    try:
        found = UUID(_cookie(visitor_cookie_name()) or "")
    except ValueError:
        return None
    return found if found.version in (4, 7) else None


def _cookie(name: str) -> str | None:
    """Return a cookie of ours as it was sent.

    Its value is letters, digits, dashes and underscores, never quoted; to read all cookies as any site may have written
    them costs a tenth of a scan.
    """
    sent = http.asked().environ.get("HTTP_COOKIE", "")
    if name in sent:
        for part in sent.split(";"):
            key, _, value = part.partition("=")
            if key.strip() == name:
                return str(value.strip())
    return None


def visitor_cookie_name() -> str:
    """Return the name of the cookie that scans set."""
    return sessions.cookie_prefix() + _VISITOR_COOKIE


def _identify(kind: str, permission: Permission | None) -> None:
    found = _presented(kind)
    _admit(found, sessions.verify(found.token, now=clock.now()), kind, permission)


def _presented(kind: str) -> sessions.Presented:
    found = presented(of_staff=kind == STAFF)
    if found is None:
        raise SessionRequired
    return found


def _admit(found: sessions.Presented, who: Actor, kind: str, permission: Permission | None) -> None:
    """Let pass who has just proven to be `who`, if such may call the view and their page meant it."""
    if (who.kind is ActorKind.STAFF) != (kind == STAFF):
        raise NotPermitted
    if permission is not None and not roles.permits(who.grants, permission):
        raise NotPermitted(permission=permission.value)
    if found.by_cookie and request.method not in csrf.SAFE_METHODS:
        csrf.check(
            method=request.method,
            session_token=found.token,
            given=request.headers.get(csrf.HEADER) or request.form.get(csrf.FIELD),
            origin=request.headers.get("Origin") or request.headers.get("Referer"),
            base_url=settings.current().public_base_url,
            secret_key=settings.current().secret_key,
        )
    g.actor = who


def _identify_partner(scope: KeyScope | None) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise PartnerKeyRejected
    found = partner_keys.verify(key.strip(), now=clock.now())
    limits.allow(f"partner:{found.key_id}", limit=PARTNER_REQUESTS_A_MINUTE, window_s=60)
    if scope is not None and scope not in found.scopes:
        raise PartnerScopeMissing(scope=scope.value)
    g.partner = found


def _limit_changes(asked: Request) -> None:
    """Hold up a session or visitor that changes things faster than a person. Never an address: trains share one."""
    if asked.method in csrf.SAFE_METHODS:
        return
    token = asked.environ.get("HTTP_AUTHORIZATION")
    if not token:
        names = (sessions.cookie_name(), sessions.cookie_name(staff=True))
        token = next(filter(None, map(_cookie, names)), None)
    if token:
        who = tokens.digest(token).hex()[:32]
    elif known := visitor():
        who = known.hex
    else:
        return
    limits.allow(f"changes:{who}", limit=CHANGES_A_MINUTE, window_s=60)


def _is_loopback(address: str | None) -> bool:
    # Either a desk, or a proxy that was not declared: then this one address is everybody.
    return address is None or address == "::1" or address.startswith("127.")

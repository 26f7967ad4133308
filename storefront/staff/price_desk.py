"""Reviews of prices as counties decide them and suppliers read them.

Invariant: a review is decided by whoever's scope covers the product's origin and supplier; what is out of scope is not
found; every decision is in the audit trail.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import price_guard
from catalog.accreditation_views import Reach
from catalog.errors import ReviewUnknown
from catalog.price_models import ReviewAct, ReviewState
from storefront import audit, roles
from storefront.actors import Actor
from storefront.errors import NotPermitted
from storefront.roles import Permission, Scope
from storefront.staff import accounts


def queue(
    session: Session, actor: Actor, *, states: Sequence[ReviewState], offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """Return the reviews in sight in these states, the latest first, with `acts`: what the actor may do now."""
    reaches = [Reach(scope.area, scope.supplier) for scope in roles.scopes(actor.grants, Permission.READ_PRICES)]
    found = price_guard.queue(session, reaches=reaches, states=states, offset=offset, limit=limit)
    return [review | {"acts": _acts(actor, review)} for review in found]


def decide(
    session: Session, actor: Actor, *, number: str, act: ReviewAct, seen: ReviewState, reason: str, now: datetime
) -> ReviewState:
    """Decide a review in sight. Raises `ReviewUnknown`, `NotPermitted`, and what `price_guard.decide` does."""
    found = price_guard.find(session, number=number)
    where = _scope_of(found)
    if not accounts.allowed(actor, Permission.READ_PRICES, where):
        raise ReviewUnknown
    if not accounts.allowed(actor, Permission.REVIEW_PRICES, where):
        raise NotPermitted(permission=Permission.REVIEW_PRICES)
    after = price_guard.decide(
        session, number=number, act=act, seen=seen, reason=reason, by=actor.username or "", now=now
    )
    audit.record(session, actor, f"price.{after.value}", number, {"sku": found["sku"], "reason": reason}, now=now)
    return after


def _acts(actor: Actor, review: dict[str, Any]) -> list[str]:
    if not accounts.allowed(actor, Permission.REVIEW_PRICES, _scope_of(review)):
        return []
    return [act.value for act, (before, _) in price_guard.STEPS.items() if review["state"] in before]


def _scope_of(review: dict[str, Any]) -> Scope:
    return Scope(area=review["origin_code"], supplier=review["supplier"])

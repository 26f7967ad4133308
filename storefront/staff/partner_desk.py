"""Partners and their keys as administrators keep them.

Invariant: whoever adds or closes a partner, issues or revokes a key stands in the audit trail, and no key does.
"""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storefront import audit, partner_keys, partners, webhooks
from storefront.actors import Actor
from storefront.partner_keys import KeyScope
from storefront.partner_models import PartnerKind
from storefront.roles import Permission
from storefront.staff import sight
from storefront.webhook_models import DeliveryState

# More are a partner's own to page through.
SHOWN = 20


def create(
    session: Session, actor: Actor, *, kind: PartnerKind, name: str, seller: str | None, now: datetime
) -> dict[str, Any]:
    """Add a partner and return it. Raises `NotPermitted`, `PartnerInvalid`, `SellerTaken`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    made = partners.create(session, kind=kind, name=name, seller=seller, now=now)
    audit.record(session, actor, "partner.added", made.number, {"kind": kind.value, "name": name}, now=now)
    return _shown(session, made)


def close(session: Session, actor: Actor, *, number: str, now: datetime) -> dict[str, Any]:
    """Shut a partner out and return it. Raises `NotPermitted`, `PartnerNotFound`, `PartnerClosed`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    closed = partners.close(session, number=number, now=now)
    audit.record(session, actor, "partner.closed", number, {}, now=now)
    return _shown(session, closed)


def issue_key(
    session: Session, actor: Actor, *, number: str, label: str, scopes: Collection[KeyScope], now: datetime
) -> partner_keys.Issued:
    """Make a key, which only this answer shows. Raises `NotPermitted` and what `partner_keys.issue` does."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    issued = partner_keys.issue(session, partner=number, label=label, scopes=scopes, now=now)
    told = {"prefix": issued.prefix, "scopes": [scope.value for scope in issued.scopes]}
    audit.record(session, actor, "partner.key_issued", number, told, now=now)
    return issued


def revoke_key(session: Session, actor: Actor, *, number: str, prefix: str, now: datetime) -> dict[str, Any]:
    """End a key at once and return its partner. Raises `NotPermitted`, `PartnerKeyNotFound`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    partner_keys.revoke(session, partner=number, prefix=prefix, now=now)
    audit.record(session, actor, "partner.key_revoked", number, {"prefix": prefix}, now=now)
    return _shown(session, partners.find(session, number=number))


def replay(session: Session, actor: Actor, *, number: str, delivery: str, now: datetime) -> None:
    """Send a message to a partner once more. Raises `NotPermitted`, `DeliveryNotFound`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    webhooks.replay(session, partner=number, number=delivery, now=now)
    audit.record(session, actor, "partner.delivery_replayed", number, {"delivery": delivery}, now=now)


def enable(session: Session, actor: Actor, *, number: str, endpoint: str, now: datetime) -> None:
    """Send to a partner's endpoint again. Raises `NotPermitted`, `EndpointNotFound`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    webhooks.enable(session, partner=number, number=endpoint, now=now)
    audit.record(session, actor, "partner.endpoint_enabled", number, {"endpoint": endpoint}, now=now)


def traffic(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return a partner's `endpoints`, the latest messages that were given up (`dead`), and the `latest` of all."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    dead, _ = webhooks.deliveries(session, partner=number, state=DeliveryState.DEAD, limit=SHOWN)
    latest, _ = webhooks.deliveries(session, partner=number, state=None, limit=SHOWN)
    return {"endpoints": webhooks.listing(session, partner=number), "dead": dead, "latest": latest}


def find(session: Session, actor: Actor, *, number: str) -> dict[str, Any]:
    """Return a partner with its keys. Raises `NotPermitted`, `PartnerNotFound`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    return _shown(session, partners.find(session, number=number))


def listing(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Return the latest partners. Raises `NotPermitted`."""
    sight.require_whole(actor, Permission.MANAGE_PARTNERS)
    return [asdict(partner) for partner in partners.listing(session)]


def _shown(session: Session, partner: partners.PartnerView) -> dict[str, Any]:
    keys = partner_keys.listing(session, partner=partner.number)
    return asdict(partner) | {"keys": [asdict(key) for key in keys]}

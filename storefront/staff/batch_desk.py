"""Production batches as those who make, watch and send goods work on them.

Invariant: a batch is seen and changed by whoever's scope covers the product's origin and supplier; what is out of scope
is not found; every act is in the audit trail.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from catalog import batches
from catalog.accreditation_views import Reach
from catalog.batches import Report
from catalog.errors import ProductionBatchUnknown
from config import database, pictures
from storefront import audit, batch_lines, roles, tokens
from storefront.actors import Actor
from storefront.errors import NotPermitted
from storefront.roles import Permission, Scope
from storefront.staff import accounts, sight


def listing(session: Session, actor: Actor, *, offset: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """Return the batches in sight, the latest first."""
    return batches.listing(session, reaches=_reaches(actor, Permission.READ_BATCHES), offset=offset, limit=limit)


def goods(session: Session, actor: Actor) -> list[dict[str, str]]:
    """Return the products that the actor may enter a batch for."""
    return batches.goods(session, reaches=_reaches(actor, Permission.WRITE_BATCHES))


def find(session: Session, actor: Actor, *, code: str) -> dict[str, Any]:
    """Return a batch in sight with the orders that its recall concerns. Raises `ProductionBatchUnknown`."""
    found = _in_sight(session, actor, code, Permission.READ_BATCHES)
    orders = batch_lines.affected(session, batch=code, product=found["product"]) if found["recalled_at"] else []
    return found | {"orders": orders}


def enter(
    session: Session,
    actor: Actor,
    *,
    product: str,
    lot: str,
    made_on: date,
    origin: str,
    report: Report | None,
    now: datetime,
) -> str:
    """Enter a batch of a product in sight; returns its code.

    Raises `NotPermitted` for somebody else's product, and what `batches.enter` does.
    """
    if not sight.of(session, actor, Permission.WRITE_BATCHES).sees(product):
        raise NotPermitted(permission=Permission.WRITE_BATCHES)
    code = tokens.number("B")
    batches.enter(
        session,
        code=code,
        product=product,
        lot=lot,
        made_on=made_on,
        origin=origin,
        report=report,
        by=actor.username or "",
        now=now,
    )
    audit.record(session, actor, "batch.entered", code, {"product": product, "lot": lot}, now=now)
    return code


def add_page(actor: Actor, *, code: str, upload: bytes, now: datetime) -> None:
    """Prove and keep a page of the test report, which anybody may see, and add it to the batch.

    Opens its own transactions. Raises `ProductionBatchUnknown`, `PictureRefused`, `StorageAway`, and what
    `batches.add_page` does.
    """
    with database.transaction() as session:
        _in_sight(session, actor, code, Permission.WRITE_BATCHES)
    picture = pictures.take_in(upload, is_public=False, now=now)
    with database.transaction() as session:
        _in_sight(session, actor, code, Permission.WRITE_BATCHES)
        batches.add_page(session, code=code, picture=picture.number, now=now)
        audit.record(session, actor, "batch.page_added", code, {"picture": picture.number}, now=now)


def recall(session: Session, actor: Actor, *, code: str, reason: str, now: datetime) -> None:
    """Recall a batch in sight. Raises `ProductionBatchUnknown` and what `batches.recall` does."""
    _in_sight(session, actor, code, Permission.RECALL_BATCHES)
    batches.recall(session, code=code, reason=reason, by=actor.username or "", now=now)
    audit.record(session, actor, "batch.recalled", code, {"reason": reason}, now=now)


def may_write(actor: Actor, found: dict[str, Any]) -> bool:
    """Tell whether the actor may add to a batch."""
    return accounts.allowed(actor, Permission.WRITE_BATCHES, _scope_of(found))


def may_recall(actor: Actor, found: dict[str, Any]) -> bool:
    """Tell whether the actor may recall a batch."""
    return accounts.allowed(actor, Permission.RECALL_BATCHES, _scope_of(found))


def _in_sight(session: Session, actor: Actor, code: str, permission: Permission) -> dict[str, Any]:
    found = batches.find(session, code=code)
    if not accounts.allowed(actor, permission, _scope_of(found)):
        raise ProductionBatchUnknown
    return found


def _reaches(actor: Actor, permission: Permission) -> list[Reach]:
    return [Reach(scope.area, scope.supplier) for scope in roles.scopes(actor.grants, permission)]


def _scope_of(found: dict[str, Any]) -> Scope:
    return Scope(area=found["origin_code"], supplier=found["supplier"])

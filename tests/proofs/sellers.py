"""Sellers who bring orders and earn on them, as the proofs need them: what takes weeks in a shop happens at once.

Only time is made up here: claims are noted, orders received and jobs due earlier than they would be; whatever is asked
of WeChat is asked by the shop itself, in its own worker.
"""

import subprocess
import sys
from datetime import UTC, datetime

from catalog import payees, suppliers
from catalog.payees import Account
from catalog.supplier_lifecycle import Kind
from catalog.supplier_models import ReceiverKind
from config import database
from tests.shop import ROOT, Shop

SELLER = "SOAKSELLER"
_BASIS_POINTS = 1_000
_TICKS = ("commissions.ask_due", "sharing.check_due", "share_returns.check_due")


def enter(shop: Shop) -> None:
    """Enter the seller in a running shop, by a process of the shop's own; again, it changes nothing."""
    if not shop.rows("SELECT FROM suppliers WHERE number = %s", SELLER):
        command = [sys.executable, "-m", "tests.proofs.sellers"]
        subprocess.run(command, cwd=ROOT, env=shop.environment, check=True, capture_output=True)


def earns(shop: Shop, order: str) -> None:
    """Note that the seller brought an order that nobody has paid for yet."""
    shop.insist(f"""
        INSERT INTO commission_claims (order_number, seller, basis_points, state, earned_at)
        VALUES ('{order}', '{SELLER}', {_BASIS_POINTS}, 'earned', now()) ON CONFLICT DO NOTHING
    """)


def ripen(shop: Shop, order: str) -> None:
    """Let a paid order have been received two weeks ago, so that nothing of it can be returned any more."""
    shop.insist(f"""
        UPDATE orders SET state = 'received', shipped_at = now() - interval '15 days',
            received_at = now() - interval '14 days'
        WHERE number = '{order}' AND state IN ('paid', 'shipped')
    """)


def hurry(shop: Shop) -> None:
    """Make everything about sharing due now, and have the worker look at it."""
    jobs = ", ".join(f"('wire', '{name}', '{name}', '{{\"timestamp\": 0}}')" for name in _TICKS)
    shop.insist(f"""
        UPDATE payment_shares SET next_check_at = now() WHERE next_check_at > now();
        UPDATE payment_share_returns SET next_check_at = now() WHERE next_check_at > now();
        INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args) VALUES {jobs}
        ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING;
    """)


def has_ended(shop: Shop, order: str) -> bool:
    """Tell whether it is decided what the seller gets of an order."""
    [(state,)] = shop.rows("SELECT state FROM commission_claims WHERE order_number = %s", order)
    return state not in ("earned", "asked")


def has_given_back(shop: Shop, order: str) -> bool:
    """Tell whether the seller has given back its share of what went back of an order."""
    returns = """
        SELECT r.state FROM payment_share_returns r JOIN payment_share_parts p ON p.id = r.part_id
        JOIN payment_shares s ON s.id = p.share_id WHERE s.reference = %s
    """
    return [state for (state,) in shop.rows(returns, order)] == ["succeeded"]


def _enter() -> None:
    import wsgi  # noqa: F401 - configures the process as the shop's

    receiver = payees.Receiver(kind=ReceiverKind.MERCHANT, account="1900000109", name="徽州推广有限公司")
    account = Account(name="徽州推广有限公司", bank="中国工商银行", number="6222021302020500001")
    with database.transaction() as session:
        suppliers.open(session, number=SELLER, name="徽州推广有限公司", kind=Kind.SELLER)
        payees.enter(session, number=SELLER, account=account, receiver=receiver, by="soak", now=datetime.now(UTC))


if __name__ == "__main__":
    _enter()

"""Commission from the claim to WeChat's own books: when it is asked for, when never, and what a refund takes back."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog import payees, suppliers
from catalog.payees import Account
from catalog.supplier_lifecycle import Kind
from catalog.supplier_models import ReceiverKind
from config import database
from payments import share_returns, sharing
from payments.collect import Payer
from payments.lifecycle import Channel
from storefront import (
    aftersales,
    books,
    checkout,
    commissions,
    reactions,  # noqa: F401 - registers every reaction
)
from storefront.commission_lifecycle import Barred, ClaimState
from subway_campaign import signals
from subway_campaign.lifecycle import Resolution
from tests.payments.conftest import Wechat, emulator, inbox, rows, wechat
from tests.storefront.conftest import Buyer
from tests.storefront.settling import accounts

__all__ = ["emulator", "inbox", "wechat"]

SELLER = "SEL1"


@pytest.fixture
def quick(wechat: Wechat) -> Iterator[Wechat]:
    """A WeChat whose waits are over at once."""
    wechat.order("/clock", speed=1e9)
    yield wechat
    wechat.order("/clock", speed=1)


@pytest.fixture
def seller(quick: Wechat) -> str:
    """A third-party seller whom WeChat knows as a merchant."""
    receiver = payees.Receiver(kind=ReceiverKind.MERCHANT, account="1900000109", name="徽州推广有限公司")
    account = Account(name="徽州推广有限公司", bank="中国工商银行", number="6222021302020500001")
    with database.transaction() as session:
        suppliers.open(session, number=SELLER, name="徽州推广有限公司", kind=Kind.SELLER)
        payees.enter(session, number=SELLER, account=account, receiver=receiver, by="wang", now=now())
    return SELLER


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def sold(quick: Wechat, buyer: Buyer, skus: list[str], drain: Callable[[], int]) -> Callable[..., str]:
    """Sell to the buyer, with a claim before the payment is opened, and let the order be received two weeks ago."""

    def sell(*, claims: bool = True, is_own: bool = False, key: str = "key-00000001") -> str:
        number = buyer.place({skus[0]: 2}, key=key, now=now())
        if claims:
            earn(number, is_own=is_own)
        payer = Payer(channel=Channel.NATIVE)
        payment = checkout.pay(shopper_id=buyer.shopper_id, number=number, payer=payer, now=now()).number
        quick.pay(payment)
        drain()
        received(number, days=14)
        return number

    return sell


def earn(number: str, *, is_own: bool = False, basis_points: int = 1_000) -> bool:
    with database.transaction() as session:
        return commissions.earn(
            session, order=number, seller=SELLER, basis_points=basis_points, now=now(), is_own=is_own
        )


def received(number: str, *, days: int) -> None:
    database.statement(
        "UPDATE orders SET state = 'received', shipped_at = %s, received_at = %s WHERE number = %s RETURNING 1",
        (now(), now() - timedelta(days=days), number),
    )


def claim() -> tuple[str, str | None, int | None]:
    [row] = rows("SELECT state, barred_for, amount_fen FROM commission_claims")
    return row["state"], row["barred_for"], row["amount_fen"]


def goods_of(number: str) -> int:
    [row] = rows("SELECT goods_fen FROM orders WHERE number = :n", n=number)
    return int(row["goods_fen"])


def round_of(drain: Callable[[], int]) -> int:
    """Ask for what is due, follow it to its end, and let the shop hear of it."""
    asked = commissions.ask_due(now=now())
    sharing.check_due(now=now() + timedelta(minutes=1))
    drain()
    return asked


def theirs(wechat: Wechat, number: str) -> list[dict[str, Any]]:
    [payment] = rows("SELECT transaction_id FROM payments WHERE reference = :n", n=number)
    divided = wechat.order("/books", "GET")["sharing"]["orders"]
    return [each for each in divided if each["transaction_id"] == payment["transaction_id"]]


def test_a_seller_is_paid_once_and_gives_back_what_is_refunded(
    sold: Callable[..., str], seller: str, quick: Wechat, drain: Callable[[], int]
) -> None:
    number = sold()
    fen = goods_of(number) // 10
    assert not earn(number)
    assert round_of(drain) == 1
    assert claim() == (ClaimState.PAID, None, fen)
    [divided] = theirs(quick, number)
    assert ([each["amount"] for each in divided["receivers"]], divided["unfreezes"]) == ([fen], True)
    assert accounts()["margin"] == fen
    assert "commission" not in accounts()
    assert round_of(drain) == 0
    assert books.check(now=now()) == []
    with database.transaction() as session:
        asked = aftersales.request(
            session, number=number, lines={1: 1_000}, reason="坏果", key="k-1", asked_by="li", now=now()
        )
        commissions.take_back(session, order=number, refund=asked.number, now=now())
        commissions.take_back(session, order=number, refund=asked.number, now=now())
    assert books.check(now=now()) == []
    share_returns.check_due(now=now() + timedelta(minutes=1))
    share_returns.check_due(now=now() + timedelta(minutes=9))
    [back] = rows("SELECT state, amount_fen FROM payment_share_returns")
    assert (back["state"], back["amount_fen"]) == ("succeeded", fen - (goods_of(number) - 1_000) // 10)
    assert accounts()["margin"] == fen - back["amount_fen"]
    assert "commission" not in accounts()
    assert books.check(now=now()) == []


def test_nothing_before_the_time_to_return_is_over(
    sold: Callable[..., str], seller: str, quick: Wechat, drain: Callable[[], int]
) -> None:
    number = sold()
    received(number, days=6)
    assert round_of(drain) == 0
    assert theirs(quick, number) == []
    received(number, days=9)
    assert round_of(drain) == 1


def test_an_order_that_nobody_earns_on_is_not_frozen(
    sold: Callable[..., str], seller: str, drain: Callable[[], int]
) -> None:
    number = sold(claims=False)
    [payment] = rows("SELECT request FROM payments")
    assert "settle_info" not in payment["request"]
    # A claim that comes after the payment was opened cannot be paid by dividing it.
    earn(number)
    assert round_of(drain) == 0
    assert claim() == (ClaimState.BARRED, Barred.NOT_SHAREABLE, None)


def test_own_purchases_earn_nothing_and_are_released(
    sold: Callable[..., str], seller: str, quick: Wechat, buyer: Buyer, drain: Callable[[], int]
) -> None:
    number = sold(is_own=True)
    assert claim() == (ClaimState.BARRED, Barred.OWN_PURCHASE, None)
    other = sold(key="key-00000002")
    database.statement("DELETE FROM commission_claims WHERE order_number = %s RETURNING 1", (number,))
    database.statement(
        "UPDATE shoppers SET appid = 'wx1', openid = '1900000109' WHERE id = %s RETURNING 1", (buyer.shopper_id,)
    )
    assert round_of(drain) == 1
    assert claim() == (ClaimState.BARRED, Barred.OWN_PURCHASE, None)
    [released] = theirs(quick, other)
    assert (released["receivers"], released["unfreezes"]) == ([], True)
    assert books.check(now=now()) == []


def test_a_suspicion_waits_and_fraud_earns_nothing(
    sold: Callable[..., str], seller: str, quick: Wechat, buyer: Buyer, drain: Callable[[], int]
) -> None:
    number = sold()
    with database.transaction() as session:
        signal = signals.suspect(session, kind="sweep", now=now(), evidence={}, visitor=buyer.visitor)
    assert round_of(drain) == 0
    with database.transaction() as session:
        signals.close(session, number=signal, resolution=Resolution.CONFIRMED, by="li", now=now())
    assert round_of(drain) == 1
    assert claim() == (ClaimState.BARRED, Barred.SUSPICION, None)
    assert theirs(quick, number)[0]["receivers"] == []


def test_a_refund_before_the_share_earns_nothing_on_what_went_back(
    sold: Callable[..., str], seller: str, quick: Wechat, drain: Callable[[], int]
) -> None:
    number = sold()
    with database.transaction() as session:
        aftersales.request(session, number=number, lines={1: 1_000}, reason="坏果", key="k-1", asked_by="li", now=now())
    assert round_of(drain) == 1
    assert claim() == (ClaimState.PAID, None, (goods_of(number) - 1_000) // 10)


def test_a_refund_while_wechat_divides_is_taken_back_at_once(
    sold: Callable[..., str], seller: str, quick: Wechat, drain: Callable[[], int]
) -> None:
    number = sold()
    assert commissions.ask_due(now=now()) == 1
    with database.transaction() as session:
        aftersales.request(session, number=number, lines={1: 1_000}, reason="坏果", key="k-1", asked_by="li", now=now())
        # Nothing can be taken back yet: nobody has got anything.
        commissions.take_back(session, order=number, refund="R1", now=now())
    assert rows("SELECT * FROM payment_share_returns") == []
    sharing.check_due(now=now() + timedelta(minutes=1))
    drain()
    [back] = rows("SELECT amount_fen FROM payment_share_returns")
    assert back["amount_fen"] == goods_of(number) // 10 - (goods_of(number) - 1_000) // 10
    assert books.check(now=now()) == []


def test_what_wechat_closes_is_not_owed(
    sold: Callable[..., str], seller: str, quick: Wechat, drain: Callable[[], int]
) -> None:
    number = sold()
    quick.fault("sharing_closed", on="sharing")
    assert round_of(drain) == 1
    assert claim() == (ClaimState.CLOSED, None, goods_of(number) // 10)
    assert "commission" not in accounts()
    assert "margin" not in accounts()
    assert books.check(now=now()) == []


def made_of(number: str) -> share_returns.Outcome:
    with database.transaction() as session:
        return share_returns.outcomes(session, references=[number])[number, SELLER]


def test_what_wechat_made_of_a_commission_is_told(
    sold: Callable[..., str], seller: str, quick: Wechat, drain: Callable[[], int]
) -> None:
    number = sold()
    quick.fault("sharing_closed", on="sharing")
    round_of(drain)
    assert made_of(number).closed_for == "ACCOUNT_ABNORMAL"
    other = sold(key="key-00000002")
    round_of(drain)
    with database.transaction() as session:
        aftersales.request(session, number=other, lines={1: 1_000}, reason="坏果", key="k-1", asked_by="li", now=now())
        commissions.take_back(session, order=other, refund="R1", now=now())
    back = goods_of(other) // 10 - (goods_of(other) - 1_000) // 10
    assert (made_of(other).returning_fen, made_of(other).returned_fen) == (back, 0)
    quick.fault("sharing_return_failed", on="sharing_return")
    for later in (1, 2):
        share_returns.check_due(now=now() + timedelta(hours=later))
    found = made_of(other)
    assert (found.returning_fen, found.unreturned_fen, found.unreturned_for) == (0, back, "BALANCE_NOT_ENOUGH")

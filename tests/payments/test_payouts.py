"""Payouts: one for a thing, never twice, by two persons, and posted when the bank moved."""

import threading
from datetime import UTC, datetime

import pytest

from config import database
from payments import errors, ledger, payouts
from payments.lifecycle import PAYOUT_MOVES, PAYOUT_STANDS, PayoutState

NOW = datetime(2026, 12, 2, 2, tzinfo=UTC)


def ask(fen: int = 9_000, *, payee: str = "S1", reference: str = "ST1") -> str:
    with database.transaction() as session:
        return payouts.request(
            session, payee=payee, amount_fen=fen, reference=reference, account="owed", by="wang", now=NOW
        )


def release(number: str, by: str = "li") -> None:
    with database.transaction() as session:
        payouts.release(session, number=number, by=by, now=NOW)


def send(number: str, fen: int = 9_000, bank_reference: str = "B1") -> None:
    with database.transaction() as session:
        payouts.mark_sent(session, number=number, amount_fen=fen, bank_reference=bank_reference, by="li", now=NOW)


def balances() -> dict[str, int]:
    with database.transaction() as session:
        return {each.account: each.balance_fen for each in ledger.trial_balance(session)}


def test_a_thing_is_paid_out_once(db: None) -> None:
    number = ask()
    assert ask() == number
    for other in ({"fen": 1}, {"payee": "S2"}):
        with pytest.raises(errors.PayoutStands):
            ask(**other)  # type: ignore[arg-type]
    with pytest.raises(errors.PayoutMoved):
        send(number)
    with pytest.raises(errors.PayoutNeedsAnother):
        release(number, by="wang")
    release(number)
    with pytest.raises(errors.PayoutAmountDiffers):
        send(number, 9_001)
    send(number)
    assert balances() == {"bank": -9_000, "owed": 9_000}
    for act in (release, send):
        with pytest.raises(errors.PayoutMoved):
            act(number)
    with pytest.raises(errors.PayoutNotFound):
        send("TNONE")
    with pytest.raises(ValueError, match="positive"):
        ask(0, reference="ST2")


def test_a_reference_of_the_bank_is_that_of_one_transfer(db: None) -> None:
    first, second = ask(), ask(reference="ST2")
    for number in (first, second):
        release(number)
    send(first)
    with pytest.raises(errors.BankReferenceTaken):
        send(second)
    send(second, bank_reference="B2")
    assert balances() == {"bank": -18_000, "owed": 18_000}


def test_what_bounced_is_owed_again(db: None) -> None:
    number = ask()
    release(number)
    send(number)
    with database.transaction() as session:
        payouts.mark_bounced(session, number=number, reason="户名不符", by="wang", now=NOW)
        assert payouts.paid_fen(session, account="owed") == 0
    assert balances() == {"bank": 0, "owed": 0}
    again = ask()
    assert again != number
    with database.transaction() as session:
        payouts.withdraw(session, number=again, by="wang", reason="等新账号", now=NOW)
        assert [each.state for each in payouts.of_reference(session, reference="ST1")] == ["bounced", "withdrawn"]
        assert payouts.listing(session, state=PayoutState.REQUESTED) == []
        assert len(payouts.listing(session)) == 2


def test_two_clicks_send_once(db: None) -> None:
    number = ask()
    release(number)
    raised: list[Exception] = []

    def click(reference: str) -> None:
        try:
            send(number, bank_reference=reference)
        except errors.PayoutMoved as error:
            raised.append(error)

    threads = [threading.Thread(target=click, args=(f"B{each}",)) for each in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(raised) == 2
    assert balances() == {"bank": -9_000, "owed": 9_000}


def test_the_table_of_moves_is_whole() -> None:
    assert set(PAYOUT_MOVES) == set(PayoutState)
    assert set(PayoutState) - PAYOUT_STANDS == {PayoutState.BOUNCED, PayoutState.WITHDRAWN}

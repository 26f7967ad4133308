"""Statements: each thing sold once, refunds carried on, two persons, and a ledger that says the same."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from config import database
from payments import errors as payment_errors
from payments import payouts
from payments.lifecycle import PayoutState
from storefront import aftersales, books, purchase_terms, settlement, settlement_errors, settlement_lines
from storefront.settlement_lifecycle import Period, StatementState, Terms
from tests.payments.test_books import report
from tests.storefront.conftest import NOW, Buyer
from tests.storefront.settling import AFTER, NOVEMBER, SHARE, accounts, agree, approve, ask_back, draft, received

DECEMBER = Period("2026-12")


def lines(number: str) -> list[tuple[str, int, int, int]]:
    """Kind, gross, owed and fee of each line of a statement."""
    with database.transaction() as session:
        found = settlement.find(session, number=number)
    return [(each["kind"], each["gross_fen"], each["owed_fen"], each["fee_fen"]) for each in found["lines"]]


def fail(refund: str, number: str) -> None:
    """Let WeChat close a refund, and the order hear of it."""
    report(refund, "CLOSED")
    with database.transaction() as session:
        aftersales.record_failed(session, refund=refund, number=number, now=NOW)


def told(session: Session, number: str) -> None:
    """What a run says of a new statement interests nobody here."""


def amount_of(number: str) -> int:
    [(fen,)] = database.statement(
        "SELECT amount_fen FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.number = %s", (number,)
    )
    return int(fen)


def test_a_line_is_settled_once_its_time_to_be_returned_is_over(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    number = received(buyer, {skus[0]: 2})
    fen = amount_of(number)
    # Received on the 24th it can be returned until the 1st of December is over.
    late = received(buyer, {skus[0]: 1}, key="key-00000002", received_at=NOVEMBER.ends_at - timedelta(days=7))
    statement = draft(supplier)
    assert statement is not None
    assert lines(statement)[0] == ("goods", fen, fen * 8 // 10, fen * 60 // 10_000)
    assert draft(supplier) == statement
    following = draft(supplier, DECEMBER)
    assert following is not None
    with database.transaction() as session:
        assert {each["order"] for each in settlement.find(session, number=statement)["lines"]} == {number}
        assert {each["order"] for each in settlement.find(session, number=following)["lines"]} == {late}
    assert draft(supplier, Period("2027-01")) is None


def test_a_month_is_settled_when_it_is_over(buyer: Buyer, skus: list[str]) -> None:
    agree(skus[0])
    with pytest.raises(settlement_errors.PeriodNotOver):
        settlement.draft_all(period=NOVEMBER, by="wang", note=told, now=NOVEMBER.ends_at - timedelta(seconds=1))
    assert [each.number for each in settlement.draft_all(period=NOVEMBER, by="wang", note=told, now=AFTER)] == [None]


def test_a_claim_that_is_open_keeps_its_order_waiting(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    number = received(buyer, {skus[0]: 1})
    database.statement(
        """
        INSERT INTO claims (number, order_id, kind, cause, note, is_sealed, state, idempotency_key, fingerprint,
                            freight_fen, filed_at)
        SELECT 'C1', id, 'refund', 'damaged', '', false, 'filed', 'k', '', 0, now() FROM orders WHERE number = %s
        RETURNING 1
        """,
        (number,),
    )
    assert draft(supplier) is None
    database.statement("UPDATE claims SET state = 'refused' RETURNING 1")
    statement = draft(supplier)
    assert statement is not None
    database.statement("UPDATE claims SET state = 'filed' RETURNING 1")
    with pytest.raises(settlement_errors.StatementOutdated):
        approve(statement)


def test_what_has_no_terms_waits_and_is_named(buyer: Buyer, skus: list[str]) -> None:
    received(buyer, {skus[0]: 1})
    with database.transaction() as session:
        assert settlement_lines.without_terms(session, period=NOVEMBER) == [skus[0]]
    supplier = agree(skus[0], Terms(price_fen=100), own=True)
    with database.transaction() as session:
        assert settlement_lines.without_terms(session, period=NOVEMBER) == []
    statement = draft(supplier)
    assert statement is not None
    assert lines(statement)[0][2] == 100


def test_terms_of_the_day_of_payment_hold_and_are_never_changed(db: None) -> None:
    with database.transaction() as session:
        for terms, days in ((SHARE, 30), (Terms(share_bp=5_000), 10)):
            at = NOW - timedelta(days=days)
            assert purchase_terms.agree(session, supplier="S1", terms=terms, effective_at=at, by="wang", now=NOW)
            assert not purchase_terms.agree(session, supplier="S1", terms=terms, effective_at=at, by="wang", now=NOW)
            with pytest.raises(settlement_errors.TermsTaken):
                purchase_terms.agree(
                    session, supplier="S1", terms=Terms(price_fen=1), effective_at=at, by="li", now=NOW
                )
        own = Terms(price_fen=9)
        purchase_terms.agree(
            session, supplier="S1", sku="A", terms=own, effective_at=NOW - timedelta(20), by="wang", now=NOW
        )
        book = purchase_terms.book(session, supplier="S1")
    assert purchase_terms.in_force(book, sku="A", at=NOW - timedelta(31)) is None
    assert purchase_terms.in_force(book, sku="A", at=NOW - timedelta(25)) == SHARE
    assert purchase_terms.in_force(book, sku="A", at=NOW) == own
    assert purchase_terms.in_force(book, sku="B", at=NOW) == Terms(share_bp=5_000)
    with pytest.raises(DBAPIError), database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE purchase_terms SET fee_bp = 1")


def test_freight_goes_with_its_first_line(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0], Terms(share_bp=8_000, freight_is_theirs=True))
    number = received(buyer, {skus[0]: 1})
    [(freight_fen,)] = database.statement("SELECT freight_fen FROM orders WHERE number = %s", (number,))
    assert freight_fen > 0
    refund = ask_back(number, {1: 100}, freight_fen=freight_fen)
    statement = draft(supplier)
    assert statement is not None
    said = lines(statement)
    assert said[1] == ("freight", freight_fen, freight_fen, 0)
    assert said[2:] == [("goods_back", -100, -80, 0), ("freight_back", -freight_fen, -freight_fen, 0)]
    approve(statement)
    fail(refund, number)
    following = draft(supplier, DECEMBER)
    assert following is not None
    assert lines(following) == [("goods_again", 100, 80, 0), ("freight_again", freight_fen, freight_fen, 0)]
    approve(following)
    assert "payables" not in accounts()
    assert books.check(now=AFTER) == []


def test_a_refund_between_draft_and_approval_sends_the_draft_back(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    number = received(buyer, {skus[0]: 1})
    statement = draft(supplier)
    assert statement is not None
    ask_back(number, {1: 100})
    with pytest.raises(settlement_errors.StatementOutdated):
        approve(statement)
    with database.transaction() as session:
        settlement.redraft(session, number=statement, by="li", now=AFTER)
    assert lines(statement)[-1] == ("goods_back", -100, -80, 0)
    with pytest.raises(settlement_errors.OtherPersonRequired):
        approve(statement, by="li")
    with pytest.raises(settlement_errors.StatementOutdated):
        approve(statement, by="wang", net_fen=1)
    assert approve(statement, by="wang") is StatementState.APPROVED
    assert books.check(now=AFTER) == []
    with pytest.raises(settlement_errors.StatementMoved), database.transaction() as session:
        settlement.redraft(session, number=statement, by="li", now=AFTER)


def test_a_refund_after_the_approval_is_on_the_next_statement(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    number = received(buyer, {skus[0]: 1})
    fen = amount_of(number)
    statement = draft(supplier)
    assert statement is not None
    approve(statement)
    ask_back(number, {1: fen})
    following = draft(supplier, DECEMBER)
    assert following is not None
    owed, fee = fen * 8 // 10, fen * 60 // 10_000
    assert lines(following) == [("goods_back", -fen, -owed, -fee)]
    # Nothing is to be paid: it is carried over, and taken from what is sold next.
    assert approve(following) is StatementState.CARRIED
    more = received(buyer, {skus[0]: 2}, key="key-00000002")
    last = draft(supplier, Period("2027-01"))
    assert last is not None
    assert ("carried", 0, fee - owed, 0) in lines(last)
    approve(last)
    with database.transaction() as session:
        net_fen = settlement.find(session, number=last)["net_fen"]
    assert net_fen == (2 * owed - amount_of(more) * 60 // 10_000) + (fee - owed)
    assert accounts()["supplier_payables"] == -(owed - fee) - net_fen
    assert books.check(now=AFTER) == []


def test_approved_lines_stand(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    received(buyer, {skus[0]: 1})
    statement = draft(supplier)
    assert statement is not None
    approve(statement)
    for change in ("UPDATE supplier_statement_lines SET owed_fen = 1", "DELETE FROM supplier_statement_lines"):
        with pytest.raises(DBAPIError), database.transaction() as session:
            session.connection().exec_driver_sql(change)


def pay(payout: str, fen: int, reference: str = "BANK-1") -> None:
    with database.transaction() as session:
        payouts.release(session, number=payout, by="li", now=AFTER)
    with database.transaction() as session:
        settlement.paid_out(session, payout=payout, amount_fen=fen, bank_reference=reference, by="li", now=AFTER)


def test_a_statement_is_paid_against_its_invoice_and_again_when_the_bank_sends_it_back(
    buyer: Buyer, skus: list[str]
) -> None:
    supplier = agree(skus[0])
    received(buyer, {skus[0]: 1})
    number = draft(supplier)
    assert number is not None
    approve(number)
    with database.transaction() as session:
        net_fen = settlement.find(session, number=number)["net_fen"]

    def invoice(fen: int) -> str:
        with database.transaction() as session:
            return settlement.invoice(
                session, number=number, invoice_number="26342000000012345678", amount_fen=fen, by="wang", now=AFTER
            )

    with pytest.raises(settlement_errors.InvoiceAmountDiffers):
        invoice(net_fen - 1)
    first = invoice(net_fen)
    with database.transaction() as session:
        settlement.call_back(session, payout=first, reason="发票号抄错", by="wang", now=AFTER)
        assert settlement.find(session, number=number)["state"] == "approved"
    payout = invoice(net_fen)
    assert payout != first
    with pytest.raises(settlement_errors.StatementMoved):
        invoice(net_fen)
    pay(payout, net_fen)
    assert accounts()["bank"] == -net_fen
    assert "supplier_payables" not in accounts()
    with database.transaction() as session:
        assert settlement.find(session, number=number)["state"] == "paid_out"
        settlement.bounced(session, payout=payout, reason="账号不存在", by="wang", now=AFTER)
        again = settlement.pay_again(session, number=number, by="wang", now=AFTER)
        assert settlement.pay_again(session, number=number, by="wang", now=AFTER) == again
    assert accounts()["supplier_payables"] == -net_fen
    with pytest.raises(payment_errors.BankReferenceTaken):
        pay(again, net_fen)
    with database.transaction() as session:
        settlement.paid_out(session, payout=again, amount_fen=net_fen, bank_reference="BANK-2", by="li", now=AFTER)
        states = [each.state for each in settlement.find(session, number=number)["payouts"]]
    assert states == [PayoutState.WITHDRAWN, PayoutState.BOUNCED, PayoutState.SENT]
    assert books.check(now=AFTER) == []


def together(*acts: Callable[[], object]) -> list[Exception]:
    """Run acts at once and return what they raised."""
    raised: list[Exception] = []

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_two_months_drafted_at_once_settle_each_line_once(
    buyer: Buyer, skus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    supplier = agree(skus[0])
    received(buyer, {skus[0]: 1})
    gate = threading.Barrier(2)
    gather = settlement_lines.sold

    def gated(*given: object, **named: object) -> list[settlement_lines.Line]:
        found = gather(*given, **named)  # type: ignore[arg-type]
        gate.wait(10)
        return found

    with monkeypatch.context() as off:
        off.setattr(settlement, "_take_turn", lambda session, supplier: None)
        off.setattr(settlement_lines, "sold", gated)
        [error] = together(lambda: draft(supplier), lambda: draft(supplier, DECEMBER))
        # Without the turn both read the line as free: only the unique key stands between them.
        assert isinstance(error, IntegrityError)
    assert together(lambda: draft(supplier), lambda: draft(supplier, DECEMBER), lambda: draft(supplier)) == []
    [(count,)] = database.statement("SELECT count(*) FROM supplier_statement_lines WHERE kind = 'goods'")
    assert count == 1


def test_two_approvals_at_once_post_once(buyer: Buyer, skus: list[str]) -> None:
    supplier = agree(skus[0])
    received(buyer, {skus[0]: 1})
    number = draft(supplier)
    assert number is not None
    [error] = together(lambda: approve(number, by="li"), lambda: approve(number, by="zhao"))
    assert isinstance(error, settlement_errors.StatementMoved)
    assert books.check(now=AFTER) == []


def test_a_run_that_dies_half_way_is_finished_by_the_next(
    buyer: Buyer, skus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database.statement(
        """
        WITH other AS (INSERT INTO suppliers (number, name, is_illustrative) VALUES ('S9', '另一家', true) RETURNING id)
        UPDATE products SET supplier_id = (SELECT id FROM other)
        WHERE id = (SELECT product_id FROM skus WHERE number = %s) RETURNING 1
        """,
        (skus[1],),
    )
    for turn, sku in enumerate(skus[:2]):
        agree(sku)
        received(buyer, {sku: 1}, key=f"key-0000000{turn}")
    add_up, calls = settlement._fill, []

    def dies(*given: object) -> bool:
        done = add_up(*given)  # type: ignore[arg-type]
        calls.append(given)
        if len(calls) == 2:
            raise OSError("the machine lost power")
        return done

    with monkeypatch.context() as off:
        off.setattr(settlement, "_fill", dies)
        with pytest.raises(OSError, match="power"):
            settlement.draft_all(period=NOVEMBER, by="wang", note=told, now=AFTER)
    made = settlement.draft_all(period=NOVEMBER, by="wang", note=told, now=AFTER)
    assert sum(each.number is not None for each in made) == 2
    [(count,)] = database.statement("SELECT count(*) FROM supplier_statement_lines WHERE kind = 'goods'")
    assert count == 2


class Trade:
    """A supplier's goods that are sold, given back and settled in any order."""

    def __init__(self, buyer: Buyer, sku: str) -> None:
        self.buyer, self.sku = buyer, sku
        self.supplier = agree(sku, Terms(share_bp=7_777, fee_bp=61, freight_is_theirs=True))
        self.month = _last_month(self.supplier)
        self.sold: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.sell(0, 0)

    def sell(self, which: int, fen: int) -> None:
        lines, key = {self.sku: 1 + which % 2}, f"key-{_count('orders'):08d}"
        self.sold.append(received(self.buyer, lines, key=key))

    def back(self, which: int, fen: int) -> None:
        number = self.sold[which % len(self.sold)]
        [(order_id,)] = database.statement("SELECT id FROM orders WHERE number = %s", (number,))
        with database.transaction() as session:
            left, freight = aftersales.remaining(session, order_id)
        if left[1] or freight:
            back = {1: min(fen * 10, left[1])} if left[1] else {}
            refund = ask_back(number, back, key=f"k-{_count('order_refunds')}", freight_fen=min(fen, freight))
            self.asked.append((refund, number))

    def fail(self, which: int, fen: int) -> None:
        if self.asked:
            fail(*self.asked.pop(which % len(self.asked)))

    def draft(self, which: int, fen: int) -> str | None:
        self.month = Period.of(self.month.ends_at)
        return draft(self.supplier, self.month)

    def approve(self, which: int, fen: int) -> None:
        _move("approve")

    def redraft(self, which: int, fen: int) -> None:
        _move("redraft")


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["sell", "back", "fail", "draft", "approve", "redraft"]),
        st.integers(0, 99),
        st.integers(1, 400),
    ),
    min_size=6,
    max_size=18,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_statements_and_ledger_agree_whatever_happens(
    buyer: Buyer, skus: list[str], acts: list[tuple[str, int, int]]
) -> None:
    trade = Trade(buyer, skus[0])
    for act, which, fen in acts:
        getattr(trade, act)(which, fen)
        assert books.check(now=AFTER) == []
    # Nothing is left behind: after one more month everything sold and everything taken back has been said once.
    while _move("redraft") and _move("approve"):
        pass
    last = trade.draft(0, 0)
    if last is not None:
        approve(last)
    assert "payables" not in accounts()
    assert books.check(now=AFTER) == []


def _move(act: str) -> bool:
    found = database.statement("SELECT number FROM supplier_statements WHERE state = 'drafted' ORDER BY id LIMIT 1")
    if not found:
        return False
    [(number,)] = found
    if act == "redraft":
        with database.transaction() as session:
            settlement.redraft(session, number=number, by="wang", now=AFTER)
        return True
    try:
        approve(number)
    except settlement_errors.StatementOutdated:
        return False
    return True


def _count(table: str) -> int:
    return int(database.statement(f"SELECT count(*) FROM {table}")[0][0])


def _last_month(supplier: str) -> Period:
    [(last,)] = database.statement("SELECT max(period) FROM supplier_statements WHERE supplier = %s", (supplier,))
    return Period(last) if last else NOVEMBER

"""A case is opened once, with its evidence, and moves nothing."""

from datetime import datetime, timedelta

import pytest

from config import database, logs
from payments import cases, collect
from payments.lifecycle import Channel
from payments.models import CaseKind
from tests.payments.conftest import rows


def test_one_case_of_a_kind_for_each_number(db: None, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: list[str] = []
    monkeypatch.setattr(logs, "alarm", lambda kind, **told: alarms.append(f"{kind} {told['case']}"))
    payer = collect.Payer(channel=Channel.NATIVE)
    payment = collect._take_number("O1", 5990, payer, "梨", now + timedelta(minutes=30), now)
    for kind in (CaseKind.MISMATCH, CaseKind.MISMATCH, CaseKind.REFUND_ABNORMAL):
        with database.transaction() as session:
            cases.open(
                session, kind=kind, payment_id=payment.id, number=payment.number, evidence={"seen": "梨"}, now=now
            )
    found = rows("SELECT kind, number, evidence, opened_at FROM payment_cases ORDER BY id")
    assert [case["kind"] for case in found] == ["mismatch", "refund_abnormal"]
    assert found[0] | {"kind": ""} == {
        "kind": "",
        "number": payment.number,
        "evidence": {"seen": "梨"},
        "opened_at": now,
    }
    assert alarms == ["payments.case mismatch", "payments.case refund_abnormal"]
    assert rows("SELECT state FROM payments") == [{"state": "open"}]

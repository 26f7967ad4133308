"""Batches: entered whole, traced by their code, and never sent again once recalled."""

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from catalog import batches, errors
from catalog.accreditation_lifecycle import State
from catalog.accreditation_views import Reach
from catalog.batch_models import Verdict
from catalog.batches import Report
from config import database
from tests.catalog.accrediting import NOW, PEARS, brought

pytestmark = pytest.mark.usefixtures("seeded")
MADE_ON = date(2026, 11, 20)
GOOD = Report("宿州市产品质量监督检验所", "SZ-2026-1101", date(2026, 11, 21), Verdict.PASSED)
ALL = [Reach(None, None)]


def enter(code: str = "B1", **changes: Any) -> str:
    values = {"product": PEARS, "lot": code, "made_on": MADE_ON, "origin": "砀山县良梨镇", "report": GOOD} | changes
    with database.transaction() as session:
        batches.enter(session, code=code, by="pear-coop", now=NOW, **values)
    return code


def find(code: str) -> dict[str, Any]:
    with database.transaction() as session:
        return batches.find(session, code=code)


def recall(code: str, reason: str = "检出农残超标") -> None:
    with database.transaction() as session:
        batches.recall(session, code=code, reason=reason, by="dangshan", now=NOW)


def send(*named: tuple[str, str]) -> None:
    with database.transaction() as session:
        batches.require_sendable(session, batches=named)


def test_a_batch_keeps_the_certificate_of_its_day() -> None:
    enter("B0")
    assert find("B0")["certificate"] is None
    brought(State.PUBLISHED)
    enter("B1")
    database.statement("DELETE FROM certificates")
    found = find("B1")
    assert found["certificate"]["number"].startswith("341321-")
    assert (found["product_name"], found["origin"], found["verdict"]) == ("砀山酥梨", "砀山县良梨镇", "passed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"lot": "  "},
        {"lot": "x" * 41},
        {"origin": "梨"},
        {"made_on": NOW.date() + timedelta(days=1)},
        {"report": Report("", "SZ-1", MADE_ON, Verdict.PASSED)},
        {"report": Report("检验所", "SZ-1", NOW.date() + timedelta(days=1), Verdict.PASSED)},
    ],
)
def test_what_is_not_whole_or_lies_ahead_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BatchIncomplete):
        enter(**wrong)


def test_a_lot_is_entered_once_for_a_product() -> None:
    enter("B1", lot="20261120")
    with pytest.raises(errors.LotTaken) as taken:
        enter("B2", lot="20261120")
    assert taken.value.details == {"code": "B1"}
    enter("B3", lot="20261120", product="luanguapian")
    with pytest.raises(errors.ProductUnknown):
        enter("B4", product="nowhere")


def test_a_recalled_or_failed_batch_may_not_leave_and_another_products_is_unknown() -> None:
    for code, report in (("B1", GOOD), ("B2", None), ("B3", Report("检验所", "SZ-2", MADE_ON, Verdict.FAILED))):
        enter(code, report=report)
    send(("B1", PEARS), ("B2", PEARS))
    with pytest.raises(errors.BatchBarred):
        send(("B3", PEARS))
    for named in (("B1", "luanguapian"), ("B9", PEARS)):
        with pytest.raises(errors.ProductionBatchUnknown):
            send(named)
    recall("B1")
    with pytest.raises(errors.BatchBarred) as barred:
        send(("B1", PEARS), ("B2", PEARS))
    assert barred.value.details == {"codes": ["B1"]}
    with database.transaction() as session:
        assert [batch["code"] for batch in batches.sendable(session, products=[PEARS])] == ["B2"]


def test_a_recall_is_once_with_a_reason_and_is_told() -> None:
    enter()
    with pytest.raises(errors.RecallReasonMissing):
        recall("B1", reason=" ")
    recall("B1")
    with pytest.raises(errors.BatchRecalled):
        recall("B1")
    with pytest.raises(errors.ProductionBatchUnknown):
        recall("B9")
    assert database.statement("SELECT key, values->>'product' FROM facts WHERE name = 'batch.recalled'") == [
        ("B1", PEARS)
    ]


def test_a_scope_shows_its_own_batches_only() -> None:
    enter("B1")
    enter("B2", product="luanguapian")
    with database.transaction() as session:
        for reaches, seen in (
            (ALL, ["B2", "B1"]),
            ([Reach("341321", None)], ["B1"]),
            ([Reach(None, "SUP0002")], []),
            ([], []),
        ):
            assert [batch["code"] for batch in batches.listing(session, reaches=reaches)] == seen
        assert {each["slug"] for each in batches.goods(session, reaches=[Reach("341321", None)])} >= {PEARS}


def recalled_while_a_parcel_leaves() -> bool:
    """Whether a recall goes through while a parcel that names the batch has not committed yet."""
    went_through = threading.Event()

    def rival() -> None:
        try:
            with database.transaction() as session:
                session.execute(text("SET LOCAL lock_timeout = '200ms'"))
                batches.recall(session, code="B1", reason="检出农残超标", by="dangshan", now=NOW)
            went_through.set()
        except OperationalError:
            pass

    with database.transaction() as session:
        batches.require_sendable(session, batches=[("B1", PEARS)])
        thread = threading.Thread(target=rival)
        thread.start()
        thread.join()
    return went_through.is_set()


def test_a_recall_waits_for_parcels_that_name_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    enter()
    with monkeypatch.context() as without_lock:
        unlocked = str(batches._NAMED.text).replace("FOR SHARE OF b", "")
        without_lock.setattr(batches, "_NAMED", text(unlocked))
        assert recalled_while_a_parcel_leaves()
    database.statement("UPDATE production_batches SET recalled_at = NULL, recall_reason = NULL, recalled_by = NULL")
    assert not recalled_while_a_parcel_leaves()

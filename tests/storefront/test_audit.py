"""The audit trail shares the fate of the act, and shows when its past was changed."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from structlog.testing import capture_logs

from config import database
from storefront import audit
from storefront.actors import Actor, ActorKind
from storefront.roles import Grant, Role
from storefront.staff import accounts
from storefront.staff_models import AuditEntry
from tests.storefront.conftest import NOW


def entries() -> list[tuple[object, ...]]:
    with database.transaction() as session:
        query = select(AuditEntry.staff_id, AuditEntry.act, AuditEntry.subject, AuditEntry.details, AuditEntry.acted_at)
        return [tuple(row) for row in session.execute(query.order_by(AuditEntry.id))]


def test_an_act_is_written_with_who_did_it(db: None) -> None:
    with database.transaction() as session:
        grants = (Grant(role=Role.ANALYST),)
        added = accounts.add(session, username="reader", password="right password", grants=grants, now=NOW)
        actor = Actor(kind=ActorKind.STAFF, staff_id=added.staff_id, username="reader")
        audit.record(session, actor, "order.refunded", "L1", {"amount_fen": 100}, now=NOW)
    assert entries() == [
        (None, "staff.added", "reader", {"roles": ["analyst"]}, NOW),
        (added.staff_id, "order.refunded", "L1", {"amount_fen": 100}, NOW),
    ]


def test_an_act_that_fails_leaves_no_entry(db: None) -> None:
    with pytest.raises(RuntimeError, match="refund failed"), database.transaction() as session:
        audit.record(session, None, "order.refunded", "L1", {}, now=NOW)
        raise RuntimeError("refund failed")
    assert entries() == []


def chain(head: str | None = None) -> audit.Chain:
    with database.transaction() as session:
        return audit.verify(session, head=head)


def act(subject: str) -> None:
    with database.transaction() as session:
        audit.record(session, None, "order.refunded", subject, {"amount_fen": 100, "why": "坏果"}, now=NOW)


def tamper(*statements: str) -> None:
    """Do what the owner of the database can do: switch the triggers off first."""
    with psycopg.connect(database.plain_url()) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)


def test_an_empty_trail_is_whole(db: None) -> None:
    assert chain() == audit.Chain(entries=0, head="", fault=None)


def test_each_entry_is_sealed_over_the_one_before(db: None) -> None:
    act("L1")
    first = chain()
    act("L2")
    both = chain()
    assert (both.entries, both.fault) == (2, None)
    with database.transaction() as session:
        line = session.execute(
            text(
                "SELECT jsonb_build_array(id, extract(epoch FROM acted_at), staff_id, act, subject, details)::text"
                " FROM staff_audit WHERE subject = 'L2'"
            )
        ).scalar_one()
    assert hashlib.sha256(bytes.fromhex(first.head) + line.encode()).hexdigest() == both.head
    assert chain(first.head) == chain(both.head) == both


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE staff_audit SET subject = 'L9'",
        "DELETE FROM staff_audit",
        "TRUNCATE staff_audit CASCADE",
        "UPDATE audit_seals SET digest = ''",
        "DELETE FROM audit_seals",
        "DELETE FROM staff_audit WHERE false",
    ],
)
def test_the_database_refuses_to_change_the_past(db: None, statement: str) -> None:
    act("L1")
    with pytest.raises(ProgrammingError, match="only ever added to"), database.transaction() as session:
        session.execute(text(statement))
    assert chain().fault is None


def test_a_changed_entry_is_named(db: None) -> None:
    for subject in ("L1", "L2", "L3"):
        act(subject)
    tamper("UPDATE staff_audit SET details = '{\"amount_fen\": 1}' WHERE subject = 'L2'")
    found = chain()
    assert found.entries == 1
    assert found.fault is not None
    assert found.fault.endswith("is not what was sealed at 2")


def test_a_removed_entry_is_named(db: None) -> None:
    for subject in ("L1", "L2", "L3"):
        act(subject)
    tamper("DELETE FROM staff_audit WHERE subject = 'L2'")
    assert chain().fault == "the entry of seal 2 is missing"
    tamper("DELETE FROM audit_seals WHERE position = 2")
    assert chain().fault == "seal 2 is missing"


def test_an_entry_that_was_slipped_in_is_named(db: None) -> None:
    act("L1")
    tamper("INSERT INTO staff_audit (acted_at, act, subject, details) VALUES (now(), 'order.refunded', 'L2', '{}')")
    fault = chain().fault
    assert fault is not None
    assert fault.endswith("has no seal")


def test_a_chain_cut_short_no_longer_has_the_head_that_was_told(db: None) -> None:
    act("L1")
    act("L2")
    head = chain().head
    tamper("DELETE FROM audit_seals WHERE position = 2", "DELETE FROM staff_audit WHERE subject = 'L2'")
    assert chain().fault is None, "only the head told elsewhere gives it away"
    assert chain(head).fault == f"no entry has the digest {head}"


def test_many_at_once_make_one_chain(db: None) -> None:
    together = Barrier(8, timeout=60)

    def go(number: int) -> None:
        with database.transaction() as session:
            for part in range(3):
                audit.record(session, None, "order.refunded", f"L{number}.{part}", {}, now=NOW)
            together.wait()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(go, range(8)))
    assert (chain().entries, chain().fault) == (24, None)


def test_an_act_that_is_rolled_back_leaves_no_gap(db: None) -> None:
    act("L1")
    with pytest.raises(RuntimeError), database.transaction() as session:
        audit.record(session, None, "order.refunded", "L2", {}, now=NOW)
        session.flush()
        raise RuntimeError
    act("L3")
    assert (chain().entries, chain().fault) == (2, None)


def test_every_night_the_head_goes_to_the_log_or_the_fault_to_a_person(db: None) -> None:
    act("L1")
    with capture_logs() as lines:
        audit.verify_daily(now=NOW)
    assert [(line["event"], line["entries"], line["head"]) for line in lines] == [("audit.verified", 1, chain().head)]
    tamper("UPDATE staff_audit SET subject = 'L9'")
    with capture_logs() as lines:
        audit.verify_daily(now=NOW)
    assert [line["alarm"] for line in lines] == ["audit.broken"]


def test_every_hour_the_head_goes_to_the_log(db: None) -> None:
    """Whoever cuts the last entries off cannot cut them off the log as well."""
    with capture_logs() as lines:
        audit.tell_head(now=NOW)
    assert lines == [], "of an empty trail there is nothing to keep"
    act("L1")
    act("L2")
    with capture_logs() as lines:
        audit.tell_head(now=NOW)
    kept = chain().head
    assert [(line["event"], line["entries"], line["head"]) for line in lines] == [("audit.head", 2, kept)]
    act("L3")
    assert chain(kept).fault is None, "the chain has grown, and what was kept is still in it"
    tamper("DELETE FROM audit_seals WHERE position > 1", "DELETE FROM staff_audit WHERE subject <> 'L1'")
    assert chain().fault is None
    assert chain(kept).fault == f"no entry has the digest {kept}"

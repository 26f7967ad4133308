"""Sheets from the file to the shelf: shown first, done once, by nobody else's hand, and never half."""

import io
import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import import_prices, importing, products, sheets, stock
from catalog.import_errors import ImportEmpty, ImportMoved, ImportRefused, ImportUnknown
from catalog.import_models import ImportState, RowState
from catalog.importing import Given
from catalog.sheets import ImportKind, Row
from config import clock, database

Cells = Mapping[str, object]


def workbook(kind: ImportKind, rows: Sequence[Cells]) -> bytes:
    """An Excel file with all columns of a kind."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as file:
        sheet = file.add_worksheet()
        for at, column in enumerate(sheets.COLUMNS[kind]):
            sheet.write_string(0, at, column.title)
            for line, row in enumerate(rows, start=1):
                value = row.get(column.name)
                write = sheet.write_string if isinstance(value, str) else sheet.write
                write(line, at, value)
    return out.getvalue()


def sheet(kind: ImportKind, *rows: Cells) -> Given:
    """What is read of such a file, without writing it; the digest says what stands in it."""
    given_ = [Row(at, {name: str(value) for name, value in row.items()}) for at, row in enumerate(rows, start=2)]
    return Given(kind, str(rows), given_)


def send(given_: Given, *, number: str = "I1", supplier: str | None = None) -> str:
    with database.transaction() as session:
        begun, _ = importing.begin(session, number=number, given=given_, supplier=supplier, by="clerk", now=clock.now())
    return begun


def checked(given_: Given, *, number: str = "I1", supplier: str | None = None) -> dict[str, Any]:
    """Send a sheet in, have it compared, and return it."""
    begun = send(given_, number=number, supplier=supplier)
    assert importing.work(number=begun, now=clock.now())
    return find(begun)


def find(number: str) -> dict[str, Any]:
    with database.transaction() as session:
        return importing.find(session, number=number, supplier=None)


def told(number: str, state: RowState) -> list[tuple[int, str]]:
    """The rows of a state, each with its faults, or what it changes."""
    with database.transaction() as session:
        rows = importing.rows(session, number=number, state=state, limit=99, supplier=None)
    return [(row["line"], "；".join(map(_told, row["faults"] or row["changes"]))) for row in rows]


def _told(one: dict[str, str]) -> str:
    return one.get("message") or f"{one['old']}→{one['new']}"


def done(number: str) -> dict[str, Any]:
    """Confirm an import, have it done, and return it."""
    with database.transaction() as session:
        importing.confirm(session, number=number, supplier=None)
    importing.work(number=number, now=clock.now())
    return find(number)


def price_of(sku: str) -> int:
    return int(database.statement("SELECT price_fen FROM skus WHERE number = %s", (sku,))[0][0])


def level_of(sku: str) -> tuple[int, int]:
    rows = database.statement(
        "SELECT on_hand, reserved FROM stock_levels l JOIN skus s ON s.id = l.sku_id WHERE s.number = %s", (sku,)
    )
    return rows[0][0], rows[0][1]


def ledger_agrees() -> bool:
    return not database.statement(
        """
        SELECT FROM stock_levels l, LATERAL (
            SELECT sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved FROM stock_moves m
            WHERE m.sku_id = l.sku_id
        ) AS m WHERE (l.on_hand, l.reserved) IS DISTINCT FROM (m.on_hand, m.reserved)
        """
    )


@pytest.mark.usefixtures("seeded")
def test_prices_from_the_file_to_the_page() -> None:
    rows = [
        {"sku": "AH001A", "seen": 29.9, "price": 31.5},
        {"sku": "AH001B", "seen": 56.8, "price": 56.8},
        {"sku": "NOPE", "price": 1},
        {"sku": "AH002A", "price": "很贵"},
    ]
    found = checked(importing.read(workbook(ImportKind.PRICES, rows), kind=ImportKind.PRICES))
    assert found["state"] == ImportState.CHECKED
    assert found["counts"] == {"read": 0, "changed": 1, "unchanged": 1, "refused": 2, "applied": 0}
    assert told("I1", RowState.CHANGED) == [(2, "29.90→31.50")]
    assert told("I1", RowState.REFUSED) == [
        (4, "没有这个规格，或者不是您的商品"),
        (5, "要写成元，最多两位小数，如 29.90"),
    ]
    assert price_of("AH001A") == 2990

    assert done("I1")["counts"] == {"read": 0, "changed": 0, "unchanged": 1, "refused": 2, "applied": 1}
    assert price_of("AH001A") == 3150
    assert products.find("dangshansuli")["price_fen"] == 3150
    history = database.statement(
        "SELECT count(*) FROM sku_prices p JOIN skus s ON s.id = p.sku_id WHERE s.number = 'AH001A'"
    )
    assert history == [(2,)]


@pytest.mark.usefixtures("seeded")
def test_a_hostile_file_leaves_nothing_behind() -> None:
    with pytest.raises(ImportRefused) as refused:
        importing.read(b"SKU,price", kind=ImportKind.PRICES)
    assert refused.value.details == {"reason": "not_a_spreadsheet"}
    with pytest.raises(ImportRefused) as refused:
        importing.read(workbook(ImportKind.PRICES, [{}]), kind=ImportKind.PRICES)
    assert refused.value.details == {"reason": "no_rows"}
    assert database.statement("SELECT count(*) FROM imports") == [(0,)]


@pytest.mark.usefixtures("seeded")
def test_the_same_sheet_is_one_import_and_later_changes_nothing() -> None:
    given_ = sheet(ImportKind.PRICES, {"sku": "AH001A", "seen": "29.90", "price": "31"})
    assert checked(given_)["number"] == send(given_, number="I2") == "I1"
    done("I1")
    again = checked(given_, number="I3")
    assert (again["number"], again["counts"]["unchanged"]) == ("I3", 1)
    with database.transaction() as session, pytest.raises(ImportEmpty):
        importing.confirm(session, number="I3", supplier=None)
    assert not importing.work(number="I1", now=clock.now())


@pytest.mark.usefixtures("seeded")
def test_a_sheet_does_not_undo_what_happened_since_it_was_exported() -> None:
    with database.transaction() as session:
        products.reprice(session, sku="AH001A", price_fen=2000, now=clock.now())
    given_ = sheet(
        ImportKind.PRICES,
        {"sku": "AH001A", "seen": "29.90", "price": "31"},
        {"sku": "AH001B", "seen": "1", "price": "1"},
    )
    assert checked(given_)["counts"] == {"read": 0, "changed": 0, "unchanged": 1, "refused": 1, "applied": 0}
    assert told("I1", RowState.REFUSED) == [(2, "导出之后价格已改为 20.00，请重新导出再改")]


@pytest.mark.usefixtures("seeded")
def test_what_changed_since_it_was_shown_is_refused_and_the_rest_is_done() -> None:
    given_ = sheet(
        ImportKind.PRICES,
        {"sku": "AH001A", "seen": "29.90", "price": "31"},
        {"sku": "AH002A", "seen": "39.90", "price": "41"},
    )
    checked(given_)
    with database.transaction() as session:
        products.reprice(session, sku="AH001A", price_fen=2000, now=clock.now())
    assert done("I1")["counts"] == {"read": 0, "changed": 0, "unchanged": 0, "refused": 1, "applied": 1}
    assert (price_of("AH001A"), price_of("AH002A")) == (2000, 4100)


@pytest.mark.usefixtures("seeded")
def test_rows_with_one_key_are_both_refused() -> None:
    given_ = sheet(ImportKind.PRICES, {"sku": "AH001A", "price": "1"}, {"sku": "AH001A", "price": "2"})
    assert checked(given_)["counts"]["refused"] == 2


@pytest.mark.usefixtures("seeded")
def test_stock_is_counted_and_taken_in() -> None:
    with database.transaction() as session:
        stock.hold(session, reference="O1", lines={"AH003A": 5}, now=clock.now())
    given_ = sheet(
        ImportKind.STOCK,
        {"sku": "AH001A", "seen": "200", "counted": "180"},
        {"sku": "AH001B", "seen": "200", "counted": "200", "received": "40", "delivery": "RK-7"},
        {"sku": "AH002A", "seen": "190", "counted": "180"},
        {"sku": "AH003A", "seen": "200", "counted": "4"},
        {"sku": "AH007A", "counted": "4"},
        {"sku": "AH004A", "received": "3"},
        {"sku": "AH005A", "counted": "9", "received": "3", "delivery": "RK-7"},
        {"sku": "AH006A", "seen": "200", "counted": "200"},
    )
    assert checked(given_)["counts"] == {"read": 0, "changed": 2, "unchanged": 1, "refused": 5, "applied": 0}
    assert [fault for _, fault in told("I1", RowState.REFUSED)] == [
        "导出之后在库已变为 200（期间有订单或入库），请重新导出再盘",
        "已有 5 件被订单占用，不能少于它",
        "盘点时必填：没有它就不知道期间有没有卖出，请用导出的表",
        "有本次入库时必填，同一单号只入一次",
        "盘点和入库请分两次填：这一行两样都改了",
    ]
    done("I1")
    assert (level_of("AH001A"), level_of("AH001B"), level_of("AH003A")) == ((180, 0), (240, 0), (200, 5))
    # Saved once more, the file is another one; what it asks for was done.
    again = checked(sheet(ImportKind.STOCK, *({**row.cells} for row in given_.rows[1:2])), number="I2")
    assert again["counts"]["unchanged"] == 1
    assert ledger_agrees()


@pytest.mark.usefixtures("seeded")
def test_a_suppliers_sheet_reaches_its_own_goods_only() -> None:
    database.statement(
        "INSERT INTO suppliers (number, name, is_illustrative) VALUES ('SUP7', '别家', false) RETURNING id"
    )
    database.statement(
        "UPDATE products SET supplier_id = (SELECT id FROM suppliers WHERE number = 'SUP7')"
        " WHERE slug = 'dangshansuli' RETURNING id"
    )
    for kind, ours, theirs in (
        (ImportKind.PRICES, {"sku": "AH001A", "price": "31"}, {"sku": "AH002A", "price": "31"}),
        (ImportKind.STOCK, {"sku": "AH001A", "seen": "200", "counted": "1"}, {"sku": "AH002A", "counted": "1"}),
    ):
        found = checked(sheet(kind, ours, theirs), number=f"I{kind}", supplier="SUP7")
        assert (found["counts"]["changed"], found["counts"]["refused"]) == (1, 1)
        done(found["number"])
        with database.transaction() as session:
            rows = importing.export(session, kind=kind, supplier="SUP7", after="", limit=99)
            assert [row["sku"] for row in rows] == ["AH001A", "AH001B"]
            with pytest.raises(ImportUnknown):
                importing.find(session, number=found["number"], supplier="SUP8")
    assert (price_of("AH001A"), price_of("AH002A"), level_of("AH002A")) == (3100, 3990, (200, 0))


@pytest.mark.usefixtures("seeded")
def test_whoever_is_killed_is_followed_by_somebody_who_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    skus = [f"AH{number:03}A" for number in range(1, 8)]
    now = clock.now()
    checked(sheet(ImportKind.STOCK, *({"sku": sku, "seen": "200", "counted": "7"} for sku in skus)))
    with database.transaction() as session:
        importing.confirm(session, number="I1", supplier=None)
    count, calls = stock.count, []

    def dies(session: Any, **what: Any) -> None:
        calls.append(what)
        count(session, **what)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(stock, "count", dies)
    with pytest.raises(KeyboardInterrupt):
        importing.work(number="I1", now=now)
    assert (find("I1")["done"], find("I1")["counts"]["applied"]) == (2, 2)
    assert not importing.work(number="I1", now=now + importing.LEASE / 2)
    assert importing.work_due(now=now + importing.LEASE + timedelta(seconds=5)) == 1
    assert find("I1")["state"] == ImportState.APPLIED
    assert [level_of(sku) for sku in skus] == [(7, 0)] * 7
    assert ledger_agrees()


@pytest.mark.usefixtures("seeded")
def test_a_sheet_that_kills_everybody_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    send(sheet(ImportKind.PRICES, {"sku": "AH001A", "price": "31"}))
    monkeypatch.setattr(import_prices, "compare", dies)
    now = clock.now()
    for _ in range(importing.TRIES):
        with pytest.raises(KeyboardInterrupt):
            importing.work(number="I1", now=now)
        now += importing.LEASE * 2
    assert not importing.work(number="I1", now=now)
    assert find("I1")["state"] == ImportState.FAILED


@pytest.mark.usefixtures("seeded")
def test_a_sheet_moves_one_way_and_is_forgotten() -> None:
    given_ = sheet(ImportKind.PRICES, {"sku": "AH001A", "price": "31"})
    send(given_)
    with database.transaction() as session, pytest.raises(ImportMoved):
        importing.confirm(session, number="I1", supplier=None)
    with database.transaction() as session:
        importing.withdraw(session, number="I1", supplier=None, now=clock.now())
    assert not importing.work(number="I1", now=clock.now())
    with database.transaction() as session, pytest.raises(ImportMoved):
        importing.withdraw(session, number="I1", supplier=None, now=clock.now())
    with database.transaction() as session:
        assert importing.forget(session, before=clock.now() + timedelta(seconds=1), at_most=9) == 1
    assert database.statement("SELECT count(*) FROM import_rows") == [(0,)]


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("kind", [ImportKind.PRICES, ImportKind.STOCK, ImportKind.PRODUCTS])
def test_what_goes_out_comes_back_and_changes_nothing(kind: ImportKind) -> None:
    numbers = (f"I{kind}{count}" for count in itertools.count())

    @settings(max_examples=5)
    @given(start=st.sampled_from(["", "AH050A", "AH109A"]), limit=st.integers(1, 40))
    def comes_back(start: str, limit: int) -> None:
        with database.transaction() as session:
            rows = importing.export(session, kind=kind, supplier=None, after=start, limit=limit)
        money = {column.name for column in sheets.COLUMNS[kind] if column.unit is sheets.Unit.MONEY}
        shown = [
            {name: value / 100 if name in money and value else value for name, value in row.items()} for row in rows
        ]
        found = checked(importing.read(workbook(kind, shown), kind=kind), number=next(numbers))
        assert found["counts"] == {"read": 0, "changed": 0, "unchanged": len(rows), "refused": 0, "applied": 0}
        with database.transaction() as session:
            importing.withdraw(session, number=found["number"], supplier=None, now=clock.now())

    comes_back()

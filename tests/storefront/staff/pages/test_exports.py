"""Lists leave as files: all of them, in either format, equal to the page, and only for whoever may read it."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config import clock
from storefront.roles import Role
from storefront.staff.pages import exports
from storefront.staff.tables import Sheet
from tests.storefront.staff.conftest import Clerk, Counter
from tests.storefront.staff.test_tables import TABLE, row

LISTS = [
    *("/orders", "/codes", "/audit", "/finance", "/finance/cases", "/finance/ledger"),
    *("/alerts", "/alerts/codes", "/creatives", "/trials", "/packs", "/field/round"),
]


def rows(clerk: Clerk, path: str) -> list[list[str]]:
    answer = clerk.open(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv"), path
    text = answer.get_data(as_text=True)
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("path", LISTS)
def test_every_list_has_both_files_and_its_page_leads_to_them(clerk: Callable[..., Clerk], path: str) -> None:
    boss = clerk(Role.ADMIN)
    boss.call("POST", "/codes", {"count": 1})
    for kind in ("csv", "xlsx"):
        answer = boss.open(f"{path}.{kind}")
        assert answer.status_code == 200
        assert f'.{kind}"' in answer.headers["Content-Disposition"]
    assert zipfile.ZipFile(io.BytesIO(answer.get_data())).testzip() is None
    assert rows(boss, f"{path}.csv")[-1][0] == "生成时间"
    page = boss.open(path).get_data(as_text=True)
    assert "没有" in page or f'href="/staff{path}.xlsx' in page


def test_a_file_is_whole_where_the_page_is_cut(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PAGE", 1)
    numbers = [counter.buy(key=f"buy-three-{n}") for n in range(3)]
    clerk = counter.hire(Role.FINANCE)
    found = rows(clerk, "/orders.csv")
    assert [line[0] for line in found[1:4]] == numbers[::-1]
    payable = [line[found[0].index("应付（元）")] for line in found[1:5]]
    assert payable[-1] == f"{sum(float(fen) for fen in payable[:-1]):.2f}"
    assert found[4][0] == "合计"
    page = clerk.open("/orders").get_data(as_text=True)
    assert "本页合计" in page
    assert f'<td class="num" data-label="应付">¥{float(payable[-1]):,.2f}</td>' in page
    assert rows(clerk, "/orders.csv?state=cancelled")[1][0] == "合计"


def test_a_walk_ends_at_its_limit(db: None) -> None:
    asked: list[str | None] = []

    def page(_session: Any, cursor: str | None) -> dict[str, Any]:
        asked.append(cursor)
        return {"items": [row(), row()], "next_cursor": str(len(asked))}

    assert len(list(exports.walk(page, most=5))) == 5
    assert asked == [None, "1", "2"]


def test_a_file_begins_before_its_last_row_is_read(app: Any) -> None:
    """A list of a hundred thousand rows is never held: the first line leaves while the others are still to come."""
    read = []

    def endless() -> Iterator[dict[str, Any]]:
        for n in range(1_000):
            read.append(n)
            yield row()

    with app.test_request_context():
        body = exports.send("csv", Sheet.of(TABLE, endless()), now=clock.now()).iter_encoded()
        next(iter(body))
        next(iter(body))
    assert len(read) <= 2

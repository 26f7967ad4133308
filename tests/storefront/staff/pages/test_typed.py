"""A refused form comes back as it was typed, without a script: once, to who typed it, and never a secret one."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from config import redis as shared_redis
from storefront.roles import Role
from storefront.staff.pages import frame, typed
from tests.storefront.staff.conftest import Clerk

TEMPLATES = Path(frame.__file__).parent.parent / "templates"
FORM = """<details><summary>撤回</summary><form class="line" method="post" action="/staff/x">
<input type="hidden" name="csrf_token" value="new"><input type="hidden" name="sku" value="A&amp;B">
<input id="n" name="note" value="old" maxlength="9"><input type="password" name="word" required>
<input type="checkbox" name="yes" value="1" checked><input type="checkbox" name="no" value="1">
<select name="kind"><option value="">无</option><option value="b&gt;" selected>乙</option>
<option value="c">丙</option></select>
<textarea name="why" rows="2">before</textarea><button name="do" value="go">好</button></form></details>"""


def test_a_form_holds_again_what_was_typed() -> None:
    given = {"sku": ["A&B"], "note": ['"><b>梨</b>'], "word": ["x"], "no": ["1"], "kind": ["c"], "why": ["</textarea>"]}
    other = FORM.replace("A&amp;B", "C")
    page = typed.refilled(other + FORM, "/staff/x", given)
    assert page.startswith(other), "of two forms that lead there, the one with the same hidden fields"
    filled = page.removeprefix(other)
    assert filled.startswith("<details open><summary>")
    assert 'name="note" maxlength="9" value="&quot;&gt;&lt;b&gt;梨&lt;/b&gt;">' in filled
    assert '<input type="password" name="word" required>' in filled
    assert re.findall(r'name="(\w+)" value="1" checked', filled) == ["no"]
    assert re.findall(r'value="([^"]*)" selected', filled) == ["c"]
    assert ">&lt;/textarea&gt;</textarea>" in filled
    assert typed.refilled(FORM, "/staff/y", given) == FORM


@pytest.mark.usefixtures("codes")
def test_a_refused_cost_is_typed_once(clerk: Callable[..., Clerk]) -> None:
    planner, other = clerk(Role.CAMPAIGN), clerk(Role.CAMPAIGN, username="other")
    if shared_redis.shared() is None:
        pytest.skip("no Redis on this machine")
    sent = planner.send("/costs", placement="ATLANTIS", amount="3600.50", note="合同 <12>")
    assert "fault=" in sent.location
    back = sent.location.removeprefix(frame.ROOT)
    assert 'value="3600.50"' not in other.open(back).text
    page = planner.open(back).text
    assert 'value="3600.50"' in page
    assert 'value="合同 &lt;12&gt;"' in page
    assert 'value="3600.50"' not in planner.open(back).text, "for one page"


def test_a_form_that_no_browser_completes_is_kept_nowhere() -> None:
    forms = [form for page in TEMPLATES.rglob("*.html") for form in re.findall(r"<form\b.*?>", page.read_text())]
    secret = [form for form in forms if 'autocomplete="off"' in form and "data-keep" not in form]
    actions = [re.sub(r"{{.*?}}", "x", re.search(r'action="([^"]*)"', form)[1]) for form in secret]  # type: ignore[index]
    assert len(actions) >= 4
    assert [action for action in actions if not typed.SECRET.search(action)] == []


class Tags(HTMLParser):
    """The tags that refilling reads, as a browser would: each as it is written, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"form", "details", "input", "select", "option", "textarea"}:
            self.found.append((self.get_starttag_text() or "", dict(attrs)))


def odd(page: str) -> list[str]:
    """The tags of a template that are not written as refilling reads them: one bracket, values in double quotes."""
    parser = Tags()
    parser.feed(re.sub(r"{{.*?}}", "x", re.sub(r"{[#%].*?[#%]}", " ", page, flags=re.DOTALL), flags=re.DOTALL))
    return [
        tag
        for tag, attributes in parser.found
        if tag.count(">") != 1
        or any(typed._attribute(tag, name) != value for name, value in attributes.items() if value is not None)
        # A field that stands outside its form would be passed over.
        or "form" in attributes
    ]


def test_every_field_of_our_pages_is_written_as_refilling_reads_it() -> None:
    for wrong in ("<input name='a'>", "<input name=a>", '<input name="a" placeholder="a > b">', '<input form="f">'):
        assert odd(wrong), wrong
    pages = {path.name: path.read_text() for path in TEMPLATES.rglob("*.html")}
    assert len(pages) >= 60
    assert {name: found for name, page in pages.items() if (found := odd(page))} == {}

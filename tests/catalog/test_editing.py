"""Accredited facts change by way of the county; what was published stands until then."""

import threading
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from catalog import change_errors, editing, errors, indexing, products, shelf
from catalog.cache import Cache
from catalog.change_models import ChangeState
from config import database
from tests.catalog.supplying import NOW, PEARS
from tests.catalog.test_suppliers import at_once

pytestmark = pytest.mark.usefixtures("seeded")


def ask(number: str = "E1", *, slug: str = PEARS, by: str = "coop", **given: str) -> editing.Asked:
    with database.transaction() as session:
        facts = {key.replace("__", "."): value for key, value in given.items()}
        return editing.ask(session, slug=slug, given=facts, number=number, by=by, now=NOW)


def decide(number: str = "E1", state: ChangeState = ChangeState.APPROVED, *, by: str = "dangshan", **more: str) -> None:
    with database.transaction() as session:
        editing.decide(session, number=number, state=state, reason=more.get("reason", ""), by=by, now=NOW)


def published() -> dict[str, Any]:
    Cache.forget_all()
    return products.find(PEARS)


def test_what_was_published_stands_until_the_county_approves() -> None:
    before = published()
    asked = ask(name="砀山酥梨（特级）", label__producer="良梨果业专业合作社")
    assert asked.change == "E1"
    assert asked.facts["name"] == {"before": "砀山酥梨", "after": "砀山酥梨（特级）"}
    assert published() == before
    decide()
    after = published()
    assert (after["name"], after["label"]["producer"]) == ("砀山酥梨（特级）", "良梨果业专业合作社")
    assert {key: after["label"][key] for key in before["label"]} == before["label"]


def test_the_new_name_is_found_and_the_old_pinyin_goes() -> None:
    ask(name="良梨蜜酥梨")
    decide()
    with database.transaction() as session:
        indexing.write(session, slug=PEARS)
        indexing.write(session, slug="gone")
    Cache.forget_all()
    for words in ("良梨蜜酥梨", "liangli", "llmsl"):
        assert f'"slug":"{PEARS}"'.encode() in products.page(q=words), words


def test_nothing_is_indexed_otherwise_than_seeding_does() -> None:
    read = "SELECT name_key, pinyin, initials, search_text, search_vector::text FROM products WHERE slug = %s"
    seeded = database.statement(read, (PEARS,))
    with database.transaction() as session:
        indexing.write(session, slug=PEARS)
    [row] = database.statement(read, (PEARS,))
    assert row[:3] == seeded[0][:3]


def test_another_origin_moves_the_product_to_that_county_s_hall() -> None:
    ask(origin_code="341322")
    decide()
    assert published()["hall_name"] == "萧县地方馆"


@pytest.mark.parametrize(
    ("given", "field"),
    [({"name": "一"}, "name"), ({"origin_code": "340100"}, "origin_code"), ({"price": "1"}, "price")],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, str], field: str) -> None:
    with pytest.raises(change_errors.FactInvalid) as caught:
        ask(**given)
    assert caught.value.details == {"field": field}


def test_one_change_at_a_time_and_none_of_nothing() -> None:
    with pytest.raises(change_errors.ChangeEmpty):
        ask(name=" 砀山酥梨 ")
    ask(name="砀山酥梨王")
    with pytest.raises(change_errors.ChangeStanding) as caught:
        ask("E2", name="砀山酥梨皇")
    assert caught.value.details == {"number": "E1"}
    decide(state=ChangeState.WITHDRAWN, by="coop")
    ask("E2", name="砀山酥梨皇")
    with pytest.raises(errors.ProductUnknown):
        ask("E3", slug="nothing", name="没有")


def test_nobody_approves_a_change_of_their_own() -> None:
    ask(name="砀山酥梨王")
    with pytest.raises(change_errors.ChangeOwn):
        decide(by="coop")
    assert published()["name"] == "砀山酥梨"


def test_a_refusal_needs_a_reason_and_ends_the_change() -> None:
    ask(name="砀山酥梨王")
    with pytest.raises(change_errors.ChangeReasonMissing):
        decide(state=ChangeState.REFUSED)
    decide(state=ChangeState.REFUSED, reason="与证书不符")
    with pytest.raises(change_errors.ChangeMoved):
        decide()
    assert published()["name"] == "砀山酥梨"
    with pytest.raises(change_errors.ChangeUnknown):
        decide("E9")


def test_a_change_is_not_laid_over_facts_that_changed_since() -> None:
    ask(name="砀山酥梨王")
    database.statement("UPDATE products SET name = '砀山梨' WHERE slug = %s", (PEARS,))
    with pytest.raises(change_errors.ChangeMoved):
        decide()


def test_the_facts_of_a_draft_change_at_once() -> None:
    database.statement("UPDATE products SET is_on_sale = false, off_sale_for = 'draft' WHERE slug = %s", (PEARS,))
    assert ask(name="砀山酥梨王").change is None
    assert database.statement("SELECT name FROM products WHERE slug = %s", (PEARS,)) == [("砀山酥梨王",)]
    assert database.statement("SELECT count(*) FROM product_changes") == [(0,)]
    with database.transaction() as session, pytest.raises(errors.AccreditationRequired):
        editing.offer(session, slug=PEARS)


def test_two_clerks_decide_at_once_and_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    find, guard = editing.find, editing._FIND

    def race(number: str, patience_s: float) -> list[str]:
        ask(number, name=f"砀山酥梨{number}")
        gate = threading.Barrier(2, timeout=patience_s)

        def gated(session: Any, *, number: str) -> dict[str, Any]:
            found = find(session, number=number)
            with suppress(threading.BrokenBarrierError):
                gate.wait()
            return found

        monkeypatch.setattr(editing, "find", gated)
        refuse = {"state": ChangeState.REFUSED, "reason": "不符"}
        return at_once(lambda: decide(number), lambda: decide(number, by="other", **refuse))  # type: ignore[arg-type]

    with monkeypatch.context() as off:
        off.setattr(editing, "_FIND", text(guard.text.replace("FOR NO KEY UPDATE OF c", "")))
        assert race("E1", 20) == ["done", "done"], "without the lock both decide"
    assert race("E2", 0.2) == ["ChangeMoved", "done"]


def test_a_price_that_the_county_holds_keeps_goods_off_sale() -> None:
    database.statement("""
        INSERT INTO price_reviews (number, sku_id, price_version, price_fen, unit_fen, median_fen, peers, basis, state,
                                   opened_at)
        SELECT 'V1', s.id, s.price_version, s.price_fen, 1, 1, 5, 'county', 'held', now() FROM skus s
        WHERE s.number = 'AH001A'
    """)
    [(slug,)] = database.statement(
        "SELECT p.slug FROM products p JOIN skus s ON s.product_id = p.id WHERE s.number = 'AH001A'"
    )
    with database.transaction() as session:
        products.delist(session, slug=slug)
        with pytest.raises(change_errors.PriceHeld):
            editing.offer(session, slug=slug)
    with pytest.raises(errors.ProductUnknown):
        shelf.body(slug)

"""Packs: one wish is one pack, made once, whole or not at all; every code of the inventory reads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from threading import Barrier

import pytest
from sqlalchemy import text

from config import clock, database
from subway_campaign import artwork, bindings, errors, media, packs, posters, preflight, press, seeding
from subway_campaign.landing import Landing, LandingKind

TRAIN = "METRO.HF.L1.T01"
CAR = f"{TRAIN}.C1"


@pytest.fixture
def inventory(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inventory, with the same codes in every run: of hundreds preflight rightly refuses one for its grain."""
    luck = Random(7)
    monkeypatch.setattr(bindings, "SystemRandom", lambda: luck)
    landing = Landing(kind=LandingKind.PRODUCT, slug="dangshansuli")
    seeding.seed(lambda what, done, total: None, now=clock.now(), landings=[landing])


def ask(under: str | None) -> tuple[str, bool]:
    with database.transaction() as session:
        pieces = packs.pieces_at(session, under=under, code=None, now=clock.now())
        return packs.ask(session, title="试印", pieces=pieces[:3], now=clock.now())


def look(number: str) -> dict:
    with database.transaction() as session:
        return packs.find(session, number=number)


def fetch(number: str) -> bytes:
    with database.transaction() as session:
        return packs.archive(session, number=number)


def test_every_code_of_the_inventory_reads(inventory: None) -> None:
    with database.transaction() as session:
        pieces = packs.pieces_at(session, under=None, code=None, now=clock.now())
    assert len(pieces) == 353
    for number, piece in enumerate(pieces):
        drawing = artwork.draw(piece)
        # All distortions for every tenth, the file itself for all.
        steps = preflight.STEPS if number % 10 == 0 else preflight.STEPS[:4]
        found = preflight.check(
            artwork.pdf(drawing), link=posters.link(piece.code), format_=drawing.format, steps=steps
        )
        assert found.failed is None, piece


def test_a_pack_is_asked_for_made_and_fetched(inventory: None) -> None:
    number, is_new = ask(CAR)
    assert is_new
    waiting = look(number)
    assert (waiting["state"], waiting["pieces"], waiting["done"], waiting["sha256"]) == ("waiting", 3, 0, None)
    with pytest.raises(errors.PackNotReady):
        fetch(number)
    assert packs.build_due(now=clock.now()) == 1
    ready = look(number)
    assert (ready["state"], ready["done"], ready["refused"], ready["failures"]) == ("ready", 3, 0, [])
    assert press.manifest(fetch(number))["pieces"] == 3
    assert ask(CAR) == (number, False)
    assert packs.build_due(now=clock.now()) == 0


def test_a_pack_says_what_it_refused(inventory: None) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE placements SET name = '灯箱\U0001f600' WHERE number = :n"), {"n": f"{CAR}.DL1"})
    number, _ = ask(f"{CAR}.DL1")
    packs.build_due(now=clock.now())
    found = look(number)
    assert found["refused"] == 1
    assert [(one["placement"], one["step"]) for one in found["failures"]] == [(f"{CAR}.DL1", "label")]


def test_what_cannot_be_packed_is_refused(inventory: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.NothingToPrint):
        ask("METRO.HF.NOWHERE")
    monkeypatch.setattr(packs, "MOST", 2)
    with pytest.raises(errors.PackTooLarge):
        ask(CAR)
    with pytest.raises(errors.UnknownPack):
        look("PK00")
    with pytest.raises(errors.UnknownPack):
        fetch("PK00")


def at_once(function: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(2) as pool:
        return [future.result() for future in [pool.submit(function) for _ in range(2)]]


def test_two_who_ask_at_once_get_one_pack(inventory: None) -> None:
    """Guard off: two who do not share a number make two packs of the same pieces. On: the second finds the first."""
    gate = Barrier(2, timeout=20)
    with database.transaction() as session:
        pieces = packs.pieces_at(session, under=CAR, code=None, now=clock.now())

    def wish(edition: int | None = None) -> tuple[str, bool]:
        with database.transaction() as session:
            gate.wait()
            return packs.ask(session, title="试印", pieces=pieces[: edition or 3], now=clock.now())

    with ThreadPoolExecutor(2) as pool:
        loose = [future.result() for future in [pool.submit(wish, n) for n in (1, 2)]]
    assert [is_new for _, is_new in loose] == [True, True]
    assert len({number for number, _ in loose}) == 2
    same = at_once(wish)
    assert len({number for number, _ in same}) == 1
    assert sorted(is_new for _, is_new in same) == [False, True]


def test_two_workers_make_a_pack_once(inventory: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guard off: both make it, and the archive is still one and whole. On: the second leaves it alone."""
    number, _ = ask(CAR)
    gate, runs = Barrier(2, timeout=20), []
    run, claim = press.run, packs._claim

    def counted(pieces: list[media.Piece], **how: object) -> None:
        runs.append(1)
        run(pieces, **how)

    def loose(number: str, now: object) -> object:
        with database.transaction() as session:
            found = session.execute(text("SELECT items FROM print_packs WHERE number = :n"), {"n": number}).scalar_one()
        gate.wait()
        return found

    monkeypatch.setattr(press, "run", counted)
    monkeypatch.setattr(packs, "_claim", loose)
    assert at_once(lambda: packs.build(number=number, now=clock.now())) == [True, True]
    assert len(runs) == 2
    assert look(number)["state"] == "ready"

    runs.clear()
    monkeypatch.setattr(packs, "_claim", claim)
    other, _ = ask(f"{TRAIN}.C2")
    assert sorted(at_once(lambda: packs.build(number=other, now=clock.now()))) == [False, True]
    assert len(runs) == 1


def test_a_pack_killed_half_way_is_made_again_and_never_seen_half(
    inventory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = ask(CAR)
    now, run = clock.now(), press.run

    def killed(pieces: list[media.Piece], **how: object) -> None:
        packs._tell(number, 1, 0, now)
        raise SystemExit

    monkeypatch.setattr(press, "run", killed)
    with pytest.raises(SystemExit):
        packs.build(number=number, now=now)
    half = look(number)
    assert (half["state"], half["done"]) == ("waiting", 1)
    with pytest.raises(errors.PackNotReady):
        fetch(number)
    monkeypatch.setattr(press, "run", run)
    assert packs.build(number=number, now=now + packs.LEASE / 2) is False
    assert packs.build(number=number, now=now + packs.LEASE + timedelta(seconds=1)) is True
    assert look(number)["state"] == "ready"


def test_a_pack_that_keeps_dying_fails_and_can_be_asked_for_again(
    inventory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = ask(CAR)
    now, run = clock.now(), press.run

    def dead(pieces: list[media.Piece], **how: object) -> None:
        raise ChildProcessError

    monkeypatch.setattr(press, "run", dead)
    for _ in range(packs.TRIES):
        with pytest.raises(ChildProcessError):
            packs.build(number=number, now=now)
        now += packs.LEASE
    assert packs.build(number=number, now=now) is False
    assert look(number)["state"] == "failed"
    monkeypatch.setattr(press, "run", run)
    assert ask(CAR) == (number, True)
    assert packs.build(number=number, now=now) is True


def test_one_code_is_a_pdf_after_preflight(inventory: None) -> None:
    with database.transaction() as session:
        (first, *_) = packs.pieces_at(session, under=CAR, code=None, now=clock.now())
        piece = packs.single(session, code=first.code.lower(), now=clock.now())
        (loose,) = bindings.mint(session, count=1, now=clock.now())
        assert packs.single(session, code=loose, now=clock.now()).placement is None
        with pytest.raises(errors.UnknownCode):
            packs.single(session, code="0000000X", now=clock.now())
    assert packs.proof(piece).startswith(b"%PDF")
    with pytest.raises(errors.NotPrintable) as refused:
        packs.proof(media.Piece(piece.code, piece.link, None, "\U0001f600"))
    assert refused.value.details["step"] == "label"

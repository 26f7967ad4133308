"""Turns: as many threads at once as there are turns, and none is lost when one is taken from a slow thread."""

import threading

import pytest

from config import turns
from tests.waits import wait_until


def waiting(line: turns.Turns, count: int) -> list[int]:
    """Let `count` threads wait for a turn; return the list in which those appear that got one."""
    got: list[int] = []

    def wait(number: int) -> None:
        line.wait()
        got.append(number)

    for number in range(count):
        threading.Thread(target=wait, args=(number,), daemon=True).start()
    return got


def test_a_thread_keeps_its_turn_from_one_request_to_the_next() -> None:
    line = turns.Turns(1)
    line.wait()
    for _ in range(3):
        line.begin(0)
        assert line.end(0)


def test_no_more_threads_have_a_turn_than_there_are_turns() -> None:
    got = waiting(turns.Turns(2), 5)
    wait_until(lambda: len(got) == 2, what="two threads")
    assert not threading.Event().wait(0.05)
    assert len(got) == 2


def test_the_turn_of_a_slow_thread_goes_to_one_in_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", -1.0)
    line = turns.Turns(1)
    line.wait()
    got = waiting(line, 2)
    line.begin(0)
    line.take_from_slow()
    line.take_from_slow()
    wait_until(lambda: len(got) == 1, what="the thread in reserve")
    assert not line.end(0)
    assert len(got) == 1


def test_the_turn_of_a_quick_thread_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 60.0)
    line = turns.Turns(1)
    line.wait()
    line.begin(0)
    line.take_from_slow()
    assert line.end(0)


def test_turns_are_neither_lost_nor_made_while_they_are_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads work on requests while somebody takes their turns away as fast as can be."""
    monkeypatch.setattr(turns, "PATIENCE_S", 0.0)
    line, stop, served = turns.Turns(3), threading.Event(), [0] * 8
    kept: list[int] = []

    def serve(number: int) -> None:
        while not stop.is_set():
            line.wait()
            has_turn = True
            while has_turn and not stop.is_set():
                line.begin(number)
                served[number] += 1
                has_turn = line.end(number)
            if has_turn:
                kept.append(number)

    def take() -> None:
        while not stop.is_set():
            line.take_from_slow()

    threads = [threading.Thread(target=serve, args=(number,), daemon=True) for number in range(8)]
    thief = threading.Thread(target=take, daemon=True)
    for thread in [*threads, thief]:
        thread.start()
    wait_until(lambda: min(served) > 0, what="every thread to have had a turn")
    stop.set()
    thief.join(60)
    # Whoever goes on to wait when all end takes a turn that is free, and keeps it.
    found = waiting(line, 4)
    wait_until(lambda: len(kept) + len(found) == 3, what="all turns to be accounted for")
    assert not threading.Event().wait(0.05)
    assert len(kept) + len(found) == 3

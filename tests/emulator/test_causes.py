"""The known causes of a month: each is said before it is played, and nobody's clock goes back."""

import time
from pathlib import Path
from typing import Any

from emulator import causes, month


class Dial:
    """What is told to WeChat's control plane."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def call(self, method: str, path: str, body: dict[str, Any]) -> None:
        assert (method, path) == ("POST", "/_control/clock")
        self.told.append(body)


def test_every_cause_says_what_is_true_and_what_is_shown() -> None:
    assert len({cause.name for cause in causes.CAUSES}) == len(causes.CAUSES)
    assert all(cause.truly and cause.shown and cause.story.__doc__ for cause in causes.CAUSES)
    # Where the report shows something else than what is true, the cause names the rule.
    assert {cause.name for cause in causes.CAUSES if cause.because} >= {"expired window", "two ways no login"}
    assert all(cause.because.startswith("R") for cause in causes.CAUSES if cause.because)


def test_the_calendar_moves_shop_and_wechat_alike_and_only_forward(tmp_path: Path) -> None:
    dial = Dial()
    calendar = month.Calendar(tmp_path / "clock", dial)
    tomorrow = time.time() + 86_400
    calendar.move(tomorrow)
    calendar.move(tomorrow - 3_600)
    [told] = dial.told
    assert float((tmp_path / "clock").read_text()) == told["offset_seconds"]
    assert 0 <= calendar.now() - tomorrow < 5

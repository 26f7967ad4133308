from collections.abc import Callable
from datetime import timedelta
from typing import Any

from config import clock
from storefront.roles import Role
from tests.storefront.staff.conftest import Clerk, audited
from tests.subway_campaign.conftest import World, world  # noqa: F401 - fixture
from tests.subway_campaign.test_trials import UNITS, lines  # noqa: F401 - fixture

KEY = {"Idempotency-Key": "5f0d1c9e"}


def wanted() -> dict[str, Any]:
    day = clock.now().astimezone(clock.SHANGHAI).date() + timedelta(days=7)
    return {"name": "亮灯", "units": list(UNITS), "weeks": 8, "starts_on": day.isoformat()}


def test_a_test_is_planned_once_started_and_read(clerk: Callable[..., Clerk], lines: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    made = campaign.post("/trials", wanted(), **KEY)
    assert (made.status_code, campaign.post("/trials", wanted(), **KEY).status_code) == (201, 200)
    other = campaign.post("/trials", wanted() | {"weeks": 4}, **KEY)
    assert other.get_json()["error"]["code"] == "idempotency.mismatch"
    trial = made.get_json()
    assert (trial["state"], trial["hold_weeks"], len(trial["pairs"])) == ("planned", 4, 2)
    path = f"/trials/{trial['number']}"
    assert campaign.post(f"{path}/start").get_json()["state"] == "started"
    assert campaign.post(f"{path}/withdrawal").get_json()["error"]["code"] == "campaign.trial_fixed"
    shown = clerk(Role.ANALYST).get("/trials").get_json()["items"]
    assert [(one["number"], one["weeks_over"], one["difference"]) for one in shown] == [(trial["number"], 0, None)]
    assert campaign.get(path).get_json()["caveat"] == "归因结果，不代表因果"
    assert audited() == [("trial.planned", trial["number"]), ("trial.started", trial["number"])]
    few = campaign.post("/trials", wanted() | {"units": list(UNITS[:2])}, **{"Idempotency-Key": "other-key"})
    assert few.get_json()["error"]["code"] == "campaign.trial_impossible"
    assert campaign.get("/trials/ST0").get_json()["error"]["code"] == "campaign.unknown_trial"

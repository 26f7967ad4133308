from collections.abc import Callable
from datetime import timedelta

from config import clock
from storefront.roles import Role
from storefront.staff.pages import messages
from subway_campaign import errors
from tests.storefront.staff.conftest import Clerk
from tests.subway_campaign.conftest import World, world  # noqa: F401 - fixture
from tests.subway_campaign.test_trials import UNITS, lines  # noqa: F401 - fixture


def test_a_test_is_planned_started_and_shown(clerk: Callable[..., Clerk], lines: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    assert "还没有测试" in campaign.open("/trials").text
    day = clock.now().astimezone(clock.SHANGHAI).date() + timedelta(days=7)
    form = {"key": "form-0001", "name": "亮灯", "units": "\r\n".join(UNITS), "weeks": "6", "starts_on": day.isoformat()}
    places = {campaign.send("/trials", **form).location for _ in range(2)}
    (location,) = places
    path = location.removeprefix("/staff").partition("?")[0]
    page = campaign.open(path).text
    assert "开始测试" in page
    assert page.count('class="week on"') == 4 * 6 - page.count('class="week off"')
    assert campaign.send(f"{path}/start").location.endswith("done=trial_started")
    page = campaign.open(path).text
    assert "数据不足" in page
    assert "开始测试" not in page
    assert campaign.send(f"{path}/withdrawal").location.endswith("fault=campaign.trial_fixed")
    assert "亮灯" in clerk(Role.ANALYST).open("/trials").text


def test_a_past_without_sales_is_no_measure(clerk: Callable[..., Clerk], lines: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    day = clock.now().astimezone(clock.SHANGHAI).date() + timedelta(days=7)
    form = {"key": "form-0001", "name": "亮灯", "units": " ".join(UNITS), "weeks": "6", "starts_on": day.isoformat()}
    page = campaign.open(campaign.send("/trials", **form).location.removeprefix("/staff")).text
    assert "算不出能看出多小的差别" in page
    assert "¥0.00" not in page, "the smallest difference to be seen is never nothing"
    assert "0.00" not in campaign.open("/trials").text


def test_a_wrong_form_plans_nothing(clerk: Callable[..., Clerk], lines: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    day = clock.now().astimezone(clock.SHANGHAI).date() + timedelta(days=7)
    form = {"key": "form-0001", "name": "亮灯", "units": " ".join(UNITS), "weeks": "6", "starts_on": day.isoformat()}
    incomplete = messages.FAULTS["form.trial"]
    for wrong, said in (
        ({"weeks": "many"}, incomplete),
        ({"units": " "}, incomplete),
        ({"key": ""}, incomplete),
        ({"starts_on": "2026-02-30"}, incomplete),
        ({"units": "METRO.HF.L1"}, errors.TrialImpossible.message),
        ({"units": f"{form['units']} ATLANTIS"}, f"{errors.UnknownPlacement.message}：ATLANTIS"),
    ):
        refused = campaign.send("/trials", **(form | wrong))
        assert refused.status_code in {404, 422}
        assert said in refused.text
        assert 'value="亮灯"' in refused.text, "what was typed is kept"
    made = campaign.send("/trials", **form).location.removeprefix("/staff").partition("?")[0]
    assert campaign.send(f"{made}/withdrawal").location.endswith("done=trial_withdrawn")
    assert "已撤回" in campaign.open(made).text


def test_places_are_ticked_and_not_typed(clerk: Callable[..., Clerk], lines: World) -> None:  # noqa: F811
    campaign = clerk(Role.CAMPAIGN)
    page = campaign.open("/trials?level=line").text
    assert all(f'name="unit" value="{unit}"><span>' in page for unit in UNITS)
    every = campaign.open("/trials?level=line&all=yes").text
    assert all(f'value="{unit}" checked' in every for unit in UNITS)
    assert "这个范围里没有车厢" in campaign.open(f"/trials?level=car&under={UNITS[3]}").text
    day = clock.now().astimezone(clock.SHANGHAI).date() + timedelta(days=7)
    form = {"key": "form-0001", "name": "亮灯", "level": "line", "weeks": "many", "starts_on": day.isoformat()}
    refused = campaign.send("/trials", unit=list(UNITS[:3]), units="", **form)
    assert refused.status_code == 422
    assert [f'value="{unit}" checked' in refused.text for unit in UNITS[:4]] == [True] * 3 + [False]
    made = campaign.send("/trials", unit=list(UNITS[:3]), units="\n".join(UNITS[2:]), **(form | {"weeks": "6"}))
    assert made.location.endswith("done=trial_planned"), "ticked and typed go together, each once"

"""The map, the train and the wall: what stands on them is what the report says; without data they say so."""

import csv
import io
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from config import clock
from storefront.roles import Role
from storefront.staff.pages import frame, period
from tests.storefront.staff.conftest import Clerk, Counter

DOOR = "METRO.HF.L1.T01.C3.DR2"


def figures(clerk: Clerk, path: str) -> list[list[str]]:
    text = clerk.open(path).get_data(as_text=True).removeprefix("\ufeff")
    return [row for row in csv.reader(io.StringIO(text)) if len(row) > 1]


def test_a_sale_at_a_door_is_seen_on_train_map_wall_and_first_page(counter: Counter, codes: dict[str, str]) -> None:
    counter.scan(codes[DOOR])
    counter.buy()
    analyst = counter.hire(Role.ANALYST)
    now = clock.now().astimezone(clock.SHANGHAI)
    days = f"from={now.date() - timedelta(days=1)}&to={now.date()}"
    report = analyst.open(f"/report?{days}&under=METRO.HF.L1.T01").get_data(as_text=True)

    page = analyst.open(f"/train?{days}").get_data(as_text=True)
    for words in ("主题列车3号车厢 右侧2号车门", "数据不足", "未录入", "归因结果，不代表因果"):
        assert words in page
    assert f'href="/staff/report?{days.replace("&", "&amp;")}&amp;under={DOOR}"' in page
    drawn = analyst.open(f"/train.json?{days}").get_json()
    net = f"{sum(drawn['series'][0]['data']):,.2f}"
    assert net in report
    assert sum(drawn["series"][1]["data"]) == 1
    [total] = [row for row in figures(analyst, f"/train.csv?{days}&kind=all") if "合计" in row]
    assert total[7] == net.replace(",", "")
    assert "这段时间没有由侧墙展板带来的销售" in analyst.open(f"/train?{days}&kind=panel").get_data(as_text=True)

    option = analyst.open(f"/metro.json?{days}&measure=scans").get_json()
    items = [item for series in option["series"] if series["type"] == "scatter" for item in series["data"]]
    [train] = [item for item in items if "href" in item]
    assert train["href"].endswith("under=METRO.HF.L1.T01")
    assert "扫码 1 次，付款 1 笔" in train["name"]
    assert "1号线消费扶贫主题列车" in analyst.open(f"/metro?{days}").get_data(as_text=True)
    [total] = [row for row in figures(analyst, f"/metro.csv?{days}") if "合计" in row]
    assert total[-1] == net.replace(",", "")

    [total] = [row for row in figures(analyst, f"/metro.csv?{days}&product=huangshanmaofeng") if "合计" in row]
    assert total[-1] == "0.00", "a tea that nobody bought"
    kept = f"{days}&product=dangshansuli".replace("&", "&amp;")
    page = analyst.open(f"/metro?{days}&product=dangshansuli").get_data(as_text=True)
    assert f"/staff/metro?{kept}&amp;measure=orders" in page
    assert "按商品筛选" in page

    assert net in analyst.open("/wall").get_data(as_text=True)
    renewed = analyst.open("/wall/figures").get_data(as_text=True)
    assert "<html" not in renewed
    assert "点位归因合计与商城订单账一致" in renewed
    assert sum(analyst.open("/today.json").get_json()["series"][0]["data"]) == 1
    assert 'href="/staff/train"' in analyst.open("/").get_data(as_text=True)


def test_a_train_is_narrowed_to_a_campaign_an_artwork_and_goods(counter: Counter, codes: dict[str, str]) -> None:
    counter.scan(codes[DOOR])
    counter.buy()
    analyst = counter.hire(Role.ANALYST)
    now = clock.now().astimezone(clock.SHANGHAI)
    days = f"from={now.date() - timedelta(days=1)}&to={now.date()}"

    def net(narrowed: str) -> str:
        [total] = [row for row in figures(analyst, f"/train.csv?{days}&kind=all&{narrowed}") if "合计" in row]
        return total[7]

    page = analyst.open(f"/train?{days}").get_data(as_text=True)
    for words in ("地铁 · 1号线", 'name="campaign"', 'name="creative"', 'name="hall"', 'name="product"'):
        assert words in page
    [campaign] = re.findall(r'<select id="campaign".*?<option value="([^"]+)"', page.replace('value=""', ""))
    whole = net("")
    assert net(f"campaign={campaign}") == net("product=dangshansuli") == whole != "0.00"
    assert net("product=huangshanmaofeng") == "0.00"
    narrowed = analyst.open(f"/train?{days}&product=dangshansuli").get_data(as_text=True)
    assert "扫码是点位的全部扫码。成本不按这些条件拆分" in narrowed
    assert f"{days.replace('&', '&amp;')}&amp;product=dangshansuli&amp;under={DOOR}" in narrowed
    assert analyst.open(f"/train?{days}&campaign=ATLANTIS").status_code == 404
    [head] = [row for row in figures(analyst, f"/train.csv?{days}") if "净额（元）" in row]
    assert head[-1] == "点位全期成本（元）"


def test_a_choice_of_car_and_hour_stays_in_the_address(clerk: Callable[..., Clerk], codes: dict[str, str]) -> None:
    page = clerk(Role.ANALYST).open("/train?kind=all&car=METRO.HF.L1.T01.C2&hour=8").get_data(as_text=True)
    assert "座位图：8 时" in page
    assert "主题列车2号车厢的每个位置" in page
    assert "kind=all&amp;car=METRO.HF.L1.T01.C2&amp;hour=9" in page


def test_what_is_not_there_is_said(clerk: Callable[..., Clerk]) -> None:
    analyst = clerk(Role.ANALYST)
    assert "点位清单里还没有列车" in analyst.open("/train").get_data(as_text=True)
    assert analyst.open("/train?train=ATLANTIS").status_code == 404
    assert "这段时间地铁里没有扫码" in analyst.open("/metro").get_data(as_text=True)
    assert "今天还没有扫码" in analyst.open("/wall").get_data(as_text=True)
    assert analyst.open("/metro?from=2001-01-01&to=2026-11-01").status_code == 422
    assert analyst.open("/train?from=2026-13-01&to=x&kind=roof&hour=99").status_code == 200


def test_without_the_fetched_scripts_a_page_says_why_it_has_no_picture(
    clerk: Callable[..., Clerk], codes: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(frame, "SHELF", tmp_path)
    analyst = clerk(Role.ANALYST)
    page = analyst.open("/train").get_data(as_text=True)
    assert "画图组件还没有装上" in page
    assert "data-chart" not in page
    assert "每节车厢" in page
    assert 'http-equiv="refresh"' in analyst.open("/wall").get_data(as_text=True)


def test_last_week_is_monday_to_sunday() -> None:
    week = period.Period(date(2026, 11, 9), date(2026, 11, 15))
    assert {period.last_week(date(2026, 11, 16) + timedelta(days=n)) for n in range(7)} == {week}
    assert week.days == 7
    assert period.read({"from": "2026-11-20", "to": "2026-11-10"}, week) == week
    assert period.read({"from": "2026-11-10", "to": "2026-11-10"}, week).days == 1

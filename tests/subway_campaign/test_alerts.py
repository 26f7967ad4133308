"""Alerts: one open per subject, taken, closed, and opened anew."""

import pytest

from config import database
from subway_campaign import alerts, errors
from subway_campaign.field_models import AlertKind, AlertResolution
from tests.subway_campaign.conftest import World, beijing

NOW = beijing(3, 1)


def test_an_alert_is_opened_once_taken_closed_and_opened_anew(world: World) -> None:
    code, where = world.codes["A"], world.numbers["A"]
    with database.transaction() as session:
        said = {"kind": AlertKind.SILENT, "subject": code, "placement": where, "now": NOW}
        assert alerts.open(session, **said, evidence={"siblings": 100})
        assert not alerts.open(session, **said, evidence={"siblings": 120, "chance": 0.002})
        assert alerts.open(session, **said | {"kind": AlertKind.ORPHAN}, evidence={})
        (silent,) = alerts.listing(session, is_open=True, kind=AlertKind.SILENT)
        assert silent["evidence"] == {"siblings": 120, "chance": 0.002}
        number = silent["number"]
        assert alerts.take(session, number=number, owner="li", now=NOW)["owner"] == "li"
        assert alerts.take(session, number=number, owner="wang", now=NOW)["owner"] == "wang"
        ended = alerts.close(
            session, number=number, resolution=AlertResolution.FIXED, note="换了新码", by="wang", now=NOW
        )
        assert (ended["resolution"], ended["closed_by"], ended["placement"]) == ("fixed", "wang", where)
        for act in (
            lambda: alerts.take(session, number=number, owner="li", now=NOW),
            lambda: alerts.close(
                session, number=number, resolution=AlertResolution.HARMLESS, note="", by="li", now=NOW
            ),
        ):
            with pytest.raises(errors.AlertClosed):
                act()
        assert alerts.open(session, **said, evidence={})
        assert [len(alerts.listing(session, is_open=one)) for one in (True, False)] == [2, 1]
        with pytest.raises(errors.UnknownAlert):
            alerts.find(session, number="AL0")

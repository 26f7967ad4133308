"""Wrong logins earn a wait that grows, for one name from one network."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from config import database
from storefront.errors import LoginDelayed
from storefront.staff import delays
from storefront.staff_models import LoginDelay
from tests.storefront.conftest import NOW

HOME = "203.0.113.0/24"


def attempt(at: datetime, username: str = "boss", network: str = HOME) -> int:
    """Try at `at`; returns 0 when heard, else the seconds to wait."""
    try:
        with database.transaction() as session:
            delays.count(session, username=username, network=network, now=at)
    except LoginDelayed as refused:
        return refused.retry_after or -1
    return 0


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(db: None) -> None:
    at, waits = NOW, []
    for _ in range(16):
        assert attempt(at) == 0
        wait = attempt(at)
        waits.append(wait)
        at += timedelta(seconds=wait)
        if not wait:
            # The probe itself was heard: it counts as the next attempt.
            waits.append(attempt(at))
            at += timedelta(seconds=waits[-1])
    assert waits[-1] == delays.DELAYS_S[-1] == 900
    assert sorted(waits) == waits


def test_nobody_waits_for_somebody_else(db: None) -> None:
    while not attempt(NOW):
        pass
    assert attempt(NOW, username="clerk") == 0
    assert attempt(NOW, network="198.51.100.0/24") == 0
    assert attempt(NOW) == 1


def test_a_wait_is_over_on_time(db: None) -> None:
    while not (wait := attempt(NOW)):
        pass
    assert attempt(NOW + timedelta(seconds=wait) - timedelta(milliseconds=1)) == 1
    assert attempt(NOW + timedelta(seconds=wait)) == 0


def test_success_and_a_quiet_day_start_anew(db: None) -> None:
    while not attempt(NOW):
        pass
    with database.transaction() as session:
        delays.forget(session, username="boss", network=HOME)
    assert attempt(NOW) == 0
    while not attempt(NOW):
        pass
    later = NOW + delays.FORGET_AFTER + timedelta(seconds=1)
    assert [attempt(later) for _ in range(4)] == [0, 0, 0, 0]


def test_guesses_in_parallel_do_not_slip_past(db: None) -> None:
    together = Barrier(12, timeout=60)

    def go(_: int) -> bool:
        together.wait()
        return attempt(NOW) == 0

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(go, range(12))) == delays.DELAYS_S.index(1) + 1


def test_purging_forgets_old_attempts(db: None) -> None:
    attempt(NOW)
    with database.transaction() as session:
        delays.purge(session, before=NOW)
        assert session.scalar(select(func.count()).select_from(LoginDelay)) == 1
        delays.purge(session, before=NOW + timedelta(seconds=1))
        assert session.scalar(select(func.count()).select_from(LoginDelay)) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        (None, "unknown"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("1.2.3.4, 5.6.7.8", "unknown"),
    ],
)
def test_neighbours_share_a_network(address: str | None, network: str) -> None:
    assert delays.network_of(address) == network

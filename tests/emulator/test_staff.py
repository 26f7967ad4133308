"""The simulation's member of staff."""

from pathlib import Path

import pytest

from emulator.browser import GaveUp
from emulator.staff import Account, one_time_code, read_account


def test_one_time_codes_are_those_of_rfc_6238() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    vectors = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert {at: one_time_code(secret, at) for at in vectors} == vectors


def test_the_desks_account_is_read_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "desk-account.json"
    with pytest.raises(GaveUp, match="start the shop first"):
        read_account(path)
    path.write_text('{"username": "desk-1", "password": "p", "totp_secret": "AAAA"}')
    assert read_account(path) == Account("desk-1", "p", "AAAA")

"""Passwords and one-time codes."""

import time
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from config import settings as process_settings
from config.settings import Settings
from storefront.staff import factors
from tests.storefront.conftest import NOW


def test_a_password_matches_its_own_hash(db: None) -> None:
    stored = factors.hash_password("right password")
    assert stored.startswith("$argon2id$")
    assert factors.hash_password("right password") != stored
    assert factors.password_matches(stored, "right password")
    assert not factors.password_matches(stored, "wrong password")
    assert not factors.password_matches(stored, "")
    assert not factors.password_matches("no hash", "right password")


def test_an_account_that_does_not_exist_takes_as_long() -> None:
    assert not factors.password_matches(None, "nobody's password")

    def least(stored: str | None) -> float:
        took = []
        for _ in range(5):
            began = time.process_time()
            factors.password_matches(stored, "wrong password")
            took.append(time.process_time() - began)
        return min(took)

    known = least(factors.hash_password("right password"))
    assert known / 3 < least(None) < known * 3


def test_a_code_matches_within_a_step_of_drift(db: None) -> None:
    secret = factors.new_secret()
    sealed = factors.seal(secret)
    assert secret not in sealed
    code = pyotp.TOTP(secret).at(NOW)
    step = int(NOW.timestamp()) // 30
    for drift in (-30, 0, 30):
        assert factors.matching_step(sealed, code, now=NOW + timedelta(seconds=drift)) == step
    for drift in (-60, 60, 3600):
        assert factors.matching_step(sealed, code, now=NOW + timedelta(seconds=drift)) is None


@pytest.mark.parametrize("code", ["", "000", "abcdef", "１２３４５６", "0" * 1000])
def test_other_text_is_no_code(db: None, code: str) -> None:
    assert factors.matching_step(factors.seal(factors.new_secret()), code, now=NOW) is None


def test_a_changed_secret_key_makes_codes_match_nothing(db: None, settings: Settings) -> None:
    secret = factors.new_secret()
    sealed = factors.seal(secret)
    process_settings.use(replace(settings, secret_key="another" + settings.secret_key))
    assert factors.matching_step(sealed, pyotp.TOTP(secret).at(NOW), now=NOW) is None


def test_an_authenticator_app_is_told_the_secret_once(db: None) -> None:
    secret = factors.new_secret()
    uri = factors.enrolment_uri(secret, "boss")
    assert pyotp.parse_uri(uri).secret == secret

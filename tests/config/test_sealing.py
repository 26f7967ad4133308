"""Seals open for their own purpose and key only."""

from dataclasses import replace

import pytest

from config import sealing
from config import settings as process_settings
from config.settings import Settings


@pytest.fixture(autouse=True)
def keyed(settings: Settings) -> None:
    process_settings.use(settings)


def test_what_is_sealed_is_read_again() -> None:
    sealed = sealing.seal("6217000012345678", purpose="test.one")
    assert "6217" not in sealed
    assert sealed != sealing.seal("6217000012345678", purpose="test.one")
    assert sealing.unseal(sealed, purpose="test.one") == "6217000012345678"


def test_another_purpose_or_key_or_text_is_unreadable(settings: Settings) -> None:
    sealed = sealing.seal("x", purpose="test.one")
    for broken, purpose in ((sealed, "test.two"), (sealed[:-4], "test.one"), ("字", "test.one")):
        with pytest.raises(sealing.Unreadable):
            sealing.unseal(broken, purpose=purpose)
    process_settings.use(replace(settings, secret_key="another-key-that-is-32-characters-long"))
    with pytest.raises(sealing.Unreadable):
        sealing.unseal(sealed, purpose="test.one")

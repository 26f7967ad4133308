"""Sealing: only the right key and the right subject open it, and nothing of it can be changed unseen."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from config import settings as process_settings
from config.settings import Settings
from storefront import sealing
from storefront.sealing import Sealed, Unreadable

OWN, OTHER = "own-key-0123456789abcdefghijklmnopqr", "other-key-0123456789abcdefghijklmnop"


@pytest.fixture(autouse=True)
def back(settings: Settings) -> Iterator[None]:
    process_settings.use(settings)
    yield
    process_settings.use(settings)


def use(settings: Settings, key: str | None = None, previous: str | None = None) -> None:
    process_settings.use(replace(settings, household_key=key, household_key_previous=previous))


def test_what_is_sealed_opens_for_the_same_subject_only() -> None:
    sealed = sealing.seal("王大山".encode(), about="H1")
    assert sealing.unseal(sealed, about="H1").decode() == "王大山"
    assert "王大山".encode() not in sealed.box
    assert sealing.seal("王大山".encode(), about="H1").box != sealed.box
    with pytest.raises(Unreadable):
        sealing.unseal(sealed, about="H2")


@pytest.mark.parametrize("at", [0, 12, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    sealed = sealing.seal(b"x" * 20, about="H1")
    box = bytearray(sealed.box)
    box[at] ^= 1
    with pytest.raises(Unreadable):
        sealing.unseal(Sealed(sealed.key_id, bytes(box)), about="H1")
    with pytest.raises(Unreadable):
        sealing.unseal(Sealed(sealed.key_id, sealed.box[:5]), about="H1")


def test_a_new_key_seals_while_the_old_ones_open(settings: Settings) -> None:
    of_secret = sealing.seal(b"x", about="H1")
    use(settings, OWN)
    of_own = sealing.seal(b"x", about="H1")
    assert of_own.key_id == sealing.present_key_id() != of_secret.key_id
    assert sealing.unseal(of_secret, about="H1") == b"x"
    use(settings, OTHER, OWN)
    assert sealing.unseal(of_own, about="H1") == b"x"
    use(settings, OTHER)
    with pytest.raises(Unreadable):
        sealing.unseal(of_own, about="H1")

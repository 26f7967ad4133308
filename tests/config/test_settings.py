"""Settings: complete and safe, or refused with every reason at once."""

import pytest

from config.settings import Settings, SettingsError


def faults(environment: dict[str, str], **changes: str) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**environment, **changes})
    return "\n".join(caught.value.faults)


def test_an_empty_environment_names_everything_that_is_missing_at_once() -> None:
    text = faults({})
    for name in ("DATABASE_URL", "SECRET_KEY", "WECHATPAY_APIV3_KEY", "WECHATPAY_PUBLIC_KEY_FILE", "PUBLIC_BASE_URL"):
        assert name in text


@pytest.mark.parametrize("secret", ["short", "a" * 40, "changeme"])
def test_a_weak_secret_is_refused(environment: dict[str, str], secret: str) -> None:
    assert "SECRET_KEY is too weak" in faults(environment, SECRET_KEY=secret)


def test_an_apiv3_key_of_the_wrong_length_shows_at_start_and_not_at_the_first_notification(
    environment: dict[str, str],
) -> None:
    assert "exactly 32 bytes" in faults(environment, WECHATPAY_APIV3_KEY="too short")


@pytest.mark.parametrize("name", ["WECHAT_API_BASE_URL", "WECHAT_OPEN_BASE_URL", "WECHATPAY_BASE_URL"])
def test_a_plain_http_wechat_is_refused_off_the_desk(environment: dict[str, str], name: str) -> None:
    changes = {"ALLOW_EMULATED_WECHAT": "0", "PUBLIC_BASE_URL": "https://hall.example"}
    assert f"{name} must be https" in faults(environment, **changes)


def test_the_desk_switch_is_refused_on_a_public_https_site(environment: dict[str, str]) -> None:
    assert "is for a desk" in faults(environment, PUBLIC_BASE_URL="https://hall.example")


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite:///x.db"])
def test_only_postgresql_is_a_database(environment: dict[str, str], url: str) -> None:
    assert "DATABASE_URL" in faults(environment, DATABASE_URL=url)


@pytest.mark.parametrize("url", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_every_spelling_of_a_postgresql_url_is_normalised(environment: dict[str, str], url: str) -> None:
    assert Settings.from_env({**environment, "DATABASE_URL": url}).database_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize("value", ["-1", "6", "x", "１"])
def test_numbers_are_whole_and_within_bounds(environment: dict[str, str], value: str) -> None:
    assert "TRUSTED_PROXIES must be a whole number from 0 to 5" in faults(environment, TRUSTED_PROXIES=value)


def test_the_push_needs_token_and_key_and_the_notice_known_words(environment: dict[str, str]) -> None:
    key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    assert "43 characters" in faults(environment, WECHAT_PUSH_TOKEN="t", WECHAT_PUSH_AES_KEY=key[1:])
    assert "go together" in faults(environment, WECHAT_PUSH_TOKEN="t")
    assert "go together" in faults(environment, WECHAT_PUSH_AES_KEY=key)
    assert "key=value pairs" in faults(environment, WECHAT_SHIPPED_TEMPLATE_KEYS="thing1=password")
    plugged = Settings.from_env({**environment, "WECHAT_PUSH_TOKEN": "t", "WECHAT_PUSH_AES_KEY": key})
    assert (plugged.wechat_push_token, plugged.wechat_push_aes_key) == ("t", key)

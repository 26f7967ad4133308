import pytest

from subway_campaign import scenes
from subway_campaign.lifecycle import Drop, TouchKind


@pytest.mark.parametrize(
    ("scene", "kind"),
    [
        (1011, TouchKind.SCAN),
        (1047, TouchKind.SCAN),
        (1025, TouchKind.SCAN),
        (1124, TouchKind.SCAN),
        (1013, TouchKind.SCAN_ALBUM),
        (1049, TouchKind.SCAN_ALBUM),
        (1012, TouchKind.SCAN_LONGPRESS),
        (1048, TouchKind.SCAN_LONGPRESS),
        (1007, TouchKind.SHARE_OPEN),
        (1155, TouchKind.SHARE_OPEN),
        (1089, TouchKind.REVISIT),
    ],
)
def test_r01_the_scene_decides_the_kind(scene: int, kind: TouchKind) -> None:
    assert scenes.kind_of(scene=scene, has_q=True, has_nonce=True, has_code=True) is kind


def test_r02_q_without_a_nonce_is_a_revisit_and_a_printed_mini_program_code_is_not() -> None:
    assert scenes.kind_of(scene=1011, has_q=True, has_nonce=False, has_code=True) is TouchKind.REVISIT
    assert scenes.kind_of(scene=1047, has_q=False, has_nonce=False, has_code=True) is TouchKind.SCAN
    assert scenes.kind_of(scene=1011, has_q=False, has_nonce=False, has_code=False) is TouchKind.REVISIT


def test_r05_machines_are_named() -> None:
    assert scenes.drop_of_scene(1129) is Drop.CRAWLER
    assert scenes.drop_of_scene(1017) is Drop.TRIAL
    assert scenes.drop_of_scene(1030) is Drop.AUTOMATION
    assert scenes.drop_of_scene(1011) is None


@pytest.mark.parametrize(
    ("method", "user_agent", "headers", "drop"),
    [
        ("HEAD", "Mozilla/5.0 MicroMessenger/8", {}, Drop.HEAD),
        ("GET", "Mozilla/5.0 (iPhone) mpcrawler", {}, Drop.CRAWLER),
        ("GET", "Baiduspider/2.0", {}, Drop.CRAWLER),
        ("GET", "Mozilla/5.0", {"sec-purpose": "prefetch;prerender"}, Drop.PREFETCH),
        ("GET", "Mozilla/5.0", {"x-moz": "prefetch"}, Drop.PREFETCH),
        ("GET", "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50", {"purpose": ""}, None),
        ("GET", "Cubot Note 20", {}, None),
    ],
)
def test_r05_requests_of_machines(method: str, user_agent: str, headers: dict[str, str], drop: Drop | None) -> None:
    assert scenes.drop_of_request(method=method, user_agent=user_agent, headers=headers) is drop


@pytest.mark.parametrize(
    ("user_agent", "page", "kind"),
    [
        ("Mozilla/5.0 MicroMessenger/8.0.50", "https://hall/p/x?tk=1", TouchKind.SHARE_OPEN),
        ("Mozilla/5.0 (iPhone) Safari", "https://hall/p/x?tk=1&from=timeline", TouchKind.SHARE_OPEN),
        ("Mozilla/5.0 (iPhone) Safari", "https://hall/p/x?tk=1&from=", TouchKind.SHARE_OPEN),
        ("Mozilla/5.0 (iPhone) Safari", "https://hall/p/x?tk=1", TouchKind.CONTINUED),
        ("", "", TouchKind.CONTINUED),
        ("Mozilla/5.0", "http://[?tk=1&from", TouchKind.CONTINUED),
    ],
)
def test_r03_outside_of_wechat_nobody_can_tell_a_share_from_the_owners_other_browser(
    user_agent: str, page: str, kind: TouchKind
) -> None:
    assert scenes.kind_of_forwarded(user_agent=user_agent, page=page) is kind

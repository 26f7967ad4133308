"""What the launch of a mini-program, or the opening of a printed link, was (R1 to R3, R5).

Invariant: pure; a scene number decides the kind, and only a fresh `scancode_time` makes a launch with `q` a scan.
"""

import re
from collections.abc import Mapping

from subway_campaign.lifecycle import Drop, TouchKind

CAMERA = frozenset({1011, 1025, 1047, 1124})
ALBUM = frozenset({1013, 1032, 1049, 1126})
LONGPRESS = frozenset({1012, 1031, 1048, 1125})
SHARE = frozenset({1007, 1008, 1036, 1044, 1096, 1154, 1155, 1158, 1160, 1185})
# WeChat opens pages by itself: its crawler, the trial build, and automated tests.
_MACHINES = {1129: Drop.CRAWLER, 1017: Drop.TRIAL, 1030: Drop.AUTOMATION}
# WeChat's own is mpcrawler.
_CRAWLERS = ("crawl", "spider", "slurp", "facebookexternalhit", "headlesschrome")
# A Cubot is a telephone.
_BOT = re.compile(r"(?<!cu)bot\b")
_IN_WECHAT = "MicroMessenger"
_SENT_ON = re.compile("[?&]from=")
PREFETCH_HEADERS = ("purpose", "x-purpose", "x-moz", "sec-purpose")


def kind_of(*, scene: int, has_q: bool, has_nonce: bool, has_code: bool) -> TouchKind:
    """Return what a launch was; whether its nonce was seen before is for the database to say (R2)."""
    if scene in SHARE:
        return TouchKind.SHARE_OPEN
    if not has_code or (has_q and not has_nonce):
        return TouchKind.REVISIT
    if scene in CAMERA:
        return TouchKind.SCAN
    if scene in ALBUM:
        return TouchKind.SCAN_ALBUM
    if scene in LONGPRESS:
        return TouchKind.SCAN_LONGPRESS
    return TouchKind.REVISIT


def kind_of_forwarded(*, user_agent: str, page: str) -> TouchKind:
    """Return what it was that somebody else than its owner opened a scan's page, whose address is `page` (R3).

    WeChat adds `from` to what is sent on in it. Outside of it and without that, it may as well be the owner, who went
    on in another browser: nobody can tell, and it gets a line of its own.
    """
    is_sent_on = _IN_WECHAT in user_agent or _SENT_ON.search(page) is not None
    return TouchKind.SHARE_OPEN if is_sent_on else TouchKind.CONTINUED


def drop_of_scene(scene: int) -> Drop | None:
    """Return why a launch with this scene was no person, or None."""
    return _MACHINES.get(scene)


def drop_of_request(*, method: str, user_agent: str, headers: Mapping[str, str]) -> Drop | None:
    """Return why a GET of a printed link was no person's scan, or None. `headers` looks names up in lower case."""
    if method == "HEAD":
        return Drop.HEAD
    if _is_crawler(user_agent.lower()):
        return Drop.CRAWLER
    for name in PREFETCH_HEADERS:
        if "prefetch" in headers.get(name, ""):
            return Drop.PREFETCH
    return None


def _is_crawler(user_agent: str) -> bool:
    """Look for the words one by one: a single expression of them all costs a scan twenty times as much."""
    return any(word in user_agent for word in _CRAWLERS) or (
        "bot" in user_agent and _BOT.search(user_agent) is not None
    )

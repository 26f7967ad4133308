"""Chinese names in pinyin, for slugs and for searching by sound.

Invariant: the dictionary (55 MB) is loaded on the first call only, so whoever merely reads the catalog never pays
for it; no module that a web worker imports may import this one.
"""

from functools import cache, lru_cache
from types import ModuleType

# Local readings that the dictionary gets wrong: 涡阳 is guo, 长丰, 天长 and 长淮 are chang, 重楼 is chong.
_LOCAL_READINGS = {
    "涡阳": [["guō"], ["yáng"]],
    "长丰": [["cháng"], ["fēng"]],
    "天长": [["tiān"], ["cháng"]],
    "长淮": [["cháng"], ["huái"]],
    "重楼": [["chóng"], ["lóu"]],
}


@cache
def _dictionary() -> ModuleType:
    import pypinyin  # 55 MB: see the module's invariant

    pypinyin.load_phrases_dict(_LOCAL_READINGS)
    return pypinyin


def syllables(text: str) -> list[str]:
    """Return one lower-case ASCII syllable per Chinese character of `text`, ü written v; all else is dropped."""
    return list(_read(text))


# All goods of a sheet are from a few hundred places, each of which is read again with every one of them.
@lru_cache(1024)
def _read(text: str) -> tuple[str, ...]:
    return tuple(str(syllable) for syllable in _dictionary().lazy_pinyin(text, errors="ignore"))

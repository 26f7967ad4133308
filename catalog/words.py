"""Words that people use beside those on the label: places, other names for the same goods, kinds, empty words.

Invariant: pure; read once from `data/words.csv` and `data/regions.csv`, of which `data/PROVENANCE.md` tells the source.
"""

import csv
import re
from functools import cache
from importlib import resources

from catalog import sounds

_WORD_FOR_KIND = {"省": "sheng", "市": "shi", "县": "xian", "区": "qu"}
_UMLAUT = re.compile("([ln])v")
# Shorter pinyin of a place is also the beginning of too many other words.
MIN_PLACE_LETTERS = 4


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("catalog") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _groups(kind: str) -> list[list[str]]:
    return [row["words"].split() for row in _rows("words.csv") if row["kind"] == kind]


@cache
def same() -> dict[str, tuple[str, ...]]:
    """Return each word, and its pinyin, that has other names → all of them, itself among them.

    In pinyin also as those read it who take a character for one that looks like it, haoju for 亳菊, and without the
    dots that many keyboards do not have: lu for lü.
    A kind of goods stands for all that are of it, but none of these for another; so does an English word, of which one
    or more may be meant, written without spaces. A single character is on too many
    labels to stand for a word, or a word for it.
    """
    meant: dict[str, dict[str, None]] = {}
    for group in _groups("same"):
        alike = dict.fromkeys(word for word in group if len(word) > 1)
        for key in [key for word in alike for key in (word, sounds.heard(word))]:
            meant.setdefault(key, {}).update(alike)
    for kind, *members in _groups("kind"):
        for key in (kind, sounds.heard(kind)):
            meant.setdefault(key, {}).update(dict.fromkeys([kind, *members]))
        for member in members:
            meant.setdefault(member, {})[member] = None
    for word, *names in _groups("english"):
        every = dict.fromkeys(other for name in names for other in meant.get(name, (name,)))
        for key in (word, f"{word}s", f"{word}es"):
            meant.setdefault(key, {}).update(every)
    for word in [word for word in meant if not word.isascii()]:
        for read in _misread(word):
            meant.setdefault(read, meant[word])
    return {word: tuple(others) for word, others in meant.items()}


@cache
def fillers() -> frozenset[str]:
    """Return the words that say nothing about what is looked for."""
    return frozenset(word for group in _groups("filler") for word in group)


@cache
def general() -> frozenset[str]:
    """Return those of the empty words that ask for anything that is sold here."""
    return frozenset(word for group in _groups("general") for word in group)


@cache
def places() -> dict[str, tuple[str, ...]]:
    """Return each name of a place, long, short and in pinyin → the Chinese names that it may mean.

    In pinyin also as strangers read it: liuan for 六安, haozhou for 亳州, which looks like 毫州.
    """
    found: dict[str, dict[str, None]] = {}
    for row in _rows("regions.csv"):
        name, kind = row["name"], row["name"][-1]
        stem = row["pinyin"].removesuffix(_WORD_FOR_KIND[kind])
        short, brief = (name[:-1], stem) if len(name) > 2 else (name, row["pinyin"])
        for key, meant in ((name, name), (short, short), (row["pinyin"], name), (brief, short)):
            if not key.isascii() or len(key) >= MIN_PLACE_LETTERS:
                found.setdefault(key, {})[meant] = None
    for place in [place for place in found if not place.isascii()]:
        for read in _misread(place):
            found.setdefault(read, {place: None})
    for area, *within in _groups("area"):
        for key in (area, sounds.heard(area)):
            found.setdefault(key, {}).update(dict.fromkeys([area, *within]))
    return {place: tuple(meant) for place, meant in found.items()}


def _misread(word: str) -> set[str]:
    """Return the pinyin of a word with one character taken for another or none, and lu for lü, each long enough."""
    found = {sounds.heard(word)}
    for at, character in enumerate(word):
        twins = (twin for pair in _alike() if character in pair for twin in pair - {character})
        found |= {sounds.heard(word[:at] + twin + word[at + 1 :]) for twin in twins}
    found |= {_UMLAUT.sub(r"\1u", read) for read in found}
    return {read for read in found if len(read) >= MIN_PLACE_LETTERS}


@cache
def tails() -> tuple[str, ...]:
    """Return the words for a kind of goods that people add behind a name, the longest first."""
    return tuple(sorted((word for group in _groups("tail") for word in group), key=len, reverse=True))


@cache
@cache
def uses() -> tuple[str, ...]:
    """Return the words for what goods are used for, which no label need say: 石斛泡酒, 下饭酱."""
    return tuple(word for group in _groups("use") for word in group)


@cache
@cache
def pictures() -> dict[str, str]:
    """Return each character that is a picture of goods, sold here or not → the word for them: 🍓 → 草莓."""
    return {picture: word for word, *drawn in _groups("picture") for picture in drawn}


@cache
def _briefest() -> dict[str, str]:
    """Return each other name of one character → the name on the label, and the one-character kinds: 姜 → 生姜."""
    kinds = {kind: kind for kind in tails() if len(kind) == 1}
    return kinds | {word: name for name, *others in _groups("same") for word in others if len(word) == 1}


def uncut(part: str) -> str:
    """Return what goods are called before they are cut or counted among their kind; any other part as it is.

    姜片 → 生姜, 保健品 → 保健.
    """
    stem, end = part[:-1], part[-1:]
    if part in same() or not any(end in group for group in _groups("cut")):
        return part
    return _briefest().get(stem, stem if len(stem) > 1 else part)


@cache
def _stems() -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for place in places():
        if not place.isascii():
            found.setdefault(len(place), []).append(place)
    return {length: tuple(sorted(each)) for length, each in found.items()}


@cache
def _alike() -> frozenset[frozenset[str]]:
    pairs = (
        {one, other}
        for group in _groups("alike")
        for twins in group
        for one in twins
        for other in twins
        if one != other
    )
    return frozenset(map(frozenset, pairs))


def look_alike(one: str, other: str) -> bool:
    """Tell whether two characters are mistaken for each other by the eye."""
    return frozenset((one, other)) in _alike()


def misspelt(run: str) -> list[str] | None:
    """Return a run that begins with the name of a place written wrong, cut behind it and put right; None of others.

    One character sounds or looks like the right one, and another is right; before the name of goods all may only sound
    like the right ones.
    """
    for length in range(min(len(run), 4), 1, -1):
        typed = run[:length]
        for place in _stems().get(length, ()):
            slips = [(one, other) for one, other in zip(typed, place, strict=True) if one != other]
            if len(slips) == 1 and (look_alike(*slips[0]) or sounds.of(slips[0][0]) == sounds.of(slips[0][1])):
                return [part for part in (place, run[length:]) if part]
    for length in range(min(len(run) - 2, 4), 1, -1):
        for place in _stems().get(length, ()):
            if run[:length] != place and sounds.heard(run[:length]) == sounds.heard(place):
                return [place, run[length:]]
    return None


@cache
def _longest() -> int:
    return max(map(len, [*places(), *fillers(), *same()]))


def parts(run: str) -> list[str]:
    """Return a run cut where a place, another name or an empty word begins and ends; pinyin only around a place."""
    if run.isascii():
        return _cut_letters(run)
    found, plain, at = [], "", 0
    while at < len(run):
        for end in range(min(len(run), at + _longest()), at, -1):
            word = run[at:end]
            if word in places() or word in fillers() or word in same():
                found += [plain, word]
                plain, at = "", end
                break
        else:
            plain, at = plain + run[at], at + 1
    return [part for part in [*found, *_cut_tail(plain)] if part]


def _cut_tail(plain: str) -> list[str]:
    """Return what no list knows, without the kind of goods that it ends with; a name has two characters at least."""
    for tail in tails():
        if plain.endswith(tail) and len(plain) - len(tail) > 1:
            return [plain[: -len(tail)], tail]
    return [plain]


def _cut_letters(run: str) -> list[str]:
    for length in range(len(run) - 1, MIN_PLACE_LETTERS - 1, -1):
        if run[:length] in places():
            return [run[:length], run[length:]]
        if run[-length:] in places():
            return [run[:-length], run[-length:]]
    return [run]

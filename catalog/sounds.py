"""How Chinese characters sound and which traditional form stands for which, from two small files.

Invariant: pure and small enough for a web worker, unlike the dictionary behind `catalog.romanise`; a character has
the one reading that it has most often, so names that the shop knows keep the reading written for them.
"""

import csv
import re
from functools import cache, lru_cache
from importlib import resources
from itertools import combinations, product
from string import ascii_lowercase

# What many speakers do not tell apart, folded one way: flat and curled tongue, n and l, f and h, front and back nasals;
# and ü, which many keyboards do not have.
_FOLDS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in"), ("v", "u"))
_SWAPS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"), ("f", "h"), ("ng", "n"), ("v", "u"))
_TONED = re.compile(r"(?:[a-z]+[1-5])+")
_LONGEST = 6
# In more syllables than this two that are said otherwise may be anywhere: too many ways to ask for.
_MOST_SAID_OTHERWISE = 5


def _rows(name: str) -> list[list[str]]:
    text = (resources.files("catalog") / "data" / name).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))[1:]


@cache
def _readings() -> dict[str, str]:
    return {character: syllable for syllable, characters in _rows("sounds.csv") for character in characters}


@cache
def _known() -> frozenset[str]:
    return frozenset(syllable for syllable, _ in _rows("sounds.csv"))


@cache
def _variants() -> dict[int, str]:
    return {ord(variant): character for character, variants in _rows("variants.csv") for variant in variants}


def simplify(text: str) -> str:
    """Return `text` with traditional characters replaced by the simplified ones."""
    return text.translate(_variants())


def of(character: str) -> str:
    """Return the syllable of a Chinese character; anything else is returned as it is."""
    return _readings().get(character, character)


def heard(text: str) -> str:
    """Return `text` with every Chinese character replaced by its syllable and nothing between them."""
    return "".join(map(of, text))


@cache
def fold(syllable: str) -> str:
    """Return a syllable as those say it who do not tell zh from z, n from l, f from h, or ang from an."""
    for sharp, dull in _FOLDS:
        syllable = syllable.replace(sharp, dull)
    if syllable[:1] == "n":
        return "l" + syllable[1:]
    return "f" + syllable[1:] if syllable[:1] == "h" else syllable


@lru_cache(256)
def split(letters: str) -> list[str] | None:
    """Return `letters` as syllables, the fewest there can be, or None when they are no pinyin."""
    best: list[list[str] | None] = [[]] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST), end):
            before = best[start]
            if before is not None and letters[start:end] in _known():
                present = best[end]
                if present is None or len(before) + 1 < len(present):
                    best[end] = [*before, letters[start:end]]
    return best[-1]


def _is_spelled(letters: str) -> bool:
    """Tell whether `letters` are syllables; most that are not are found out within the first few."""
    ends, reached = {0}, 0
    for start in range(len(letters)):
        if start in ends:
            possible = range(start + 1, min(start + _LONGEST, len(letters)) + 1)
            ends |= {end for end in possible if letters[start:end] in _known()}
            reached = max(ends)
        elif start >= reached:
            return False
    return len(letters) in ends


def untoned(run: str) -> str:
    """Return pinyin written with tone digits, `dang4shan1`, without them; any other run as it is."""
    if not _TONED.fullmatch(run):
        return run
    letters = re.sub(r"[1-5]", " ", run).split()
    return "".join(letters) if all(part in _known() for part in letters) else run


@cache
def _said_alike() -> dict[str, tuple[str, ...]]:
    alike: dict[str, list[str]] = {}
    for syllable in sorted(_known()):
        alike.setdefault(fold(syllable), []).append(syllable)
    return {syllable: tuple(alike[fold(syllable)]) for syllable in _known()}


def said_otherwise(letters: str) -> set[str]:
    """Return the pinyin that `letters` are for those who do not tell one or two of their syllables from others."""
    syllables = split(letters)
    if syllables is None or len(syllables) > _MOST_SAID_OTHERWISE:
        return set()
    found = set()
    for places in combinations(range(len(syllables)), min(2, len(syllables))):
        said = [_said_alike()[each] if at in places else (each,) for at, each in enumerate(syllables)]
        found |= {"".join(each) for each in product(*said)}
    return found


def misheard(letters: str) -> set[str]:
    """Return the pinyin that `letters` may be for those who do not tell two sounds apart in one place of it."""
    found = set()
    for at in range(len(letters)):
        head, tail = letters[:at], letters[at:]
        for sharp, dull in _SWAPS:
            found |= {head + dull + tail[len(sharp) :]} if tail.startswith(sharp) else set()
            found |= {head + sharp + tail[len(dull) :]} if tail.startswith(dull) else set()
    return {each for each in found if _is_spelled(each)}


def mistyped(letters: str) -> set[str]:
    """Return the pinyin that is one slip of the finger away: a letter too many, too few, wrong, or two swapped."""
    found = set()
    for at in range(len(letters) + 1):
        head, tail = letters[:at], letters[at:]
        found |= {head + letter + tail for letter in ascii_lowercase}
        found |= {head + letter + tail[1:] for letter in ascii_lowercase} | {head + tail[1:]}
        found.add(head + tail[1:2] + tail[:1] + tail[2:])
    return {each for each in found if each != letters and _is_spelled(each)}

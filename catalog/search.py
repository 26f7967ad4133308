"""What can be found by which words: the grams written for a product and the query made from what people type.

Invariant: pure; nothing that people type reaches SQL as syntax, because a query holds only letters, digits and
Chinese characters, and its size is bounded.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Longer than any product name; what lies beyond is cut off rather than refused, as people paste whole sentences.
MAX_QUERY_LENGTH = 64
MAX_TERMS = 8
# Two characters of which one is wrong would find everything that shares the other.
MIN_CLOSE = 3

_RUNS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[0-9a-z]+")
_APOSTROPHES = re.compile(r"(?<=[a-z])['\u2019\u02bc](?=[a-z])")


@dataclass(frozen=True, slots=True)
class Query:
    """A search as SQL wants it: `grams` for a tsquery, `phrases` that must occur as they stand, `text` to rank by.

    When nothing is found, `close_grams` is the tsquery for any of the Chinese `characters`, of which `enough` must be
    in the name; with fewer than three there is nothing to be close to, and `characters` is empty.
    """

    grams: str
    phrases: list[str]
    text: str
    close_grams: str
    characters: list[str]
    enough: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written for a product: the lexemes of its tsvector, the text to recheck in, and the keys to rank by."""

    vector: str
    text: str
    name_key: str
    pinyin: str
    initials: str


def normalise(text: str) -> str:
    """Return `text` as runs of letters, digits and Chinese characters, lower case, half width, one space between."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("ü", "v")
    return " ".join(_RUNS.findall(_APOSTROPHES.sub("", plain)))


def grams(run: str) -> list[str]:
    """Return the pairs of neighbouring characters of a Chinese run, or the run itself when it is one character."""
    return [run] if len(run) == 1 else [run[at : at + 2] for at in range(len(run) - 1)]


def entry(*, name: str, sounds: Sequence[Sequence[str]], texts: Sequence[str]) -> Entry:
    """Return what to write for a product called `name` that `texts` also describe.

    `sounds` are lists of syllables, the name's first; each can be found from any of its syllables on, in full or by
    initials.
    """
    text = normalise(" ".join([name, *texts]))
    lexemes: set[str] = set()
    for run in text.split():
        lexemes.update([run] if run.isascii() else [*run, *grams(run)])
    for syllables in sounds:
        for start in range(len(syllables)):
            lexemes.add("".join(syllables[start:]))
            lexemes.add("".join(syllable[0] for syllable in syllables[start:]))
    heard = sounds[0] if sounds else ()
    return Entry(
        vector=" ".join(sorted(f"'{lexeme}'" for lexeme in lexemes)),
        text=text,
        name_key=normalise(name).replace(" ", ""),
        pinyin="".join(heard),
        initials="".join(syllable[0] for syllable in heard),
    )


def query(text: str) -> Query | None:
    """Return what to look for when somebody typed `text`, or None when nothing in it can be searched for."""
    runs = normalise(text[:MAX_QUERY_LENGTH]).split()[:MAX_TERMS]
    if not runs:
        return None
    wanted = [f"'{run}':*" if run.isascii() else " & ".join(f"'{gram}'" for gram in grams(run)) for run in runs]
    characters = sorted({character for run in runs if not run.isascii() for character in run})
    characters = characters if len(characters) >= MIN_CLOSE else []
    return Query(
        grams=" & ".join(wanted),
        phrases=[run for run in runs if not run.isascii() and len(run) > 2],
        text="".join(runs),
        close_grams=" | ".join(f"'{character}'" for character in characters),
        characters=characters,
        enough=-(-len(characters) * 3 // 4),
    )

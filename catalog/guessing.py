"""What may have been meant when nothing has the words: parts of names that are like them, the nearest first.

Invariant: reads only; however many goods there are, few names are compared: of those that are as like the words as one
another just a few. A part is a guess only: whether anything on sale is called so is for the search for it to say.
"""

from collections.abc import Iterator

from catalog import likeness, search, sounds, words
from config import database

# Names that are looked at for one reason, those of them that are compared where some are as like the words as one
# another, and parts of names that are searched for at once.
MAX_LOOKED_AT = 12
MAX_AS_LIKE = 3
MAX_PARTS = 8

_NEAR = f"""
SELECT at, name_key, pinyin FROM (
    SELECT c.*, row_number() OVER (PARTITION BY c.alike ORDER BY length(c.name_key), c.name_key) AS turn
    FROM (
        SELECT n.*, word_similarity(%(heard)s, n.pinyin) AS alike
        FROM names_near(%(near)s::tsquery[], {MAX_LOOKED_AT}) n
    ) c
) d WHERE turn <= {MAX_AS_LIKE} ORDER BY alike DESC, length(name_key), name_key
"""

Part = tuple[int, int, str]


def meant(query: search.Query) -> Iterator[search.Wanted]:
    """Yield what to search for instead of what was typed, in the order in which to try."""
    for guess in search.guesses(query):
        near = _near(guess)
        if near:
            parts = {part: far for far, _, part in reversed(near[:MAX_PARTS])}
            yield search.near(parts, places=guess.places, is_split=False)
            yield search.near(parts, places=guess.places, is_split=True)


def _near(guess: search.Guess) -> list[Part]:
    """Return (how far, how long its name is, part of the name) of all that is near enough, the nearest first."""
    reasons = guess.near
    while reasons:
        rows = database.statement(_NEAR, {"near": reasons, "heard": sounds.heard(guess.typed)})
        found: list[Part] = []
        for _, name, pinyin in rows:
            if any(part in name for _, _, part in found):
                continue
            far = likeness.distance(guess.typed, name, pinyin, places=words.parts(name)[:1])
            part = likeness.part(guess.typed, name, far) if far < likeness.FAR else ""
            # One character is on names of everything.
            if len(part) > 1:
                found.append((round(far * 100), len(name), part))
        if found:
            return sorted(found)
        reasons = reasons[rows[0][0] :] if rows else []
    return []

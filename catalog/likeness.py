"""How far what was typed is from a name: slips of the finger, the ear and the eye, each at its price.

Invariant: pure; the beginning and the end of the name are free, so a part of a name is as near as the whole; what is
further than `budget` allows is no guess at all, because a wrong guess is worse than none.
"""

from collections.abc import Callable, Sequence

from catalog import sounds, words

# One unlike character is 1; of what differs only to the ear or the eye many slips make one.
SAME_SOUND, ALIKE, MISSING, TWICE, SWAPPED = 0.15, 0.3, 0.5, 0.3, 0.5
FAR = 99.0


def budget(typed: str) -> float:
    """Return the most that may be wrong with what was typed."""
    size = len(typed)
    if typed.isascii():
        return 0.0 if size < 4 else 1.0 if size < 8 else 2.0 if size < 14 else 3.0
    return (0.0, 0.0, 0.6, 0.7, 1.1, 1.3)[size] if size < 6 else 2.2


def distance(typed: str, name: str, pinyin: str = "", *, places: Sequence[str] = ()) -> float:
    """Return how far `typed` is from the nearest part of `name`, read as `pinyin`; `FAR` when beyond its budget.

    A character unlike the one in its place counts only at the beginning of the name or behind one of `places`, which
    are the names that the region of the goods has: in the middle of a word any neighbour would do.
    """
    most = budget(typed)
    if typed.isascii():
        found = _spelled(typed, [sounds.of(character) for character in name], pinyin)
        return found if found <= most else FAR
    found = _least(typed, name, _heard, free_start=True)
    if found > most:
        for start in {0, *(len(place) for place in places if name.startswith(place))}:
            found = min(found, _least(typed, name[start:], _seen))
        whole = len(typed) == len(name) == 3 and found <= 1.0
        return found if found <= most or whole else FAR
    return found


def _spelled(typed: str, name: Sequence[str], pinyin: str) -> float:
    """Return how far pinyin is from a name of these syllables, from any of them on.

    Two whole syllables are a word, and a letter away from them are many others: they are only ever misheard.
    """
    typed_syllables = sounds.split(typed)
    misheard = _least(typed_syllables, name, _heard, free_start=True) if typed_syllables else FAR
    if typed_syllables and len(typed_syllables) <= 2:
        return misheard if misheard <= 2 * ALIKE else FAR
    starts = [at for at in range(len(name)) if not name[at].isdigit()]
    read = [pinyin, *("".join(name[start:]) for start in starts)]
    return min([misheard, *(_least(typed, each, _letters) for each in read)])


def _letters(one: str, other: str) -> float:
    return 0.0 if one == other else 1.0


def _heard(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if words.look_alike(one, other):
        return ALIKE
    said, meant = sounds.of(one), sounds.of(other)
    if said == meant:
        return SAME_SOUND
    return ALIKE if sounds.fold(said) == sounds.fold(meant) else FAR


def _seen(one: str, other: str) -> float:
    return min(1.0, _heard(one, other))


def _least(
    typed: Sequence[str], name: Sequence[str], unlike: Callable[[str, str], float], *, free_start: bool = False
) -> float:
    """Return the least cost of making `typed` into a beginning of `name`, or into any part of it."""
    missing = 1.0 if unlike is _letters else MISSING
    swapped = 1.0 if unlike is _letters else SWAPPED
    before: list[float] = []
    row = [0.0 if free_start else missing * at for at in range(len(name) + 1)]
    for at, one in enumerate(typed, 1):
        twice = at > 1 and typed[at - 2] == one
        extra = TWICE if twice and unlike is not _letters else FAR if unlike is _heard else 1.0
        following = [row[0] + extra]
        for place, other in enumerate(name, 1):
            least = min(row[place - 1] + unlike(one, other), row[place] + extra, following[place - 1] + missing)
            if at > 1 and place > 1 and one == name[place - 2] and typed[at - 2] == other:
                least = min(least, before[place - 2] + swapped)
            following.append(least)
        before, row = row, following
    return min(row)

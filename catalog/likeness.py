"""How far what was typed is from a name: slips of the finger, the ear and the eye, each at its price.

Invariant: pure; the beginning and the end of the name are free, so a part of a name is as near as the whole; what is
further than `budget` allows is no guess at all, because a wrong guess is worse than none.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from catalog import sounds, words

# One unlike character is 1; of what differs only to the ear or the eye many slips make one.
SAME_SOUND, ALIKE, MISSING, TWICE, SWAPPED = 0.15, 0.3, 0.5, 0.3, 0.5
FAR = 99.0
# Letters of two syllables with two of them swapped that are fewer than these are other words.
LEAST_SWAPPED = 5


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
        return _spelled(typed, [sounds.of(character) for character in name], pinyin, most)
    found = _least(typed, name, _heard, most, free_start=True)
    if found == FAR:
        whole = len(typed) == len(name) == 3
        allowed = max(most, 1.0) if whole else most
        for start in {0, *(len(place) for place in places if name.startswith(place))}:
            found = min(found, _least(typed, name[start:], _seen, allowed))
    return found


def part(typed: str, name: str, far: float) -> str:
    """Return the shortest part of `name` that is no further than `far` from what was typed; the name if none is."""
    begin, end = 0, len(name)
    # The less is left of a name the further it is, so each end is found by halves.
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if distance(typed, name[middle:]) <= far else (low, middle)
    begin = low
    low, high = begin, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if distance(typed, name[begin:middle]) <= far else (middle, high)
    return name[begin:high]


def _spelled(typed: str, name: Sequence[str], pinyin: str, most: float) -> float:
    """Return how far pinyin is from a name of these syllables, from any of them on.

    Two whole syllables are a word, and a letter away from them are many others: they are only ever misheard, or a whole
    name or the end of one with two letters swapped.
    """
    typed_syllables = sounds.split(typed)
    misheard = _least(typed_syllables, name, _heard, most, free_start=True) if typed_syllables else FAR
    if typed_syllables and len(typed_syllables) <= 2:
        if misheard <= 2 * ALIKE:
            return misheard
        return SWAPPED if any(_is_swapped(typed, "".join(name[at:])) for at in range(len(name))) else FAR
    read, starts = "".join(name), []
    for at, syllable in enumerate(name):
        if not syllable.isdigit():
            starts.append(sum(map(len, name[:at])))
    found = min(misheard, _slips(typed, read, starts, most))
    if found > 0 and (pinyin != read or 0 not in starts):
        found = min(found, _slips(typed, pinyin, [0], most))
    return found


def _is_swapped(typed: str, read: str) -> bool:
    """Tell whether two neighbouring letters of `typed` the other way round are just `read`."""
    if len(typed) != len(read) or len(typed) < LEAST_SWAPPED:
        return False
    wrong = [at for at in range(len(typed)) if typed[at] != read[at]]
    return (
        len(wrong) == 2
        and wrong[1] == wrong[0] + 1
        and typed[wrong[0]] == read[wrong[1]]
        and typed[wrong[1]] == read[wrong[0]]
    )


def _slips(typed: str, read: str, starts: Sequence[int], most: float) -> float:
    """Return the fewest letters wrong, missing, too many or swapped from one of `starts` on, or `FAR` beyond `most`."""
    before: list[int] = []
    row, nearest = [], 0
    for place in range(len(read) + 1):
        nearest = 0 if place in starts else nearest + 1
        row.append(nearest)
    last = ""
    for letter in typed:
        left = row[0] + 1
        following = [left]
        for place, other in enumerate(read, 1):
            least = row[place - 1] + (letter != other)
            if row[place] < least:
                least = row[place] + 1
            if left < least:
                least = left + 1
            if place > 1 and letter == read[place - 2] and last == other and before and before[place - 2] < least:
                least = before[place - 2] + 1
            following.append(least)
            left = least
        before, row, last = row, following, letter
        if min(row) > most and min(before) > most:
            return FAR
    return float(min(row)) if min(row) <= most else FAR


@lru_cache(1 << 16)
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
    typed: Sequence[str],
    name: Sequence[str],
    unlike: Callable[[str, str], float],
    most: float,
    *,
    free_start: bool = False,
) -> float:
    """Return the least cost of making `typed` into a beginning or any part of `name`; `FAR` when beyond `most`."""
    before: list[float] = []
    row = [0.0 if free_start else MISSING * at for at in range(len(name) + 1)]
    for at, one in enumerate(typed, 1):
        extra = TWICE if at > 1 and typed[at - 2] == one else FAR if unlike is _heard else 1.0
        following = [row[0] + extra]
        for place, other in enumerate(name, 1):
            least = min(row[place - 1] + unlike(one, other), row[place] + extra, following[place - 1] + MISSING)
            if at > 1 and place > 1 and one == name[place - 2] and typed[at - 2] == other:
                least = min(least, before[place - 2] + SWAPPED)
            following.append(least)
        before, row = row, following
        # A swap reaches over one row, so both must be too far.
        if min(row) > most and min(before) > most:
            return FAR
    found = min(row)
    return found if found <= most else FAR

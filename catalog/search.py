"""What can be found by which words: the grams written for a product and the query made from what people type.

Invariant: pure; nothing that people type reaches SQL as syntax, because a query holds only letters, digits and
Chinese characters, and its size is bounded.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

from catalog import amounts, asked_prices, sounds, words

# Longer than any product name; what lies beyond is cut off rather than refused, as people paste whole sentences.
MAX_QUERY_LENGTH = 64
MAX_TERMS = 8
# Of more characters than this the combinations that may be right are too many to ask for.
MAX_CLOSE = 5
# Longer pinyin has too many neighbours, and halves long enough to be looked for by them.
MAX_SLIPS = 10
# Two slips in pinyin shorter than this could mean anything.
MIN_LOOSE = 8
# Fewer characters of a name, taken apart, are on too many others.
MIN_SCATTERED = 3
MAX_TAIL = 4
# Fewer letters begin a syllable of every third name.
MIN_HALF = 5

_HALLS = ("馆", "地方馆", "线上馆")
_RUNS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[0-9a-z]+")
_LATIN_MARKS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_APOSTROPHES = re.compile(r"(?<=[a-z])['\u2019\u02bc](?=[a-z])")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: `grams` for a tsquery, `phrases` of which each must match the text, `text` to rank by."""

    grams: str
    phrases: list[str]
    text: str
    # The words one by one, and what a name ends with that is just what the last of them says.
    words: list[str]
    head: str
    # Of a guess, whose words are parts of names that `head` has anywhere: how far each is from what was typed.
    far: list[int] = field(default_factory=list)
    # What specs say that are of the amount that was asked for: those come first.
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A search as SQL wants it, in the order in which to try.

    `typed` is as it stands, with other names of the same goods beside it; `meant` is cut into places and words, with
    the empty words left out, and None when that changes nothing; `mended` puts places right that are written wrong,
    looks character by character in names for what no list knows, and takes letters as the initials of two words.
    `runs` and `told` are the words of the first two. When all that finds nothing, and nothing is like it, `relaxed`
    wants only what the last word ends with, as the end of a Chinese word says what the goods are; then only the words
    that lists know, and last whatever is from the place whose hall was asked for.
    """

    typed: Wanted
    meant: Wanted | None
    mended: Wanted | None
    relaxed: list[Wanted]
    runs: list[str]
    told: list[str]

    @property
    def is_brief(self) -> bool:
        """Whether it is a place and one character for a kind of goods: 砀山梨 asks for all its pears."""
        return len(self.told) == 2 and self.told[0] in words.places() and len(self.told[1]) == 1


@dataclass(frozen=True, slots=True)
class Guess:
    """What a name may be like: the characters and pinyin that were `typed`, and which `places` it must be from.

    Each of `near` is a tsquery for names that are worth comparing for one reason, the best reason first.
    """

    typed: str
    places: list[tuple[str, ...]]
    near: list[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written for a product: the lexemes of its tsvector, the text to recheck in, and the keys to rank by."""

    vector: str
    text: str
    name_key: str
    pinyin: str
    initials: str


def normalise(text: str) -> str:
    """Return `text` as runs of letters, digits and Chinese characters with one space between.

    Lower case, half width, simplified characters, pinyin without tones and with v for ü.
    """
    spread = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).lower()).replace("u\u0308", "v")
    plain = unicodedata.normalize("NFC", _LATIN_MARKS.sub("", spread.replace("ü", "v")))
    runs = _RUNS.findall(_APOSTROPHES.sub("", sounds.simplify(plain)))
    return " ".join(map(sounds.untoned, runs))


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
    plain = _read(text)
    runs = _joined(plain.split()[:MAX_TERMS])
    if not runs:
        return None
    told = _told(_joined(amounts.without(plain).split()[:MAX_TERMS])) or _told(runs)
    meant, mended = _wanted(told) if told and told != runs else None, _mended(runs, told)
    amount = amounts.pattern(plain)
    return Query(
        typed=_wanted(runs),
        meant=meant and replace(meant, amount=amount),
        mended=mended and replace(mended, amount=amount),
        relaxed=[replace(each, amount=amount) for each in (_relaxed(told), _known(told), _from_hall(runs)) if each],
        runs=runs,
        told=told,
    )


def is_general(text: str) -> bool:
    """Tell whether `text` asks for anything at all that is sold here, or at such a price, in no other words."""
    plain, is_priced = _read(text), price(text) != (None, None)
    cut = [part for run in (amounts.without(plain) if is_priced else plain).split() for part in words.parts(run)]
    return (is_priced or not words.general().isdisjoint(cut)) and words.fillers().issuperset(cut)


def price(text: str) -> tuple[int | None, int | None]:
    """Return the least and the most in fen that whatever `text` asks for may cost, each None when it says none."""
    return asked_prices.bounds(normalise(text[:MAX_QUERY_LENGTH]))


def _read(text: str) -> str:
    """Return `text` normalised, with the words for its pictures behind it when no word of it says what goods are meant.

    Beside words a picture only adorns them: 石榴🔥🍎.
    """
    text = text[:MAX_QUERY_LENGTH]
    plain = normalise(text)[:MAX_QUERY_LENGTH]
    pictures = words.pictures()
    drawn = dict.fromkeys(pictures[character] for character in text if character in pictures)
    if not drawn:
        return plain
    if any(len(part) > 1 and part not in words.places() for part in _told(amounts.without(plain).split())):
        return plain
    return " ".join([*plain.split(), *drawn])[:MAX_QUERY_LENGTH]


def _joined(runs: Sequence[str]) -> list[str]:
    """Return runs with two of letters joined that are one word: `green tea`, or pinyin written in two."""
    found: list[str] = []
    for run in runs:
        if found and run.isascii() and found[-1] + run in words.same():
            found[-1] += run
        else:
            found.append(run)
    return found


def _told(runs: Sequence[str]) -> list[str]:
    cut = [part for run in runs for part in words.parts(run)][: 2 * MAX_TERMS]
    return [part for part in cut if part not in words.fillers() or part in words.same()]


def _wanted(runs: Sequence[str]) -> Wanted:
    last = () if runs[-1].isascii() else [name for name in _names(runs[-1]) if not name.isascii()]
    return Wanted(
        grams=" & ".join(map(_any, runs)),
        phrases=["|".join(_names(run)) for run in runs if not run.isascii() and max(map(len, _names(run))) > 2],
        text="".join(runs),
        words=list(runs),
        head=f"({'|'.join(last)})$" if last else "",
    )


def _mended(runs: Sequence[str], told: Sequence[str]) -> Wanted | None:
    """Return what was wanted as far as it can be mended, and None when it cannot."""
    if len(runs) == 1 and (pairs := _initials(runs[0])):
        return Wanted(grams=pairs, phrases=[], text=runs[0], words=[], head="")
    parts: list[str] = []
    scattered: list[str] = []
    # Whom it is for and on what day matters only when nothing else is said: 过年送礼的酒.
    plain = [part for part in told if part not in words.fillers()]
    goods = plain if any(part not in words.places() for part in plain) else told
    # Few labels say that the goods are cut: 糖醋姜片.
    for part in [*goods[:-1], *map(words.uncut, goods[-1:])]:
        if part.isascii() or part in words.places() or part in words.same():
            parts.append(part)
        elif (len(part) > 2 or len(goods) > 1) and (sound := sounds.heard(part)) in words.same():
            parts.append(sound)
        elif cut := words.misspelt(part):
            parts += cut
        elif len(set(part)) < MIN_SCATTERED:
            parts.append(part)
        else:
            scattered += part
    if parts == list(told):
        return None
    found = _wanted([*parts, *scattered])
    # Behind the name stands the origin, which begins with the province.
    return replace(found, phrases=[*found.phrases, *(f"^[^省]*{one}" for one in scattered)])


def _relaxed(told: Sequence[str]) -> Wanted | None:
    """Return what the last word that is no place ends with, the longest first, and None when no name could end so."""
    if len(told) > 1 and told[-1].isascii() and told[-1] in words.same():
        return _wanted(told[-1:])
    rest = [part for part in told if part not in words.places() and part not in _uses(told)]
    heads = [part for part in rest if not part.isascii() and len(part) > 1]
    if not heads or (len(told) == 1 and len(heads[0]) == 2):
        return None
    tails = [heads[-1][-size:] for size in range(min(len(heads[-1]), MAX_TAIL), 1, -1)]
    # A word that a list knows is whole: what it ends with says something else.
    known = [tail for tail in tails if tail in words.same()]
    tails = tails if not known else known[:1]
    found = _wanted(tails[-1:])
    phrases = found.phrases if known else [f"^[^省]*{tails[-1]}"]
    return replace(found, phrases=phrases, words=[*tails, *(part for part in told if part in words.places())])


def _uses(told: Sequence[str]) -> list[str]:
    """Return the words that say what goods are used for, beside another that says what they are."""
    used = [part for part in told if part.endswith(words.uses())]
    goods = [part for part in told if part not in used and (len(part) > 1 or part in words.tails())]
    return used if goods else []


def _known(told: Sequence[str]) -> Wanted | None:
    """Return only those words that lists know, and None when these are all, or just places, or not the last.

    The last word says what the goods are, unless it says what they are for: 炖鸡用, 石斛泡酒.
    """
    used = _uses(told)
    last = next((part for part in reversed(told) if part not in used), "")
    places = [part for part in told if part in words.places()]
    # One character for a kind of goods (米) says enough only beside a place or a use: 下饭酱.
    brief = words.tails() if places or used else ()
    goods = [part for part in told if (part in words.same() or part in brief) and part not in used]
    return _wanted([*places, *goods]) if last in goods and len(places) + len(goods) < len(told) else None


def _from_hall(runs: Sequence[str]) -> Wanted | None:
    """Return the place whose hall was asked for, 金寨馆, and None of none."""
    for run in runs:
        cut = words.parts(run)
        for place, word in pairwise(cut):
            if word in _HALLS and place in words.places():
                return _wanted([place])
    return None


def _initials(run: str) -> str:
    """Return the tsquery for letters that are the initials of two words of one product; nothing for what is none.

    No syllable begins with i, u or v, what can be read as syllables is pinyin, the whole and each of the two, and one
    key held down is nothing.
    """
    if not re.fullmatch("[a-hj-tw-z]{4,8}", run) or len(set(run)) == 1 or sounds.split(run) is not None:
        return ""
    cuts = ((run[:at], run[at:]) for at in range(2, len(run) - 1))
    pairs = [cut for cut in cuts if sounds.split(cut[0]) is None and sounds.split(cut[1]) is None]
    return " | ".join(f"('{first}':* & '{second}':*)" for first, second in pairs)


def _names(run: str) -> tuple[str, ...]:
    return words.same().get(run) or (words.places().get(run, (run,)) if run.isascii() else (run,))


def _any(run: str) -> str:
    """Return the tsquery for a run or any other name of the same."""
    wanted = [f"'{run}':*"] if run.isascii() else []
    wanted += [
        "(" + " & ".join(f"'{gram}'" for gram in grams(name)) + ")" for name in _names(run) if not name.isascii()
    ]
    return "(" + " | ".join(wanted) + ")"


def guesses(query: Query) -> list[Guess]:
    """Return what a name may be like when a query finds nothing: the whole, and the rest without the places in it."""
    places = [words.places()[part] for part in query.told if part in words.places()]
    rest = "".join(part for part in query.told if part not in words.places())
    wanted = {rest: places} if places and rest else {}
    wanted |= {"".join(query.told): [], "".join(query.runs): []}
    return [guess for typed, must in wanted.items() if (guess := _guess(typed, must)) is not None]


def near(parts: Mapping[str, int], *, places: Sequence[tuple[str, ...]], is_split: bool) -> Wanted:
    """Return the search for goods from these places that have one of the parts, each so far away, in their name.

    A part is without the spaces and parentheses of its name, and over these no pair of characters goes: `is_split`
    looks for the characters one by one, which takes PostgreSQL longer.
    """
    ordered = sorted(parts, key=parts.__getitem__)
    written = [sorted(set(part if is_split else grams(part))) for part in ordered]
    return Wanted(
        grams=" | ".join("(" + " & ".join(f"'{gram}'" for gram in each) + ")" for each in written),
        phrases=["|".join(names) for names in places],
        text=ordered[0],
        words=ordered,
        head="|".join(ordered),
        far=[parts[part] for part in ordered],
    )


def _guess(typed: str, places: list[tuple[str, ...]]) -> Guess | None:
    heard = sounds.heard(typed)
    if not heard.isascii() or heard.isdigit() or len(heard) < 3:
        return None
    near: list[list[str]] = []
    if heard.isalpha():
        slips = sounds.mistyped(heard) if typed.isascii() and len(heard) <= MAX_SLIPS else set()
        sounding = {heard, *sounds.misheard(heard), *sounds.said_otherwise(heard), *slips}
        near.append([f"'{each}':*" for each in sorted(sounding)])
    near.append(_shared(typed))
    near.append([f"'{each}':*" for each in sorted(_halves(heard))] if heard.isalpha() else [])
    asked = [" | ".join(some) for some in near if some]
    return Guess(typed, places, asked) if asked else None


def _shared(typed: str) -> list[str]:
    """Return what most of the characters of a name are, if one or two of them are wrong."""
    if len(typed) > MAX_CLOSE:
        # Three in a row: that many characters one by one are on too many names.
        pairs = grams(typed)
        return [f"('{one}' & '{other}')" for one, other in pairwise(pairs) if not f"{one}{other}".isascii()]
    characters = sorted({character for character in typed if not character.isascii()})
    if len(typed) == 2 and len(characters) == 2:
        return [f"'{one}'" for one in characters]
    some = combinations(characters, len(characters) - 1) if len(characters) > 2 else ()
    return ["(" + " & ".join(f"'{one}'" for one in each) + ")" for each in some]


def _halves(heard: str) -> set[str]:
    """Return what is right of long pinyin when the other half is not: its beginning, or what some syllable begins."""
    middle = len(heard) // 2
    if len(heard) < MIN_LOOSE:
        return set()
    halves = {heard[:middle], *(heard[at:] for at in range(3, middle + 3))}
    return {half for half in halves if len(half) >= MIN_HALF}

"""What people type when they look for the real goods: made from their names by rule, each with what must be found.

Invariant: the same names give the same queries; a query that must find nothing has no expected goods.
"""

import csv
import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from catalog import categories, romanise, search, sounds, words

Row = dict[str, str]

# Names that are not on any label, and goods that go by them.
OTHER_NAMES = {
    "红薯": "山芋",
    "地瓜": "山芋",
    "番薯": "山芋",
    "西红柿": "番茄",
    "胖头鱼": "鳙鱼",
    "花鲢": "鳙鱼",
    "鸡头米": "芡实",
    "吊瓜子": "瓜蒌",
    "奇异果": "猕猴桃",
    "大闸蟹": "螃蟹",
    "小龙虾": "龙虾",
    "橘子": "柑桔",
    "江米": "糯米",
    "栗子": "板栗",
    "凉席": "舒席",
    "被子": "羽绒被",
    "书画纸": "宣纸",
    "丹皮": "凤丹",
    "贡菜": "苔干",
    "铁皮石斛": "石斛",
    "馒头": "枕头馍",
    "粉条": "粉丝",
    "梨子": "梨",
    "雪梨": "梨",
    "香包": "香囊",
    "牡丹皮": "凤丹",
    "茶干": "豆腐干",
    "食用油": "油",
}
NOTHING = [
    "苹果手机",
    "iphone",
    "笔记本电脑",
    "榴莲",
    "香蕉",
    "牛奶",
    "咖啡",
    "可口可乐",
    "羽毛球拍",
    "洗衣液",
    "洗发水",
    "牙膏",
    "运动鞋",
    "连衣裙",
    "耳机",
    "充电宝",
    "猫粮",
    "狗粮",
    "尿不湿",
    "奶粉",
    "三文鱼",
    "车厘子",
    "芒果",
    "菠萝",
    "火龙果",
    "zzzzqqq",
    "qwerty",
    "xyzzy",
    "asdfgh",
    "laptop",
    "coffee",
    "banana",
    "xiangjiao",
    "liulian",
    "diannao",
    "shouji",
    "冰箱",
    "空调",
    "电视机",
    "自行车",
    "雨伞",
    "口红",
    "面膜",
    "螺蛳粉",
    "茅台",
    "五粮液",
    "青岛啤酒",
    "哈密瓜",
    "荔枝",
    "🍐🍎",
    "！！！",
    "';--",
    "%%%",
    "（）",
    "12345678",
]


@dataclass(frozen=True)
class Judged:
    """A query, how it was made, and the slugs of which one must be among the first; empty when nothing may be found."""

    query: str
    kind: str
    expected: frozenset[str]


@cache
def goods() -> list[Row]:
    """Return the real goods, each with its name without what stands in parentheses as `short`."""
    text = (resources.files("catalog") / "data" / "products.csv").read_text(encoding="utf-8")
    return [row | {"short": row["name"].split("(")[0]} for row in csv.DictReader(text.splitlines())]


@cache
def _by_sound() -> dict[str, str]:
    text = (resources.files("catalog") / "data" / "sounds.csv").read_text(encoding="utf-8")
    return dict(line.split(",") for line in text.splitlines()[1:])


@cache
def _traditional() -> dict[str, str]:
    text = (resources.files("catalog") / "data" / "variants.csv").read_text(encoding="utf-8")
    return {line[0]: line[2] for line in text.splitlines()[1:]}


def _tail(row: Row) -> str:
    """The name without the place it begins with."""
    name = row["short"]
    for place in sorted(words.places(), key=len, reverse=True):
        if not place.isascii() and name.startswith(place) and len(name) - len(place) >= 2:
            return name[len(place) :]
    return name


@cache
def _syllables(name: str) -> tuple[str, ...]:
    """Asked for each query of each name: a million times."""
    return tuple(romanise.syllables(name))


def _spoken(row: Row) -> tuple[str, ...]:
    return _syllables(row["short"])


def _homophone(row: Row, chance: random.Random) -> str:
    name = row["short"]
    at = chance.randrange(len(name))
    others = [each for each in _by_sound().get(sounds.of(name[at]), "") if each != name[at]]
    return name[:at] + chance.choice(others) + name[at + 1 :] if others else ""


def _wrong(row: Row, chance: random.Random) -> str:
    name = row["short"]
    at = chance.randrange(1, len(name))
    return name[:at] + chance.choice("东果大新成上金水小花") + name[at + 1 :] if len(name) > 3 else ""


def _letters(row: Row, chance: random.Random, how: str) -> str:
    typed = "".join(_spoken(row))
    at = chance.randrange(1, len(typed) - 1)
    if len(typed) < 7:
        return ""
    return {
        "dropped": typed[:at] + typed[at + 1 :],
        "doubled": typed[:at] + typed[at] + typed[at:],
        "swapped": typed[:at] + typed[at + 1] + typed[at] + typed[at + 2 :],
        "wrong": typed[:at] + chance.choice("aeioushngl") + typed[at + 1 :],
    }[how]


def _characters(row: Row, chance: random.Random, how: str) -> str:
    typed = row["short"]
    if len(typed) < 4:
        return ""
    at = chance.randrange(len(typed) - 1)
    return {
        "dropped": typed[:at] + typed[at + 1 :],
        "doubled": typed[:at] + typed[at] + typed[at:],
        "swapped": typed[:at] + typed[at + 1] + typed[at] + typed[at + 2 :],
    }[how]


def _tongue(row: Row, chance: random.Random) -> str:
    typed = "".join(_spoken(row))
    folds = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ing", "in"), ("ang", "an"), ("hu", "fu"))
    slips = [fold for fold in folds if fold[0] in typed]
    return typed.replace(*chance.choice(slips), 1) if slips else ""


RULES: dict[str, Callable[[Row, random.Random], str]] = {
    "name": lambda row, _: row["name"],
    "short": lambda row, _: row["short"],
    "tail": lambda row, _: _tail(row),
    "county and tail": lambda row, _: row["county"] + _tail(row),
    "city and tail": lambda row, _: row["city"][:-1] + " " + _tail(row),
    "tail and county": lambda row, _: _tail(row) + row["county"][:-1],
    "pinyin": lambda row, _: "".join(_spoken(row)),
    "pinyin in syllables": lambda row, _: " ".join(_spoken(row)),
    "pinyin in two words": lambda row, _: "".join(_spoken(row)[:2]) + " " + "".join(_spoken(row)[2:]),
    "pinyin of the tail": lambda row, _: "".join(romanise.syllables(_tail(row))),
    "pinyin in capitals": lambda row, _: "".join(_spoken(row)).title(),
    "pinyin begun": lambda row, _: "".join(_spoken(row))[: max(5, len("".join(_spoken(row))) * 2 // 3)],
    "initials": lambda row, _: "".join(syllable[0] for syllable in _spoken(row)),
    "characters and pinyin": lambda row, _: row["short"][:2] + "".join(_spoken(row)[2:]),
    "pinyin and characters": lambda row, _: "".join(_spoken(row)[:2]) + row["short"][2:],
    "full width": lambda row, _: "".join(chr(ord(c) + 0xFEE0) for c in "".join(_spoken(row))),
    "traditional": lambda row, _: "".join(_traditional().get(c, c) for c in row["short"]),
    "homophone": _homophone,
    "homophone in the tail": lambda row, chance: _homophone(row | {"short": _tail(row)}, chance),
    "wrong character": _wrong,
    "dropped character": lambda row, chance: _characters(row, chance, "dropped"),
    "doubled character": lambda row, chance: _characters(row, chance, "doubled"),
    "swapped characters": lambda row, chance: _characters(row, chance, "swapped"),
    "dropped letter": lambda row, chance: _letters(row, chance, "dropped"),
    "doubled letter": lambda row, chance: _letters(row, chance, "doubled"),
    "swapped letters": lambda row, chance: _letters(row, chance, "swapped"),
    "wrong letter": lambda row, chance: _letters(row, chance, "wrong"),
    "tongue": _tongue,
    "asked for": lambda row, chance: chance.choice(["买{}", "{}多少钱", "正宗{}", "{} 包邮", "我想买{}"]).format(
        row["short"]
    ),
    "decomposed": lambda row, _: unicodedata.normalize("NFD", row["short"] + "，"),
}


def everything() -> Iterator[Judged]:
    """Yield every query that the rules make, then those made from other names, categories, halls and nothing."""
    for kind, rule in RULES.items():
        for row in goods():
            typed = rule(row, random.Random(f"{kind} {row['no']}"))
            if typed.strip():
                yield Judged(typed, kind, _expected(typed, row))
    for typed, meant in OTHER_NAMES.items():
        yield Judged(typed, "other name", frozenset(row["slug"] for row in goods() if meant in row["name"]))
    for key, name in categories.NAMES.items():
        yield Judged(name, "category", frozenset(row["slug"] for row in goods() if row["category_key"] == key))
    for county in sorted({row["county"] for row in goods()}):
        slugs = frozenset(row["slug"] for row in goods() if row["county"] == county)
        yield Judged(county, "county", slugs)
        yield Judged(f"{county}地方馆", "hall", slugs)
    for typed in NOTHING:
        yield Judged(typed, "nothing", frozenset())


def _expected(typed: str, row: Row) -> frozenset[str]:
    """The goods that it was made from, and all whose name holds what was typed as it stands."""
    key = search.normalise(typed).replace(" ", "")
    alike = {each["slug"] for each in goods() if key in each["short"] or key in "".join(_spoken(each))}
    heads = {each["slug"] for each in goods() if "".join(part[0] for part in _spoken(each)) == key}
    return frozenset({row["slug"]} | alike | heads)

"""What the reader of a report asked for: days, model, view, node, filters, order of rows; and the address that says it.

Invariant: anything unreadable becomes the default, never an error; `query` of a choice is read back as that choice, and
days that were named by a word (近 7 天) stay a word, so that a saved address goes on meaning it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from catalog import names
from storefront.actors import Actor
from storefront.staff import reports, sight, words
from storefront.staff.reports import Wanted
from subway_campaign import listings, narrowing
from subway_campaign.lifecycle import Level, Model, View

SPANS = {"today": "今天", "yesterday": "昨天", "7d": "近 7 天", "30d": "近 30 天", "month": "本月"}
_USUAL = "7d"
_FILTERS = ("campaign", "creative", "hall", "product")
_LONGEST = 120
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True)
class Choice:
    """A choice; `last_day` is included, as people say it. `sort` begins with "-" when the largest comes first."""

    from_day: date
    last_day: date
    span: str = ""
    model: Model = Model.LAST
    view: View = View.COHORT
    under: str | None = None
    level: Level | None = None
    sort: str = ""
    campaign: str | None = None
    creative: str | None = None
    hall: str | None = None
    product: str | None = None

    @property
    def wanted(self) -> Wanted:
        """What the verb is asked, whose period is half-open."""
        return Wanted(
            from_day=self.from_day,
            to_day=self.last_day + timedelta(days=1),
            model=self.model,
            view=self.view,
            campaign=self.campaign,
            creative=self.creative,
            hall=self.hall,
            product=self.product,
        )

    @property
    def days(self) -> int:
        """How many days it spans."""
        return (self.last_day - self.from_day).days + 1

    @property
    def period(self) -> str:
        """The days as people write them."""
        return f"{self.from_day} 至 {self.last_day}"

    def query(self, **other: object) -> str:
        """Return the query of an address that says this, with something `other`: None leaves a part out."""
        return urlencode(self.parts(**other))

    def parts(self, **other: object) -> dict[str, str]:
        """Return the same by name."""
        days = {"span": self.span} if self.span else {"from": self.from_day, "to": self.last_day}
        parts: dict[str, object | None] = {
            **days,
            "model": self.model if self.model is not Model.LAST else None,
            "view": self.view if self.view is not View.COHORT else None,
            "under": self.under,
            "level": self.level,
            "sort": self.sort,
            **{name: getattr(self, name) for name in _FILTERS},
            **other,
        }
        return {name: str(value) for name, value in parts.items() if value}

    @property
    def is_narrowed(self) -> bool:
        """Whether campaign, creative, hall or product leave something out."""
        return any(getattr(self, name) for name in _FILTERS)


def read(asked: Mapping[str, str], *, today: date) -> Choice:
    """Return what a query asks for."""
    first, last, span = _days(asked, today)
    return Choice(
        from_day=first,
        last_day=last,
        span=span,
        model=_word(asked.get("model"), Model) or Model.LAST,
        view=_word(asked.get("view"), View) or View.COHORT,
        under=_text(asked, "under"),
        level=_word(asked.get("level"), Level),
        sort=asked.get("sort", "")[:40],
        **{name: _text(asked, name) for name in _FILTERS},
    )


def previous(choice: Choice) -> Choice:
    """Return the same over as many days before."""
    length = timedelta(days=choice.days)
    return replace(choice, span="", from_day=choice.from_day - length, last_day=choice.last_day - length)


def a_year_before(choice: Choice) -> Choice:
    """Return the same over the days of 52 weeks before, which are the same days of the week."""
    length = timedelta(weeks=52)
    return replace(choice, span="", from_day=choice.from_day - length, last_day=choice.last_day - length)


def spans(choice: Choice, path: str) -> list[dict[str, object]]:
    """Return the usual periods as links to `path`."""

    def href(key: str) -> str:
        return f"{path}?{urlencode(choice.parts(**{'span': key, 'from': None, 'to': None}))}"

    return [{"title": title, "href": href(key), "is_here": key == choice.span} for key, title in SPANS.items()]


def options(session: Session, actor: Actor, choice: Choice) -> dict[str, Any]:
    """Return what the filters offer: `branches`, `campaigns`, `creatives`, `halls`, `goods` (of the hall, if any).

    `limits` are the names of the branches that `actor` is narrowed to, none for who is not; `under_name` is what the
    chosen node is called, which need not be one of the branches.
    """
    within = reports.reach(actor)
    goods = names.shelf(session)
    return {
        "branches": sight.offered(session, within, listings.branches(session)),
        "under_name": listings.names(session, numbers=[choice.under]).get(choice.under or "", choice.under),
        "limits": list(listings.names(session, numbers=within or ()).values()),
        **narrowing.choices(session),
        "halls": names.signs(session),
        "goods": [each for each in goods if choice.hall in {None, each["hall"]}],
    }


def notes(session: Session, actor: Actor, choice: Choice) -> list[tuple[str, str]]:
    """Return what a file says of the choice that it was made for, and of what its reader may see."""
    limits = listings.names(session, numbers=reports.reach(actor) or ()).values()
    chosen = narrowing.choices(session)
    called = {
        "campaign": {each["number"]: each["name"] for each in chosen["campaigns"]},
        "creative": {each["number"]: each["name"] for each in chosen["creatives"]},
        "hall": names.halls(session, [choice.hall or ""]),
        "product": names.products(session, [choice.product or ""]),
    }
    titles = {"campaign": "活动", "creative": "素材", "hall": "地方馆", "product": "商品"}
    under = listings.names(session, numbers=[choice.under])
    return [
        ("期间", f"{choice.period}（北京时间，含首尾两天）"),
        ("范围", f"{under.get(choice.under or '', '')} {choice.under}".strip() if choice.under else "全部媒介"),
        *([("权限范围", "、".join(limits))] if limits else []),
        ("归因模型", words.MODELS[choice.model]),
        ("退款记在", words.VIEWS[choice.view]),
        *(
            (titles[name], called[name].get(key, key))
            for name in _FILTERS
            if (key := getattr(choice, name)) is not None
        ),
    ]


def _days(asked: Mapping[str, str], today: date) -> tuple[date, date, str]:
    """Return first and last day, and by which word they were asked for, "" for dates."""
    span = asked.get("span", "")
    if span not in SPANS and not asked.get("from") and not asked.get("to"):
        span = _USUAL
    if span in SPANS and not (asked.get("from") and asked.get("to")):
        yesterday = today - timedelta(days=1)
        return {
            "today": (today, today, span),
            "yesterday": (yesterday, yesterday, span),
            "7d": (today - timedelta(days=6), today, span),
            "30d": (today - timedelta(days=29), today, span),
            "month": (today.replace(day=1), today, span),
        }[span]
    last = day(asked.get("to"), today)
    return min(day(asked.get("from"), last - timedelta(days=6)), last), last, ""


def day(given: str | None, default: date) -> date:
    """Return a day as a form gives it, or the default."""
    try:
        found = date.fromisoformat(given or "")
    except ValueError:
        return default
    # Years that neither a report nor the arithmetic of days could reach.
    return found if 2000 <= found.year <= 2100 else default


def _word(given: str | None, words_of: type[_Word]) -> _Word | None:
    return words_of(given) if given in set(words_of) else None


def _text(asked: Mapping[str, str], name: str) -> str | None:
    return asked.get(name, "").strip()[:_LONGEST] or None

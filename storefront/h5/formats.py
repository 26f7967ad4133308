"""Own how figures and instants are written for people: yuan with two decimals, Beijing time, masked telephones."""

from datetime import date, datetime, timedelta

from flask import Flask

from config import clock


def yuan(fen: int) -> str:
    """Return an amount in fen as yuan with two decimals, without the sign of the currency."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def day(on: date) -> str:
    """Return a date in words."""
    return f"{on.year}年{on.month}月{on.day}日"


def clock_time(at: datetime) -> str:
    """Return the hour and minute of an aware instant by Beijing time."""
    return at.astimezone(clock.SHANGHAI).strftime("%H:%M")


def moment(at: datetime) -> str:
    """Return the day and minute of an aware instant by Beijing time."""
    return at.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M")


def beijing_day(at: datetime) -> str:
    """Return the day of an aware instant by Beijing time, in words."""
    return day(at.astimezone(clock.SHANGHAI).date())


def last_day(until: datetime) -> str:
    """Return the last whole day before an instant at midnight, as a day of Beijing: `2026年11月29日`."""
    return day((until.astimezone(clock.SHANGHAI) - timedelta(microseconds=1)).date())


def masked(phone: str) -> str:
    """Return a telephone number with its first three and last four digits, as couriers' receipts show it."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) > 7 else "****"


def install(app: Flask) -> None:
    """Give the templates of `app` these filters."""
    app.jinja_env.filters.update(
        yuan=yuan, day=day, clock=clock_time, moment=moment, beijing_day=beijing_day, last_day=last_day
    )

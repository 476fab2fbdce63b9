"""Arithmetic with calendar dates."""

from collections.abc import Iterator
from datetime import date, timedelta


def easter_sunday(year: int) -> date:
    """Return the date of Easter Sunday in the Gregorian calendar.

    This is the anonymous Gregorian computus, which needs whole-number divisions only.
    """
    golden = year % 19
    century, rest = divmod(year, 100)
    leaps, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leaps - correction + 15) % 30
    quarter, quarter_rest = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * quarter - epact - quarter_rest) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def add_months(day: date, months: int) -> date:
    """Move a date by a number of months, and to the last day of a month that is too short."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def working_days(start: date, end: date, holidays: frozenset[date] = frozenset()) -> Iterator[date]:
    """Yield each day from start up to, not including, end that is no weekend and no holiday."""
    day = start
    while day < end:
        if day.weekday() < 5 and day not in holidays:
            yield day
        day += timedelta(days=1)


def age_in_years(born: date, today: date) -> int:
    """Return the completed years of a person's life on a given day.

    Someone born on 29 February completes a year on 1 March in a common year.
    """
    if today < born:
        raise ValueError("the day lies before the birth")
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (0 if had_birthday else 1)

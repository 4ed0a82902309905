"""Due dates: parsing dates and lengths as people write them, and resolving them to a day.

What belongs here: finding such expressions in a clause, and resolving them from the time of the message
with the business calendar. What does not: the commitments (the modules `*_rules`).

An expression is kept as a short code, so that a text is read once and resolved for each message that holds
it: `t0` today, `t1` tomorrow, `t2`; `w4` the next Friday, `w4n` Friday of the next week; `W0`, `W1` end of
this or the next week; `M0` end of this month; `d10` days, `b3` business days, `h2` hours, `m40` minutes;
`D20/03`, `D14`; then `@15:00`. `c@15:00` is a time of day without a day: today if it is still to come,
otherwise no due date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

Holidays = Callable[[int], frozenset[date]]

_WEEKDAYS = {"segunda": 0, "terca": 1, "quarta": 2, "quinta": 3, "sexta": 4, "sabado": 5, "domingo": 6}
_MONTHS = {
    "janeiro": 1,
    "fevereiro": 2,
    "marco": 3,
    "abril": 4,
    "maio": 5,
    "junho": 6,
    "julho": 7,
    "agosto": 8,
    "setembro": 9,
    "outubro": 10,
    "novembro": 11,
    "dezembro": 12,
}
_LENGTH = r"(?:(?:\d+ ?(?:a|ou|-|e) ?)?(?P<{0}>\d+)(?: ?\(\w+\))?)"
_NOW = (
    "hoje mesmo|ainda hoje|hoje|agora|agorinha|daqui a pouco|ja estou|mais tarde|a caminho|indo ai|"
    "passando ai|logo mais|ja (?:busco|pego|retiro)"
)
_WHEN = re.compile(
    r"\b(?:"
    + "|".join(
        (
            r"(?P<after>\bdepois de amanha\b)",
            r"(?P<tomorrow>\bamanha\b)",
            rf"(?P<today>\b(?:{_NOW})\b)",
            r"(?P<half>\bmeia hor(?:a|inha)\b)",
            r"(?P<later>\b(?:ja ja|estou chegando|indo (?:buscar|pegar|retirar)|(?:hora|antes) d[eo] almoco|"
            r"depois do (?:expediente|trabalho|almoco|servico)|saio do trabalho|"
            r"(?:fim|final) d[oa] (?:dia|tarde)|(?:a|de|da) (?:tarde|noite)\b(?! toda)))",
            _LENGTH.format("business") + r" ?(?:dias?|dia\w*zinhos?) (?:uteis|util)",
            _LENGTH.format("hours") + r" ?(?:horas?|h\b|hs\b|horinhas?)(?!\d)",
            _LENGTH.format("minutes") + r" ?min(?:ut\w*)?\b",
            _LENGTH.format("weeks") + r" ?seman(?:as?|inhas?)\b",
            _LENGTH.format("days") + r" ?(?:dias?|dia\w*zinhos?)\b(?: corridos)?",
            _LENGTH.format("months") + r" ?mes(?:es)?\b",
            r"(?P<nextweek>\b(?:semana que vem|proxima semana|(?:na )?semana seguinte))",
            r"(?P<endofweek>\b(?:fim|final) (?:d[ae]|des[st]a) semana"
            r"|\b(?:ainda )?(?:nes[st]a|es[st]a) semana)",
            r"(?P<nextbusiness>\b(?:proximo dia util|dia util (?:seguinte|que vem)))",
            r"(?P<endofmonth>\b(?:fim|final) do mes)",
            r"\bdia (?P<day>\d{1,2})(?:/(?P<month>\d{1,2})(?:/\d{2,4})?"
            rf"| de (?P<name>{'|'.join(_MONTHS)}))?\b",
            rf"(?<!\d)(?P<day2>\d{{1,2}}) de (?P<name2>{'|'.join(_MONTHS)})\b",
            r"(?<![\d/])(?P<day3>\d{1,2})/(?P<month3>\d{1,2})(?:/\d{2,4})?(?![\d/])",
            rf"\b(?P<weekday>{'|'.join(_WEEKDAYS)})(?:[ -]?feira)?\b"
            r"(?P<next> da (?:semana que vem|proxima semana|outra semana))?",
        )
    )
    + ")"
)
_SPAN = re.compile(r"\b(?:em|daqui|dentro de|mais|prazo de|uns|cerca de)(?: a| ate| umas)? ?$")
_PAST = re.compile(r"^ ?(?:passad[oa]|retrasad[oa]|atras)\b")
_TIME = re.compile(
    r"\b(?:as|ate|ate as|a partir das|das|la pelas|pelas|antes das|umas)? ?(?P<hour>[01]?\d|2[0-3])"
    r"(?: ?(?::|h) ?(?P<minute>[0-5]\d)|h\b| ?horas?\b| da (?P<part>manha|tarde|noite))"
)
# In "Entrego as duas", "duas" means two devices.
_AT = re.compile(
    r"(?<!entrego )(?<!libero )(?<!termino )(?<!devolvo )(?<!finalizo )(?<!levo )"
    r"\b(?:as|antes das|ate as|depois das|la pelas) (?P<hour>[01]?\d|2[0-3])\b(?! ?(?:dias|horas)| \w+s\b)"
)
# The hour needs "h" or a colon: "as 2 telas" is an article and a count.
_BY_TIME = re.compile(
    r"\b(?:meio[ -]dia\b|(?:as|ate|ate as|pelas|umas|antes das) (?:[01]?\d|2[0-3]) ?"
    r"(?:h(?:s|oras?)?\b|h[0-5]\d\b|:[0-5]\d\b)"
    r"|(?:[01]?\d|2[0-3])(?:h|h[0-5]\d|:[0-5]\d) (?:no maximo|pront[oa]|em ponto))"
)
_NOON = re.compile(r"\bmeio[ -]dia\b(?! e meia)")
_LENGTHS = re.compile(
    r"(?:\d+ ?(?:a|ou|e) ?)?(?P<n>\d+)(?: ?\([^)]*\))? ?"
    r"(?P<unit>dias?|dia\w*zinhos?|d|mes(?:es|inhos?)?|m|anos?|aninhos?|a|semanas?)\b"
)
_UNIT = {"d": "d", "m": "m", "a": "y", "s": "w"}


class When(NamedTuple):
    """A date expression as a code, and its position in the clause."""

    code: str
    start: int
    end: int


class Length(NamedTuple):
    """A length such as `90d`, `3m`, `1y`, and its position in the clause."""

    code: str
    start: int
    end: int


def lengths(clause: str) -> list[Length]:
    """Return the lengths of a clause: days, weeks, months and years."""
    return [
        Length(f"{int(match['n'])}{_UNIT[match['unit'][0]]}", match.start(), match.end())
        for match in _LENGTHS.finditer(clause)
    ]


# The groups of `_WHEN` that have a fixed code, and the groups with a number (letter and factor of the code).
_CODES = {
    "after": "t2",
    "tomorrow": "t1",
    "today": "t0",
    "later": "t0",
    "half": "m30",
    "nextweek": "W1",
    "endofweek": "W0",
    "endofmonth": "M0",
    "nextbusiness": "b1",
}
_COUNTED = {
    "business": ("b", 1),
    "hours": ("h", 1),
    "minutes": ("m", 1),
    "weeks": ("d", 7),
    "days": ("d", 1),
    "months": ("d", 30),
}


def _code(match: re.Match[str]) -> str:
    found = match.groupdict()
    for name, code in _CODES.items():
        if found[name]:
            return code
    for name, (letter, factor) in _COUNTED.items():
        if found[name]:
            return f"{letter}{int(found[name]) * factor}"
    if found["weekday"]:
        return f"w{_WEEKDAYS[found['weekday']]}{'n' if found['next'] else ''}"
    day = int(found["day"] or found["day2"] or found["day3"])
    name = found["name"] or found["name2"]
    month = _MONTHS[name] if name else int(found["month"] or found["month3"] or 0)
    return f"D{day}/{month}" if month else f"D{day}"


def clock(clause: str) -> str:
    """Return a code such as `c@18:00` for a time of day by which something is done; '' if there is none."""
    named = _time_in(clause, (0, 0)) if _BY_TIME.search(clause) else ""
    return f"c{named}" if named else ""


def _time_in(clause: str, around: tuple[int, int]) -> str:
    """Return a code such as `@15:00` if the clause has a time of day beside a date, otherwise ''."""
    rest = clause[: around[0]] + " " * (around[1] - around[0]) + clause[around[1] :]
    if _NOON.search(rest):
        return "@12:00"
    match = _TIME.search(rest) or _AT.search(rest)
    if match is None:
        return ""
    hour, minute = int(match["hour"]), int(match.groupdict().get("minute") or 0)
    if match.groupdict().get("part") in {"tarde", "noite"} and hour < 12:
        hour += 12
    return f"@{hour:02d}:{minute:02d}"


def dates(clause: str) -> list[When]:
    """Return the date expressions of a clause, in order. Expressions for the past are left out."""
    found: list[When] = []
    matches = list(_WHEN.finditer(clause))
    if any(not match["later"] for match in matches):  # "amanhã no fim do dia" is tomorrow
        matches = [match for match in matches if not match["later"]]
    if any(not match["today"] for match in matches):  # "agora é quarta"
        matches = [match for match in matches if not match["today"] or "hoje" in match["today"]]
    for match in matches:
        if _PAST.match(clause[match.end() :]) or re.search(
            r"\b(?:ha|faz|contar de|(?<=dias )a partir de|corridos a partir de|uteis a partir de|"
            r"desde(?: [oa])?) $",
            clause[: match.start()],
        ):
            continue
        before = clause[: match.start()]
        if match["hours"] and any(other["hours"] is None for other in matches) and not _SPAN.search(before):
            continue  # "amanhã 14h", "sexta, 11h"
        is_time = re.search(r"\b(?:as|das|ate|e) ?$", before)  # "até 18h", but not "em até 24h"
        if match["hours"] and is_time and (found or not re.search(r"\bem ate ?$", before)):
            continue
        code = _code(match)
        if code == "t0" and found and found[-1].code[0] == "w" and before[found[-1].end :].strip() == "":
            continue  # "sexta agora"
        if code == "W1" and found and found[-1].code[0] == "w":
            found[-1] = found[-1]._replace(code=found[-1].code.rstrip("n") + "n", end=match.end())
        elif code[0] == "w" and found and found[-1].code == "W1":
            found[-1] = When(f"{code.rstrip('n')}n", found[-1].start, match.end())
        else:
            found.append(When(code, match.start(), match.end()))
    return [when._replace(code=when.code + _time_in(clause, (when.start, when.end))) for when in found]


def resolve_day(code: str, sent_at: datetime, holidays: Holidays) -> tuple[date | None, time | None]:
    """Return the day that an expression means in a message of `sent_at`, and the time if the expression has
    one.

    Both are None for a time of day without a day that was over when the message was sent. For example, the
    day of "até as 10h fica pronto", written in the evening, is not known.
    """
    expression, _, clock = code.partition("@")
    at = time.fromisoformat(clock) if clock else None
    letter, rest = expression[0], expression[1:]
    if letter == "c" and at is not None:
        return (None, None) if at < sent_at.time() else (sent_at.date(), at)
    if letter in "hm":
        span = timedelta(hours=int(rest)) if letter == "h" else timedelta(minutes=int(rest))
        moment = sent_at + span
        named = at or (moment.time().replace(second=0, microsecond=0) if span < timedelta(days=1) else None)
        return moment.date(), named
    return _day(letter, rest, sent_at.date(), holidays), at


def _day(letter: str, rest: str, today: date, holidays: Holidays) -> date:
    """Return the day of an expression that consists of days."""
    weekday = today.weekday()
    if letter == "b":
        return add_business_days(today, int(rest), holidays)
    if letter == "w":
        wanted = int(rest[0])
        return today + timedelta(
            days=7 - weekday + wanted if rest.endswith("n") else (wanted - weekday - 1) % 7 + 1
        )
    if letter == "W":
        return today + timedelta(days=(4 - weekday) % 7 if rest == "0" else 11 - weekday)
    if letter == "M":
        return (today.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return _day_of_month(rest, today) if letter == "D" else today + timedelta(days=int(rest))


def _day_of_month(written: str, today: date) -> date:
    """Return the first day of the form `14` or `20/3` that is not long past."""
    day, _, month = written.partition("/")
    for ahead in range(13):
        number = (int(month) if month else today.month + ahead) - 1
        year = today.year + (ahead if month else number // 12)
        try:
            found = date(year, number % 12 + 1, int(day))
        except ValueError:
            continue
        if found >= today:
            return found
    return today


def add_business_days(day: date, count: int, holidays: Holidays) -> date:
    """Return the day that is `count` working days later, without Saturdays, Sundays and national holidays."""
    while count > 0:
        day += timedelta(days=1)
        if day.weekday() < 5 and day not in holidays(day.year):
            count -= 1
    return day

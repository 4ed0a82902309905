"""The Jinja2 environment of all pages, with Portuguese formats for numbers, shares and times.

What belongs here: the environment and the filters that templates need. What does not: the texts of pages (the
`.html` files beside this module), and their figures (steps/).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import cache
from math import floor
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from whatsapp_pipeline.templates.row_links import row_link

# Customers' texts may contain control characters. A browser shows nothing for them, or reverses the following
# text.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def render(template: str, **values: object) -> str:
    """Render a template with `values`, and return the page.

    Args:
        template: A file of this folder, such as `customer.html`.
        values: The values of the template's names. A missing name raises `jinja2.UndefinedError`.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {
        "number": number,
        "counted": counted,
        "certainty": certainty,
        "duration": duration,
        "share": share,
        "moment": moment,
        "day": day,
        "weekday": weekday,
        "bytes": bytes_,
        "month": month,
        "commands": commands,
        "lines": lines,
    }
    environment.globals["row_link"] = row_link
    return environment


def _printable(value: object) -> object:
    """Convert a value to text: None to an empty text, control characters to a visible replacement."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _INVISIBLE.sub("\ufffd", value)
    return value


def number(value: float | None, places: int = 0) -> str:
    """Write a number as Brazilians do: `1.234,5`; a dash for None."""
    if value is None:
        return "–"
    return f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))


def counted(count: int, noun: tuple[str, str]) -> str:
    """Write a count with its noun, which is given as singular and plural: `1 mensagem`, `1.234 mensagens`."""
    return f"{number(count)} {noun[count != 1]}"


def certainty(confidence: float) -> str:
    """Write a confidence as a percentage that is not rounded up: 0.9999 is `99%`, and only 1 is `100%`."""
    return f"{floor(100 * confidence + 1e-9)}%"


def duration(seconds: float) -> str:
    """Write how long something has lasted, in whole minutes, hours or days: `25 min`, `3 h`, `9 dias`."""
    if seconds < 3600:
        return f"{number(seconds // 60)} min"
    if seconds < 2 * 86_400:
        return f"{number(seconds // 3600)} h"
    return f"{number(seconds // 86_400)} dias"


def share(part: float, whole: float) -> str:
    """Write `part` of `whole` as a percentage with one decimal: `97,5%`; a dash if the whole is 0."""
    return f"{number(100 * part / whole, 1)}%" if whole else "–"


def moment(value: datetime | None) -> str:
    """Write a date with its time as Brazilians do: `05/01/2025 10:30`; nothing where there is none."""
    return f"{value:%d/%m/%Y %H:%M}" if value else ""


def day(value: date | None) -> str:
    """Write a date as Brazilians do: `05/01/2025`; nothing where there is none."""
    return f"{value:%d/%m/%Y}" if value else ""


_WEEKDAYS = (
    "segunda-feira",
    "terça-feira",
    "quarta-feira",
    "quinta-feira",
    "sexta-feira",
    "sábado",
    "domingo",
)


def weekday(value: date) -> str:
    """Write a date with its day of the week: `domingo, 05/01/2025`."""
    return f"{_WEEKDAYS[value.weekday()]}, {day(value)}"


def month(value: str | None) -> str:
    """Write a month as Brazilians do: `01/2025` for 2025-01; nothing where there is none."""
    return f"{value[5:]}/{value[:4]}" if value else ""


def bytes_(size: int) -> str:
    """Write a size in the unit that a person would use: `340 kB`, `2,1 MB`."""
    return f"{number(size / 1e6, 1)} MB" if size >= 1e6 else f"{number(size / 1e3)} kB"


def commands(words: str) -> Markup:
    """Escape a text. Text between backticks becomes a command."""
    parts = words.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def lines(text: str) -> Markup:
    """Escape text and keep its line breaks."""
    shown = _INVISIBLE.sub("\ufffd", text.replace("\r\n", "\n"))
    return Markup("<br>").join(escape(line) for line in shown.split("\n"))


def marked(text: str, start: str, end: str) -> Markup:
    """Escape text on one line. Text between the marks is emphasised."""
    shown = _INVISIBLE.sub("\ufffd", " ".join(text.split()))
    parts = re.split(f"{re.escape(start)}(.*?){re.escape(end)}", shown)
    made = Markup("").join(
        Markup("<mark>{}</mark>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
    return made.replace(start, "").replace(end, "")

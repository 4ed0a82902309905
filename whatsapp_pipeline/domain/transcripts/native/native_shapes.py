"""The header shapes of WhatsApp's own exports, and the places of their fields.

What belongs here: every known shape of a native header; a new one is one more alternative here. What does
not: parsing dates and times (`native_dates.py`), senders and texts (`native_reader.py`), and the words of a
language (`languages/`).

    android    05/01/2025, 10:00 - Maria: oi          5/1/25, 10:00 p. m. - …       05/01/2025 10:00 - …
               10/07/2025 9:30 da manhã - …           02.05.18 à 18:00 - …          5 mar. 2025 10:00 - …
    ios        [05/01/2025, 10:00:00] Maria: oi       [5/1/25 10.00.00] …           [2025-01-05, 1:00:00 PM] …
    ios, time first                                   [10:00:00, 05/01/2025] …
    ios before 2018                                   27/06/16 08:04:08: Maria: oi
    whatsapp-viewer                                   01.04.2015 - 16:00:27; ME: oi
    without a mark between time and name              02-12-18 22:55:45 Maria: oi
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Literal

from whatsapp_pipeline.domain.transcripts.chat_message import FormatName
from whatsapp_pipeline.domain.transcripts.phrases import INVISIBLE, phrases

_MARK = f"[{INVISIBLE}]*"
_SPACE = "[ \u00a0\u202f\u2009]"
_HALF = rf"[AaPp]\.?{_SPACE}?[Mm]\.?|[صم]|[μπ]\.?{_SPACE}?μ\.?"
_HALF_BEFORE = r"[^\W\d_]{1,3}\.?(?:[^\W\d_]\.)?"
_WORD = r"[^\W\d_]{2,12}\.?"
_SAMPLE = 1 << 16
_LONGEST_NAME = 130


_Rare = Literal["ios_before_2018", "viewer", "bare"]


def _date_with(mark: str) -> str:
    """Return an expression for a date in numbers, with `mark` around its punctuation.

    The digits may be of any script. The year has four digits or two, or is Buddhist (2567) or of a Japanese
    era (R6).
    """
    return rf"[RHS]?\d{{1,4}}{mark}[/.\-]{mark}\d{{1,2}}{mark}[/.\-]{mark}\d{{1,4}}"


def _time_with(mark: str) -> str:
    return rf"\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?{mark}(?:{_SPACE}?(?:{_HALF}))?{mark}"


_PLAIN_DATE, _PLAIN_TIME = _date_with(""), _time_with("")


def _words(found: list[str]) -> str:
    """Return an expression for any of the words, the longest first, with any kind of blank in them."""
    escaped = (re.escape(word).replace(r"\ ", _SPACE) for word in sorted(found, key=len, reverse=True))
    return "|".join(escaped)


@cache
def any_date() -> str:
    """Return an expression for all forms of a date: in numbers, or with a word that may be a month."""
    of = rf"(?:{_SPACE}?(?:de|di){_SPACE})?"
    named = (
        rf"\d{{1,2}}\.?{_SPACE}?{of}{_WORD},?{_SPACE}?{of}\d{{4}}"
        rf"|{_WORD}{_SPACE}\d{{1,2}},?{_SPACE}\d{{4}}"
        rf"|\d{{1,2}}-{_WORD}-\d{{4}}"
        rf"|\d{{2,4}}[年년]{_SPACE}?\d{{1,2}}[月월]{_SPACE}?\d{{1,2}}[日일]"
    )
    spaced = rf"\d{{1,4}}\.{_SPACE}\d{{1,2}}\.{_SPACE}\d{{1,4}}\.?"
    return rf"{_date_with(_MARK)}\.?|{spaced}|{named}"


@cache
def any_time() -> str:
    """Return an expression for all forms of a time of day, with words that may be a part of the day."""
    french = rf"{_SPACE}?h{_SPACE}?\d{{2}}(?:{_SPACE}?min{_SPACE}?\d{{2}}{_SPACE}?s)?"
    clock = rf"\d{{1,2}}(?:[:.]\d{{2}}(?:[:.]\d{{2}})?|{french})"
    words = rf"{_WORD}(?:[.’']?{_SPACE}?[^\W\d_]+(?:-[^\W\d_]+)?\.?){{0,3}}"
    return rf"(?:{_HALF_BEFORE}{_SPACE}?)?{clock}{_MARK}(?:{_SPACE}?(?:{_HALF}|{words}))?{_MARK}"


@dataclass(frozen=True, slots=True)
class Layout:
    r"""One arrangement of punctuation around date and time.

    `header` starts with the `\n` before the line. `line` is the same expression for polars: it has no
    look-ahead and starts with the line. In both, `date_group` is the group of the date; the other group is
    the time. `usual` matches most of these lines: the date ends at the first space, and the header ends at
    the first `closing`. All other lines with a header match `hint`, which is faster to search than `line`.
    """

    name: Literal["android", "ios", "ios_time_first", "ios_before_2018", "viewer", "bare"]
    header: re.Pattern[str]
    date_group: Literal[1, 2]
    line: str
    usual: str | None = None
    closing: str = ""
    hint: str = ""

    @property
    def format(self) -> FormatName:
        """Return the name of the format in options and summaries."""
        return "ios" if self.name.startswith("ios") else "android"

    @property
    def is_rare(self) -> bool:
        """Return whether the layout is rare.

        `find_layout` uses a rare one only if the layouts before it match at most a third of the lines.
        """
        return self.usual is None

    @property
    def always_named(self) -> bool:
        """Return whether every line names a sender, so that a line without a name only lacks its blank."""
        return self.format == "ios"


def _android(date_part: str, time_part: str) -> str:
    return rf"{_MARK}({date_part}){_between()}({time_part}){_SPACE}[-–]{_SPACE}{_MARK}"


def _ios(first: str, second: str) -> str:
    return rf"{_MARK}\[{_MARK}({first}){_between()}({second})\]{_SPACE}"


def _before_2018(date_part: str, time_part: str) -> str:
    return rf"{_MARK}({date_part}){_between()}({time_part}):{_SPACE}{_MARK}"


def _viewer(date_part: str, time_part: str) -> str:
    return rf"{_MARK}({date_part}){_SPACE}[-–]{_SPACE}({time_part});{_SPACE}{_MARK}"


@cache
def _between() -> str:
    """Return an expression for the text between date and time: a comma, blanks, or a word such as `às`."""
    joiner = _words(list(phrases().times.joiners))
    # A word comes first: `às` would be read as a half of the day before the time otherwise.
    return rf"(?:[,،]?{_SPACE}(?i:{joiner}){_SPACE}|, |[,،]?{_MARK}{_SPACE}{{1,2}}{_MARK})"


@cache
def layouts() -> tuple[Layout, ...]:
    """Return all layouts, the usual ones first."""
    # The usual form is the first alternative, which saves a third of the search.
    date, time = rf"\d\d?/\d\d?/\d\d(?:\d\d)?|{any_date()}", rf"\d\d?:\d\d(?::\d\d)?(?=\]| - )|{any_time()}"
    return (
        Layout(
            "android",
            re.compile("\n" + _android(date, time)),
            1,
            "^" + _android(any_date(), any_time()),
            rf"^\u200e?{_PLAIN_DATE},? {_PLAIN_TIME} - (?:[^{INVISIBLE}]|$)",
            " - ",
            rf"^{_MARK}(?:[RHS]?\d{{1,4}}{_MARK}[/.\-年년]|[0-9]{{1,2}}[^0-9]{{3,20}}[12][0-9]{{3}}[^0-9]"
            rf"|[^0-9]{{3,14}}[0-9]{{1,2}},?{_SPACE}[12][0-9]{{3}}[^0-9])",
        ),
        Layout(
            "ios",
            re.compile("\n" + _ios(date, time)),
            1,
            "^" + _ios(any_date(), any_time()),
            rf"^\u200e?\[{_PLAIN_DATE},? {_PLAIN_TIME}\] ",
            "] ",
            rf"^{_MARK}\[",
        ),
        Layout("ios_time_first", re.compile("\n" + _ios(time, date)), 2, "^" + _ios(any_time(), any_date())),
        *_rare_layouts(),
    )


def _bare(date_part: str, time_part: str) -> str:
    return rf"{_MARK}({date_part}){_between()}({time_part}){_SPACE}{_MARK}"


def _rare_layouts() -> Iterator[Layout]:
    # Only a colon or a blank ends these times, so that words after them are not parts of the day.
    plain = _time_with(_MARK)
    expressions: dict[_Rare, str] = {
        "ios_before_2018": _before_2018(any_date(), plain),
        "viewer": _viewer(any_date(), any_time()),
        "bare": _bare(any_date(), plain),
    }
    for name, expression in expressions.items():
        # A date and a time alone are not a header, because the first lines of blocks have them too.
        name_follows = r"(?=[^:\n–-][^:\n]{0,59}:(?:\s|$))" if name == "bare" else ""
        yield Layout(name, re.compile("\n" + expression + name_follows), 1, "^" + expression)


def find_layout(text: str, wanted: FormatName = "auto") -> Layout | None:
    r"""Return the layout of most headers of a text; None if it has no headers.

    The text starts with a `\n`. The function reads a sample, and the whole text if the sample has no headers.
    """
    sample = text[:_SAMPLE]
    known = layouts()
    if wanted != "auto":
        known = tuple(layout for layout in known if layout.format == wanted)
    if len(text) > _SAMPLE and not any(layout.header.search(sample) for layout in known):
        sample = text
    best, most = None, 0
    lines = sample.count("\n")
    half = (lines + 1) // 2
    for layout in known:
        if layout.is_rare and best is not None and (most * 3 > lines or not _is_first(layout, best, sample)):
            continue
        count = sum(1 for _ in islice(layout.header.finditer(sample), half))
        if count > most:
            best, most = layout, count
        if most >= half:  # no other layout can have more
            break
    return best


def _is_first(layout: Layout, other: Layout, text: str) -> bool:
    """Return whether the first header of a layout is above the first header of another."""
    first, others = layout.header.search(text), other.header.search(text)
    return first is not None and (others is None or first.start() < others.start())


def names_in(text: str, layout: Layout, limit: int) -> Iterator[str]:
    """Yield the text at the place of the name in each of the first headers."""
    text = f"\n{text}"
    for match in islice(layout.header.finditer(text), limit):
        end = text.find(":", match.end(), match.end() + _LONGEST_NAME)
        if end > 0:
            yield text[match.end() : end]

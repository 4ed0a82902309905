r"""WhatsApp's own "Export chat", of Android and iOS.

    05/01/2025 10:00 - As mensagens e as ligações são protegidas …      no `Name: `: a notification
    05/01/2025 10:00 - Maria: Bom dia                                   the first line of a message
    vocês consertam?                                                    and its next

What belongs here: cutting text into messages, senders, and who of them is staff. What does not: header shapes
(`native_shapes.py`), what stands in a message (`bodies.py`), what is done with a batch (`columns.py`).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, chain, compress, repeat
from operator import gt
from typing import NamedTuple, cast

from .bodies import NATIVE_ENDINGS, Body, parse_native_body
from .decoding import TextChunks, is_utf8, lenient, line_count, with_last
from .model import ChatEnd, ChatStart, Event, Finding, LineKind, ParseOptions
from .native_senders import NOTIFICATION, Senders
from .native_shapes import Dates, DateVotes, Decision, Layout, Times, combine, narrow_header
from .old_columns import ChatBuilder, Sender, Totals, batch_of, clock_of
from .phrases import INVISIBLE, phrases

# How many chunks are looked at for a date that tells day from month.
_LOOK_AHEAD = 64
# A message that goes on for longer than this is none; its middle is left out and recorded.
_MESSAGE_LIMIT = 1 << 22
_KEPT = 65_536
# Headers whose shape could not be used before the reader stops to look for one that can.
_MISSES = 8
_LONGEST_HEADER = 100
_MARKS = frozenset(INVISIBLE)


class _Columns(NamedTuple):
    """Messages field by field; `rests` is what follows the header, `counts` the line ends in that."""

    times: list[datetime]
    rests: list[bytes]
    counts: list[int]
    names: list[bytes]
    texts: list[str]
    data: list[bytes]  # the texts, before decoding


class NativeReader:
    """Reads one file of a native format; see `read`."""

    def __init__(self, options: ParseOptions, layout: Layout) -> None:
        title = options.default_title
        self._title = phrases().title(title) if title is not None else None
        self._options = options
        self._layout = layout
        self._chat = ChatBuilder(Totals(1, self._title, 1, layout.format), clock_of(options.tzinfo))
        self._dates = Dates("dmy")
        self._times = Times()
        self._senders = Senders((), None, "")
        self._known_senders: dict[bytes, Sender] = {}
        self._narrow: re.Pattern[bytes] | None = None  # what this file's headers look like
        self._misses = 0
        self._starts = phrases().text_starts
        self._notices: dict[str, Body] = {}
        self._known: dict[str, Body] = {}
        self._line = 1  # of the header that is read next
        self._left_out = 0  # lines of the message in hand that were too many to keep
        self._shortened = False
        self._latest: datetime | None = None
        self._findings: list[Finding] = []

    def read(self, chunks: Iterator[bytes], source: TextChunks) -> Iterator[Event]:
        """Yield the events of a file whose first chunk has a header of the layout.

        Memory is bounded by a few chunks and the longest message.
        """
        totals = self._chat.totals
        yield ChatStart(1, self._title, 1, self._layout.format)
        ahead, decision = self._look_ahead(chunks)
        self._dates = Dates(decision.order)
        self._senders = Senders(self._options.owner, self._title, lenient(ahead[0]))
        totals.date_order = decision.order
        yield from map(totals.note, _doubts(decision))
        held, started = b"\n", False
        for chunk, is_last in with_last(chain(ahead, chunks)):
            searched = len(held)
            held += chunk
            if not started:
                held = source.mend(held, 0)
                started, at = True, self._first_header(held)
                if at:
                    preamble = line_count(held[1 : at + 1])
                    totals.lines[LineKind.EXCEPTION] += preamble
                    self._line += preamble
                    detail = f"{preamble} lines before the first message"
                    yield totals.note(Finding(1, "preamble", "warning", detail))
                    held, searched = held[at:], 0
            if held:
                held = yield from self._read_data(held, searched, source, is_last=is_last)
        if self._senders.is_undecided:
            detail = "who is staff could not be told: set the owner's name or number"
            yield totals.note(Finding(0, "direction_unknown", "warning", detail))
        totals.is_group |= self._senders.is_group
        yield from map(totals.note, source.findings)
        yield ChatEnd(totals.summary(source.encoding))

    def _look_ahead(self, chunks: Iterator[bytes]) -> tuple[list[bytes], Decision]:
        """Read on until the order of the dates is told, within bounds."""
        ahead: list[bytes] = []
        votes = DateVotes()
        for chunk in chunks:
            ahead.append(chunk)
            if self._options.date_order != "auto":
                return ahead, Decision(self._options.date_order, "option")
            found = self._layout.header.findall(f"\n{lenient(chunk)}")
            group = self._layout.date_group - 1
            votes.add([parts[group] for parts in found], [parts[1 - group] for parts in found])
            if votes.is_decided or len(ahead) == _LOOK_AHEAD:
                break
        language = phrases().language(lenient(ahead[0])[:_KEPT])
        return ahead, votes.decide(phrases().date_orders.get(language or ""))

    def _first_header(self, data: bytes) -> int:
        """Where the first header with a true date starts; the length when there is none."""
        text = data.decode()
        for match in self._layout.header.finditer(text):
            if self._time_of(match):
                return len(text[: match.start()].encode())
        return len(data)

    def _last_header(self, text: str, searched: int) -> int:
        """Where the last header with a true date starts; so much of the text has none but the first."""
        at = len(text)
        while (at := text.rfind("\n", max(searched - 1, 0), at)) > 0:
            match = self._layout.header.match(text, at)
            if match is not None and self._time_of(match):
                return at
        return 0

    def _time_of(self, match: re.Match[str] | re.Match[bytes]) -> datetime | None:
        group = self._layout.date_group
        try:
            return datetime.combine(self._dates[match[group]], self._times[match[3 - group]])
        except KeyError:
            return None

    def _read_data(
        self, data: bytes, searched: int, source: TextChunks, *, is_last: bool
    ) -> Generator[Event, None, bytes]:
        """Read what starts with a header; returns what must wait for more."""
        line = self._line - 1 + self._left_out
        if b"\x00" in data:
            data, searched = source.mend(data, line), 0
        at = len(data) if is_last else self._last_narrow(data, searched)
        columns = self._narrow_columns(data.rstrip(b"\n") if is_last else data[:at]) if at else None
        if columns is not None:
            yield from self._messages(columns, line_count(data[1:at]) if is_last else None)
            return data[at:]
        mended = source.mend(data, line)
        text, held = mended.decode(), ""
        if not is_last:
            known = len(data[:searched].decode(errors="ignore")) if mended is data else 0
            at = self._last_header(text, known)
            text, held = text[:at], text[at:]
        if text:
            if self._misses < _MISSES:
                self._misses += 1
                self._narrow = narrow_header(text[:_LONGEST_HEADER], self._layout)
            lines = line_count(text[1:].encode()) if is_last else None
            yield from self._messages(self._columns(text.rstrip("\n") if is_last else text), lines)
        return (self._shorten(held) if len(held) > _MESSAGE_LIMIT else held).encode()

    def _last_narrow(self, data: bytes, searched: int) -> int:
        """Where the last header of the usual shape starts; 0 when only the first is one."""
        at = len(data) if self._narrow is not None else 0
        while (at := data.rfind(b"\n", max(searched - 1, 0), at)) > 0:
            match = self._narrow.match(data, at) if self._narrow is not None else None
            if match is not None and self._time_of(match):
                # A line in another encoding is mended first; its marks may then be no marks.
                return at if is_utf8(data[at:]) else 0
        return 0

    def _narrow_columns(self, data: bytes) -> _Columns | None:
        """Cut what starts with a header, when all its headers have the usual shape and true dates."""
        if self._narrow is None:
            return None
        first, *parts = self._narrow.split(data)
        try:
            columns = self._cut(parts) if not first else None
        except (KeyError, UnicodeDecodeError):
            return None
        # Headers of another shape hide in what looks like more lines of a message.
        if columns is not None and any(columns.counts):
            longer = b"\0".join(compress(columns.rests, columns.counts)).decode()
            if self._layout.header.search(longer):
                return None
        return columns

    def _columns(self, text: str) -> _Columns:
        """Cut text that starts with a header into messages; a header without a true date is text."""
        _, *parts = self._layout.header.split(text)
        try:
            return self._cut([part.encode() for part in parts])
        except KeyError:
            return self._careful_columns(text)

    def _cut(self, parts: Sequence[bytes]) -> _Columns:
        """Messages field by field, from dates, times and rests by turns; KeyError for no true date."""
        group = self._layout.date_group
        days = list(map(self._dates.__getitem__, parts[group - 1 :: 3]))
        clocks = list(map(self._times.__getitem__, parts[2 - group :: 3]))
        return _with_fields(combine(days, clocks), parts[2::3])

    def _careful_columns(self, text: str) -> _Columns:
        times, rests = list[datetime](), list[str]()
        line, begin = self._line, 0
        for match in self._layout.header.finditer(text):
            time = self._time_of(match)
            if time is None:
                at = line + text.count("\n", 1, match.start() + 1)
                detail = "a header whose date or time does not exist: kept as text"
                self._findings.append(Finding(at, "invalid_date", "warning", detail))
                continue
            if times:
                rests.append(text[begin : match.start()])
            times.append(time)
            begin = match.end()
        rests.append(text[begin:])
        return _with_fields(times, [rest.encode() for rest in rests])

    def _messages(self, columns: _Columns, line_total: int | None) -> Iterator[Event]:
        """The messages of a text, and what is odd about them; `line_total` counts empty lines at its end."""
        times, rests, ends, names, texts, data = columns
        counts = [end + 1 for end in ends]
        counts[0] += self._left_out
        if line_total is not None:
            counts[-1] += line_total + self._left_out - sum(counts)
        starts = list(accumulate(counts, initial=self._line))
        self._line = starts.pop()
        found = list(map(self._known_senders.get, names))
        if None in found:
            for at, sender in enumerate(found):
                if sender is None:
                    found[at], data[at] = self._learn(rests[at])
                    texts[at] = data[at].decode()
        senders = cast("list[Sender]", found)
        parsed = self._parse(senders, texts)
        yield batch_of(self._chat.build(starts, times, senders, texts, data, parsed))
        counted = self._chat.totals.lines
        counted[LineKind.HEADER] += len(rests)
        counted[LineKind.EXCEPTION] += self._left_out
        counted[LineKind.BODY] += sum(counts) - len(rests) - self._left_out
        yield from map(self._chat.totals.note, self._oddities(times, starts))

    def _learn(self, rest: bytes) -> tuple[Sender, bytes]:
        """The sender and text of a line whose sender was not met before, or has none."""
        name, colon, text = rest.partition(b": ")
        if not colon and rest.endswith(b":"):  # an empty message whose last space is lost
            name, colon, text = rest[:-1], b":", b""
        if not colon:
            return NOTIFICATION, rest
        written = name.decode()
        sender = self._senders.get(written) or self._senders.learn(written)
        if sender is None:
            return NOTIFICATION, rest
        if len(self._known_senders) > 10_000:
            self._known_senders.clear()
        self._known_senders[name] = sender
        return sender, text

    def _parse(self, senders: list[Sender], texts: Sequence[str]) -> dict[int, Body]:
        """The texts that are more than text, by index; system lines lose their senders."""
        parsed: dict[int, Body] = {}
        starts = self._starts
        special = [
            at
            for at, text in enumerate(texts)
            if text[-1:] in NATIVE_ENDINGS or text[:5] in starts or text[:1] in _MARKS
        ]
        for at in special:
            if senders[at] is not NOTIFICATION:
                body = self._special(texts[at])
                if body is None:
                    senders[at] = NOTIFICATION
                else:
                    parsed[at] = body
        if NOTIFICATION in senders:
            for at, sender in enumerate(senders):
                if sender is NOTIFICATION:
                    parsed[at] = self._notice(texts[at])
        return parsed

    def _special(self, text: str) -> Body | None:
        """A text that is more than words; None when it is WhatsApp's own.

        iOS marks its own lines, and names the chat as their sender.
        """
        body = self._known.get(text)
        if body is None:
            body = parse_native_body(text)
            if body.type == "text":
                kind = phrases().notification(text)
                if kind == "encryption" or (kind in ("group", "system") and text[:1] in _MARKS):
                    return None
            if len(self._known) > 1_000:
                self._known.clear()
            self._known[text] = body
        return body

    def _notice(self, text: str) -> Body:
        notice = self._notices.get(text)
        if notice is None:
            kind = phrases().notification(text)
            self._senders.is_group |= kind == "group"
            notice = Body(text, kind if kind in ("call", "deleted") else "system")
            if len(self._notices) > 1_000:
                self._notices.clear()
            self._notices[text] = notice
        return notice

    def _oddities(self, times: Sequence[datetime], starts: Sequence[int]) -> list[Finding]:
        """What does not fit: headers without a date, messages out of order, messages too long to be one."""
        findings, self._findings = self._findings, []
        if self._shortened:
            detail = (
                f"a message of more than {_MESSAGE_LIMIT} characters; {self._left_out} lines were left out"
            )
            findings.append(Finding(starts[0], "oversized_message", "error", detail))
            self._shortened, self._left_out = False, 0
        before = self._latest or times[0]
        if times[0] < before or any(map(gt, times, times[1:])):
            for time, line in zip(times, starts, strict=True):
                if time < before:
                    detail = (
                        "earlier than the message before: pasted from elsewhere, or the clock was changed"
                    )
                    findings.append(Finding(line, "out_of_order", "info", detail))
                before = time
        self._latest = times[-1]
        return findings

    def _shorten(self, held: str) -> str:
        """Leave out the middle of a message that is too long to be one, counting its lines."""
        start = held.rfind("\n", 0, _MESSAGE_LIMIT // 2) + 1
        start = start if start > 1 else _MESSAGE_LIMIT // 2
        end = held.find("\n", len(held) - _KEPT) + 1 or len(held) - _KEPT
        # A line break stays on either side, or none.
        self._left_out += held.count("\n", start, end)
        self._shortened = True
        return held[:start] + held[end:]


def _with_fields(times: list[datetime], rests: Sequence[bytes]) -> _Columns:
    names, _, data = zip(*[rest.partition(b": ") for rest in rests], strict=True)
    b"".join(set(names)).decode()  # whether they are UTF-8
    counts = list(map(bytes.count, rests, repeat(b"\n")))
    return _Columns(times, list(rests), counts, list(names), list(map(bytes.decode, data)), list(data))


def _doubts(decision: Decision) -> Iterator[Finding]:
    """What has to be said about how the order of dates was found."""
    order = decision.order
    if decision.grounds == "mixed":
        detail = f"dates speak for more than one order; {order} was taken, as most of them do"
        yield Finding(0, "mixed_dates", "warning", detail)
    elif decision.grounds == "sorted":
        yield Finding(
            0, "date_order_inferred", "info", f"{order}: the only order in which the dates are sorted"
        )
    elif decision.grounds in ("clock", "locale"):
        detail = f"every date could be read two ways; {order} was taken from the {decision.grounds}"
        yield Finding(0, "date_order_assumed", "warning", detail)

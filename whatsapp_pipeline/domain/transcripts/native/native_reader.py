r"""WhatsApp's own "Export chat", of Android and iOS.

    05/01/2025 10:00 - As mensagens e as ligações são protegidas …      no `Name: `: a notification
    05/01/2025 10:00 - Maria: Bom dia                                   the first line of a message
    vocês consertam?                                                    its second line

`NativeReader` decides which part of a file can be read; `read_native_parts` reads the parts of many files
together. What belongs here: cutting files into parts, and assigning messages to senders. What does not:
header shapes (`native_shapes.py`), parsing lines (`native_columns.py`) and bodies (`native_bodies.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from re import Match

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder, Finding, LineKind, ParseOptions
from whatsapp_pipeline.domain.transcripts.chats import Journal
from whatsapp_pipeline.domain.transcripts.columns import ROW_SCHEMA, rows_together, with_bodies
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks, lenient, line_count, with_last
from whatsapp_pipeline.domain.transcripts.native.native_bodies import (
    NativeTexts,
    may_be_captions,
    parse_bodies,
)
from whatsapp_pipeline.domain.transcripts.native.native_columns import (
    Headers,
    Ints,
    Times,
    end_in_phrase,
    find_headers,
    header_times,
    may_name_files,
    with_more_lines,
)
from whatsapp_pipeline.domain.transcripts.native.native_dates import (
    DateContext,
    DateVotes,
    Decision,
    dates_in,
    order_of_locale,
    times,
)
from whatsapp_pipeline.domain.transcripts.native.native_notices import UnknownNotices
from whatsapp_pipeline.domain.transcripts.native.native_senders import MessageSenders, Senders, who_wrote
from whatsapp_pipeline.domain.transcripts.native.native_shapes import Layout, layouts, names_in
from whatsapp_pipeline.domain.transcripts.oversized import LONGEST_TEXT, SkippedLines
from whatsapp_pipeline.domain.transcripts.parts import Part
from whatsapp_pipeline.domain.transcripts.phrases import phrases

# Dates are read in pieces of this size until one decides the order of day and month, up to a limit.
_PIECE = 1 << 17
_PIECES = 64
_LANGUAGE_SAMPLE = 1 << 16
_PART = 1 << 20  # largest number of bytes of a part, unless one message is longer
_NAMES = 2_000  # number of headers in which the owner and the customer are searched
_VIEWERS_OWNER = ("ME",)  # the name that whatsapp-viewer gives the owner


class NativeReader:
    """Cuts one file into parts that can be read, and stores the state that they share."""

    def __init__(
        self, options: ParseOptions, layout: Layout, source: int, text: TextChunks, journal: Journal
    ) -> None:
        title = options.default_title
        self._title = phrases().title(title) if title is not None else None
        self._options, self._text, self._journal = options, text, journal
        self.layout = layout
        self.chat = journal.open(source, 1, self._title, 1, layout.format)
        self.order: DateOrder = "dmy"
        self.senders = Senders((), None, "", ())
        self.notices = UnknownNotices(layout)
        self.line = 1
        """The first line that is not read yet."""
        self.skipped = SkippedLines()
        self._preamble: int | None = 0  # lines before the first message; None after it was found
        self._latest: np.datetime64 | None = None

    def parts(self, chunks: Iterator[bytes]) -> Iterator[Part[NativeReader]]:
        """Yield parts that start with a header of a valid date; the last message waits, as it may continue.

        Memory is limited to a few chunks and the longest message.
        """
        ahead = self._look_ahead(chunks)
        held = b""
        for chunk, is_last in with_last(_smaller(chain(ahead, chunks))):
            searched, data = len(held), held + chunk
            if self._preamble is not None:
                data = self._without_preamble(data, is_last=is_last)
            at = len(data) if is_last else self._last_header(data, searched)
            if at or is_last:
                yield Part(self, data[:at], is_last)
            held = self._shortened(data[at:])

    def _look_ahead(self, chunks: Iterator[bytes]) -> list[bytes]:
        """Read ahead until the order of the dates is known or a limit is reached; return the chunks."""
        ahead: list[bytes] = []
        pieces = _pieces(chunks, ahead)
        sample = next(pieces, "")
        owner = (*self._options.owner, *(_VIEWERS_OWNER if self.layout.name == "viewer" else ()))
        self.senders = Senders(owner, self._title, sample, names_in(sample, self.layout, _NAMES))
        self.notices.learn(sample, self.senders)
        decision = Decision(self._options.date_order, "option")
        if decision.order == "auto":
            votes, group = DateVotes(), self.layout.date_group - 1
            for piece in islice(chain([sample], pieces), _PIECES):
                found = self.layout.header.findall(f"\n{piece}")
                votes.add([parts[group] for parts in found], [parts[1 - group] for parts in found])
                if votes.is_decided:
                    break
            decision = votes.decide(lambda: _order_of_language(sample), self._date_context)
        self.order = self.chat.totals.date_order = decision.order
        for doubt in _doubts(decision):
            self.note(doubt)
        return ahead

    def _date_context(self) -> DateContext:
        return DateContext(self._options.archive_order, order_of_locale(self._options.locale))

    def _without_preamble(self, data: bytes, *, is_last: bool) -> bytes:
        """Return the data from the first header with a valid date on."""
        data = self._text.mend(data, self.line)
        text = f"\n{data.decode()}"
        headers = self.layout.header.finditer(text)
        first = next((match.start() for match in headers if self._has_valid_time(match)), None)
        before = len(data) if first is None else len(text[1 : first + 1].encode())
        lines = line_count(data[:before]) if is_last else data.count(b"\n", 0, before)
        self.line += lines
        self.chat.totals.lines[LineKind.EXCEPTION] += lines
        preamble = (self._preamble or 0) + lines
        self._preamble = preamble if first is None else None
        if preamble and (is_last or first is not None):
            detail = f"{preamble} lines before the first message"
            self.note(Finding(1, "preamble", "warning", detail))
        return data[before:]

    def _last_header(self, data: bytes, searched: int) -> int:
        """Return the start of the last header with a valid date; 0 if there is only the first one.

        The first `searched` bytes were searched before and contain no other.
        """
        at = len(data)
        while (at := data.rfind(b"\n", max(searched - 1, 0), at)) >= 0:
            end = data.find(b"\n", at + 1)
            match = self.layout.header.match(lenient(data[at : end if end >= 0 else len(data)]))
            if match is not None and self._has_valid_time(match):
                return at + 1
        return 0

    def _has_valid_time(self, match: Match[str]) -> bool:
        group = self.layout.date_group
        return None not in (dates_in(self.order)[match[group]], times()[match[3 - group]])

    def _shortened(self, held: bytes) -> bytes:
        """Skip the middle of text that is too long for one message."""
        if len(held) <= LONGEST_TEXT:  # this many bytes are at most as many characters
            return held
        return self.skipped.shorten(self.mend(held).decode()).encode()

    def note(self, finding: Finding) -> None:
        """Add a finding about the file."""
        self._journal.note(self.chat, finding)

    def mend(self, data: bytes) -> bytes:
        """Return the next data as valid UTF-8 without NULs."""
        return self._text.mend(data, self.line + self.skipped.count)

    def end_part(self, part: Part[NativeReader], lines: int, times: Times) -> None:
        """Continue after a part that was read, and count its lines.

        `lines` does not contain the empty lines at the end of the file, which are counted here. `times` are
        those of the part's messages.
        """
        if part.is_last:
            ends = len(part.data) - len(part.data.rstrip(b"\n"))
            lines += max(ends - 1, 0)
        counted = self.chat.totals.lines
        counted[LineKind.HEADER] += len(times)
        counted[LineKind.EXCEPTION] += self.skipped.count
        counted[LineKind.BODY] += lines - len(times)
        lines += self.skipped.count
        if (finding := self.skipped.end_message(self.line)) is not None:
            self.note(finding)
        if len(times):
            if self._latest is not None and times[0] < self._latest:
                self.note(_out_of_order(self.line))
            self._latest = times[-1]
        self.line += lines
        if part.is_last:
            self._finish()

    def _finish(self) -> None:
        if self.senders.is_undecided:
            detail = "it is unknown who is staff: set the owner's name or number"
            self.note(Finding(0, "direction_unknown", "warning", detail))
        self.chat.totals.is_group |= self.senders.is_group
        for finding in self._text.findings:
            self.note(finding)
        self._journal.close(self.chat, self._text)


def _order_of_language(sample: str) -> DateOrder | None:
    """Return the date order of the language of a file's notices."""
    return phrases().date_orders.get(phrases().language(sample[:_LANGUAGE_SAMPLE]) or "")


def _smaller(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Split chunks at line ends, because short native messages take more memory than their text."""
    for chunk in chunks:
        start = 0
        while len(chunk) - start > _PART and (end := chunk.rfind(b"\n", start, start + _PART) + 1):
            yield chunk[start:end]
            start = end
        yield chunk[start:]


def _pieces(chunks: Iterator[bytes], ahead: list[bytes]) -> Iterator[str]:
    """Yield the text of chunks in pieces of whole lines; the chunks that were read are added to `ahead`."""
    waiting = b""
    for chunk in chunks:
        ahead.append(chunk)
        waiting += chunk
        while len(waiting) >= _PIECE:
            end = waiting.rfind(b"\n", 0, _PIECE) + 1 or _PIECE
            yield lenient(waiting[:end])
            waiting = waiting[end:]
    if waiting:
        yield lenient(waiting)


_SOURCES_OF_ORDER = {
    "language": "the language of its notices",
    "archive": "the files nearest to it in the archive",
    "clock": "the clock, which only the United States write so",
    "locale": "the owner's locale (CHAT_LOCALE)",
    "default": "the default; set CHAT_LOCALE, or the file's date_order",
}


def _doubts(decision: Decision) -> Iterator[Finding]:
    """Yield the findings about how the order of dates was decided."""
    order = decision.order
    if decision.grounds == "mixed":
        detail = f"some dates need another order of day and month than others; most of them need {order}"
        yield Finding(0, "mixed_dates", "warning", detail)
    elif decision.grounds == "sorted":
        yield Finding(
            0, "date_order_inferred", "info", f"{order}: the only order in which the dates are sorted"
        )
    elif decision.grounds in _SOURCES_OF_ORDER:
        source = _SOURCES_OF_ORDER[decision.grounds]
        detail = f"every date could be read two ways; {order} was taken from {source}"
        yield Finding(0, "date_order_assumed", "warning", detail)


def _out_of_order(line: int) -> Finding:
    detail = "earlier than the message before: pasted from elsewhere, or the clock was changed"
    return Finding(line, "out_of_order", "info", detail)


def read_native_parts(parts: Sequence[Part[NativeReader]]) -> pl.DataFrame:
    """Make rows (ROW_SCHEMA) of parts of files; each part starts with a header of a valid date."""
    frames = []
    for layout in layouts():
        mine = [part for part in parts if part.reader.layout is layout]
        # The part of a file without any message is empty.
        filled = [part for part in mine if part.data]
        if filled:
            frames.append(_read(filled, layout))
        for part in mine:
            if not part.data:
                part.reader.end_part(part, 0, np.empty(0, "datetime64[us]"))
    return rows_together(frames)


@dataclass(frozen=True, slots=True)
class _Messages:
    """The messages of parts; each array has one value per message."""

    headers: Headers
    part_of: Ints
    """The index of the part."""
    times: Times
    lines: Ints
    """The line of the header in its file, from 1."""
    more: Ints
    """Number of lines after the line of the header."""


def _read(parts: Sequence[Part[NativeReader]], layout: Layout) -> pl.DataFrame:
    """Read parts of one layout that are not empty."""
    whole, lines, counts = _lines_of(parts)
    messages = _find_messages(parts, lines, counts, layout)
    part_of, readers = messages.part_of, [part.reader for part in parts]
    written = who_wrote(
        messages.headers,
        part_of,
        messages.more,
        [reader.senders for reader in readers],
        always_named=layout.always_named,
    )
    texts = _read_texts(whole, lines, messages, written, readers, layout)
    bodies = parse_bodies(texts, written.numbers == 0, lambda at: readers[part_of[at]].notices)
    for at in bodies.unknown.tolist():
        reader = readers[part_of[at]]
        finding = reader.notices.finding(int(messages.lines[at]), texts.texts[at])
        if finding is not None:
            reader.note(finding)
    written.numbers[bodies.own] = 0
    for at in bodies.of_groups.tolist():
        readers[part_of[at]].senders.is_group = True
    rows = pl.DataFrame(
        {
            "chat": np.array([reader.chat.number for reader in readers])[part_of],
            "line": messages.lines,
            "timestamp": messages.times,
            "body": texts.texts,
            **written.columns(),
        }
    )
    _end_parts(parts, counts, messages)
    return with_bodies(rows, bodies.places, bodies.found).select(*ROW_SCHEMA)


def _find_messages(
    parts: Sequence[Part[NativeReader]], lines: pl.Series, counts: Ints, layout: Layout
) -> _Messages:
    """Find the headers with a valid date and time; note those with an invalid one, which are text.

    `counts` has the number of lines of each part.
    """
    headers = find_headers(lines, layout)
    begins = np.cumsum(counts) - counts
    part_of = np.searchsorted(begins, headers.at, side="right") - 1
    times = header_times(headers, part_of, [part.reader.order for part in parts])
    numbers = _line_numbers(parts, headers.at, begins, part_of)
    is_valid = ~np.isnat(times)
    if not is_valid.all():
        for at in np.flatnonzero(~is_valid).tolist():
            detail = "a header whose date or time does not exist: kept as text"
            finding = Finding(int(numbers[at]), "invalid_date", "warning", detail)
            parts[part_of[at]].reader.note(finding)
        headers = headers.only(is_valid)
        part_of, times, numbers = part_of[is_valid], times[is_valid], numbers[is_valid]
    more = np.diff(headers.at, append=len(lines)) - 1
    return _Messages(headers, part_of, times, numbers, more)


def _read_texts(
    whole: bytes,
    lines: pl.Series,
    messages: _Messages,
    written: MessageSenders,
    readers: Sequence[NativeReader],
    layout: Layout,
) -> NativeTexts:
    """Return the whole texts of messages, and which of them may have an attachment or be a notice.

    `whole` is the text of all `lines`. `written` has the first line of each message without its sender.
    """
    at, more = messages.headers.at, messages.more
    line_ends = np.cumsum(lines.str.len_bytes().to_numpy() + np.int64(1)) - 1
    texts = with_more_lines(written.texts, whole, line_ends, at, more)
    may_be_more = may_name_files(texts, whole, line_ends, at, more)
    if layout.always_named:
        may_be_more |= end_in_phrase(lines, at, more, phrases().left_out_lines)
    is_unmarked = np.array([reader.notices.may_repeat for reader in readers])[messages.part_of]
    if not is_unmarked.any():
        return NativeTexts(texts, may_be_more, is_unmarked)
    may_be_more |= is_unmarked & may_be_captions(texts)
    return NativeTexts(texts, may_be_more, is_unmarked & written.repeated_in(texts))


def _lines_of(parts: Sequence[Part[NativeReader]]) -> tuple[bytes, pl.Series, Ints]:
    """Return the text of all parts, their lines, and the number of lines of each part.

    Empty lines at the end of a file do not count.
    """
    data = [part.data.rstrip(b"\n") if part.is_last else part.data.removesuffix(b"\n") for part in parts]
    texts = _as_texts(data)
    if texts is None:
        data = [part.reader.mend(text) for part, text in zip(parts, data, strict=True)]
        texts = pl.Series(data, dtype=pl.Binary).cast(pl.String)
    lines = texts.str.split("\n")
    return b"\n".join(data), lines.explode(), lines.list.len().cast(pl.Int64).to_numpy()


def _as_texts(data: Sequence[bytes]) -> pl.Series | None:
    """Return bytes as texts; None if some are not UTF-8 or contain NULs."""
    if any(b"\0" in text for text in data):
        return None
    try:
        return pl.Series(data, dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        return None


def _line_numbers(parts: Sequence[Part[NativeReader]], at: Ints, begins: Ints, part_of: Ints) -> Ints:
    """Return the line of each header in its file."""
    first = np.array([part.reader.line for part in parts])
    left_out = np.array([part.reader.skipped.count for part in parts])
    own = at - begins[part_of]
    numbers: Ints = first[part_of] + own + np.where(own, left_out[part_of], 0)
    return numbers


def _end_parts(parts: Sequence[Part[NativeReader]], counts: Ints, messages: _Messages) -> None:
    """Pass the number of lines and the times of each part to its reader; note messages out of order."""
    part_of, times = messages.part_of, messages.times
    is_earlier = (times[1:] < times[:-1]) & (part_of[1:] == part_of[:-1])
    for at in (np.flatnonzero(is_earlier) + 1).tolist():
        parts[part_of[at]].reader.note(_out_of_order(int(messages.lines[at])))
    firsts = np.searchsorted(part_of, np.arange(len(parts) + 1)).tolist()
    for part, count, (first, after) in zip(parts, counts.tolist(), pairwise(firsts), strict=True):
        part.reader.end_part(part, count, times[first:after])

"""What both readers do with a batch of messages, a column at a time: instants, identities, replies, totals.

What belongs here: work that does not depend on the format. It is done on whole columns because there the
loops run inside the interpreter's C code; that is worth a factor of three. What does not: splitting text.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import chain, compress, count, islice
from operator import eq, gt
from typing import Any, NamedTuple, cast
from zlib import adler32, crc32
from zoneinfo import ZoneInfo

import polars as pl

from .bodies import Body
from .model import (
    MESSAGE_SCHEMA,
    ChatSummary,
    DateOrder,
    Finding,
    FormatName,
    LineKind,
    Message,
    MessageBatch,
)
from .phrases import phrases

# A Message from a sequence of its fields, in half the time of Message(*fields).
_message = cast("Callable[[Iterable[Any]], Message]", partial(tuple.__new__, Message))


class Clock(dict[int, "datetime | None"]):
    """Resolves naive times in a zone. A day without a change of offset costs one look-up a message.

    Maps a day's number to what the epoch is in UTC with that day's offset; to None when the offset changes
    on that day.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone
        self._bases: dict[timedelta | None, datetime] = {}

    def __missing__(self, day: int) -> datetime | None:
        if len(self) > 20_000:
            self.clear()
        found = None
        if 1 < day < _LAST_DAY:
            midnight = datetime.fromordinal(day).replace(tzinfo=self._zone)
            offset = midnight.utcoffset()
            if offset is not None and offset == (midnight + _DAYS_LENGTH).utcoffset():
                found = self._bases.setdefault(offset, (_EPOCH - offset).replace(tzinfo=UTC))
        self[day] = found
        return found

    def resolve(self, times: Sequence[datetime]) -> list[datetime]:
        """The instants of naive times.

        A time that occurs twice is its first; one that the clocks skip is read with the offset before.
        """
        days = list(map(datetime.toordinal, times))
        bases = set(map(self.__getitem__, set(days)))
        if len(bases) == 1 and (base := bases.pop()) is not None:
            return [base + (time - _EPOCH) for time in times]
        return [
            self.exact(time) if base is None else base + (time - _EPOCH)
            for time, base in zip(times, map(self.__getitem__, days), strict=True)
        ]

    def exact(self, time: datetime) -> datetime:
        """The instant of one naive time."""
        try:
            return time.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:  # within a day of the calendar's ends
            return time.replace(tzinfo=UTC)


_LAST_DAY = date.max.toordinal()
_DAYS_LENGTH = timedelta(hours=23, minutes=59, seconds=59)
_EPOCH = datetime(2020, 1, 1)


@cache
def clock_of(zone: ZoneInfo) -> Clock:
    """The zone's clock, shared by all that is read in this process: files hold the same days."""
    return Clock(zone)


def body_hashes(bodies: Sequence[str]) -> list[int]:
    """Signed 64-bit hashes, the same in every process: CRC-32 in the upper half, Adler-32 in the lower.

    They tell apart messages of one chat, moment and sender; a stronger hash costs a tenth of the reading.
    """
    return _hashes([body.encode() for body in bodies])


def _hashes(data: Sequence[bytes]) -> list[int]:
    return [
        (crc - 0x8000_0000) << 32 | adler
        for crc, adler in zip(map(crc32, data), map(adler32, data), strict=True)
    ]


class Identities:
    """Says which of its likes a message is: the n-th of the same time, sender and body in the chat.

    As long as times never go back, likes stand side by side and only neighbours are compared. The first time
    that does go back ends that; from then on every message is looked up.
    """

    # How many messages back an equal one is remembered: chats are far shorter, memory stays bounded.
    WINDOW = 100_000

    def __init__(self) -> None:
        self._is_sorted = True
        self._latest: datetime | None = None
        self._neighbours: Counter[Hashable] = Counter()  # of the latest time
        self._batches: deque[tuple[Sequence[Hashable], ...]] = deque()
        self._remembered = 0
        self._counts: dict[Hashable, int] = {}

    def occurrences(
        self, times: Sequence[datetime], senders: Sequence[Hashable], hashes: Sequence[int]
    ) -> list[int]:
        """Which of its likes each message is, from 1; `senders` tells senders and directions apart."""
        if self._is_sorted and times[0] >= (self._latest or times[0]) and not any(map(gt, times, times[1:])):
            self._batches.append((times, senders, hashes))
            self._remembered += len(times)
            while self._remembered > self.WINDOW and len(self._batches) > 1:
                self._remembered -= len(self._batches.popleft()[0])
            return self._among_neighbours(times, senders, hashes)
        if self._is_sorted:
            self._is_sorted = False
            for columns in self._batches:
                self._among_all(*columns)
            self._batches.clear()
        return self._among_all(times, senders, hashes)

    def _among_neighbours(
        self, times: Sequence[datetime], senders: Sequence[Hashable], hashes: Sequence[int]
    ) -> list[int]:
        occurrences = [1] * len(times)
        seen, done = self._neighbours, 0
        if times[0] != self._latest:
            seen.clear()
            seen[senders[0], hashes[0]] = done = 1
        repeated = list(compress(count(1), map(eq, times[1:], times)))
        for at in repeated if done else chain([0], repeated):
            if at > done:  # a new time
                seen.clear()
                seen[senders[at - 1], hashes[at - 1]] = 1
            key = (senders[at], hashes[at])
            seen[key] += 1
            occurrences[at] = seen[key]
            done = at + 1
        if done < len(times):
            seen.clear()
            seen[senders[-1], hashes[-1]] = 1
        self._latest = times[-1]
        return occurrences

    def _among_all(self, *columns: Sequence[Hashable]) -> list[int]:
        counts, occurrences = self._counts, []
        for key in zip(*columns, strict=True):
            count = counts.get(key, 0) + 1
            counts[key] = count
            occurrences.append(count)
        if len(counts) > self.WINDOW:
            self._counts = dict(islice(counts.items(), len(counts) - self.WINDOW // 2, None))
        return occurrences


class Replies:
    """Finds the message that a reply quotes, among the last few batches."""

    def __init__(self, batches: int = 16) -> None:
        self._batches: deque[_Batch] = deque(maxlen=batches)

    def remember(
        self, first_ordinal: int, times: Sequence[datetime], texts: Sequence[str], types: Sequence[str]
    ) -> None:
        """Take the columns of a batch; they are only indexed when a reply asks."""
        self._batches.append(_Batch(first_ordinal, times, texts, types))

    def resolve(self, ordinal: int, time: datetime, quote: str) -> int | None:
        """The ordinal of the message of that time that begins as the quote does; never `ordinal` itself."""
        for batch in reversed(self._batches):
            for at in batch.at(time):
                if batch.first + at != ordinal and _is_quoted(quote, batch.texts[at], batch.types[at]):
                    return batch.first + at
        return None


class _Batch:
    def __init__(
        self, first: int, times: Sequence[datetime], texts: Sequence[str], types: Sequence[str]
    ) -> None:
        self.first, self.times, self.texts, self.types = first, times, texts, types
        self._index: dict[datetime, list[int]] | None = None

    def at(self, time: datetime) -> Sequence[int]:
        if self._index is None:
            self._index = {}
            for at, when in enumerate(self.times):
                self._index.setdefault(when, []).append(at)
        return self._index.get(time, ())


def _is_quoted(quote: str, text: str, kind: str) -> bool:
    prefix = quote.removesuffix("...").removesuffix("…")
    if prefix and text.startswith(prefix):
        return True
    if quote.startswith("(") and quote.endswith(")"):
        return phrases().attachment_kinds.get(quote[1:-1].casefold()) == kind
    # Line breaks may have been made spaces in the quote.
    words = " ".join(prefix.split())
    return bool(words) and " ".join(text[: 4 * len(prefix)].split()).startswith(words)


class Sender(NamedTuple):
    """Who a message is from, as its header tells.

    `phone` is the header's own; in the block format staff is never named, so `to Maria` has no `name` but may
    have a `phone`. `identity` is what tells one sender from another.
    """

    direction: str | None
    sender_name: str | None
    sender_phone: str | None
    status: str | None
    phone: str | None
    identity: tuple[str | None, ...]


class Totals:
    """Adds up what a chat held."""

    def __init__(self, number: int, label: str | None, line: int, form: FormatName) -> None:
        self.number, self.label, self.line, self.format = number, label, line, form
        self.date_order: DateOrder | None = None
        self.lines: Counter[LineKind] = Counter()
        self.count = 0
        self.directions: Counter[str | None] = Counter()
        self.types: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.phones: Counter[str | None] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.is_group = False

    def add(self, times: Sequence[datetime], directions: Sequence[str | None], types: Sequence[str]) -> None:
        """Take the columns of a batch, which is not empty."""
        self.count += len(times)
        self.directions.update(directions)
        self.types.update(types)
        first, last = min(times), max(times)
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def note(self, finding: Finding) -> Finding:
        """Count a finding and hand it back."""
        self.findings[finding.kind] += 1
        return finding

    def add_phones(self, phones: Sequence[str | None]) -> None:
        """Take the phones of a batch's headers."""
        if phones.count(None) < len(phones):
            self.phones.update(phones)

    def summary(self, encoding: str) -> ChatSummary:
        """What was added up; `encoding` is the file's."""
        return ChatSummary(
            number=self.number,
            label=self.label,
            format=self.format,
            date_order=self.date_order,
            encoding=encoding,
            line=self.line,
            lines={kind: self.lines[kind] for kind in LineKind if self.lines[kind]},
            message_count=self.count,
            by_direction=dict(self.directions),
            by_type=dict(self.types),
            findings=dict(self.findings),
            header_phones={phone: count for phone, count in self.phones.items() if phone is not None},
            first_time=self.first,
            last_time=self.last,
            is_group=self.is_group,
        )


class ChatBuilder:
    """Makes the messages of one chat out of columns, and adds them up."""

    def __init__(self, totals: Totals, clock: Clock) -> None:
        self.totals = totals
        self._clock = clock
        self._identities = Identities()
        self._replies = Replies()

    def build(
        self,
        lines: Sequence[int],
        times: Sequence[datetime],
        senders: Sequence[Sender],
        texts: Sequence[str],
        data: Sequence[bytes],
        parsed: Mapping[int, Body],
    ) -> list[Message]:
        """The next messages, whose `texts` are `data` decoded.

        `parsed` holds the bodies, by index, that are more than their plain text.
        """
        totals, size = self.totals, len(times)
        first = totals.count + 1
        directions, names, phones, statuses, header_phones, identities = zip(*senders, strict=True)
        types = ["text"] * size
        extras: tuple[Iterable[object], ...] = ([None] * size,) * 7
        if parsed:
            texts, data = list(texts), list(data)
            for at, body in parsed.items():
                texts[at], types[at] = body[:2]
                if body[2:] != _NOTHING_MORE:
                    data[at] = _identity_of(body)
        totals.add(times, directions, types)
        totals.add_phones(header_phones)
        self._replies.remember(first, times, texts, types)
        if parsed:
            extras = self._extras(first, size, parsed)
        hashes = _hashes(data)
        occurrences = self._identities.occurrences(times, identities, hashes)
        return list(
            map(
                _message,
                zip(
                    range(first, first + size),
                    times,
                    self._clock.resolve(times),
                    directions,
                    names,
                    phones,
                    types,
                    texts,
                    *extras,
                    statuses,
                    lines,
                    hashes,
                    occurrences,
                    strict=True,
                ),
            )
        )

    def _extras(self, first: int, size: int, parsed: Mapping[int, Body]) -> tuple[list[object], ...]:
        """The columns from the attachment's name to the quoted message's ordinal."""
        columns: tuple[list[object], ...] = tuple([None] * size for _ in range(7))
        name, kind, bytes_, duration, reply_time, reply_quote, reply_ordinal = columns
        for at, body in parsed.items():
            _, _, name[at], kind[at], bytes_[at], duration[at], time, quote = body
            if time is not None and quote is not None:
                reply_time[at], reply_quote[at] = time, quote
                reply_ordinal[at] = self._replies.resolve(first + at, time, quote)
        return columns


_NOTHING_MORE = (None,) * 6


def _identity_of(body: Body) -> bytes:
    """What a body with an attachment or a quote is hashed by; no plain text holds a NUL."""
    text, _, name, kind, _, _, _, quote = body
    return f"{text}\0{name or kind or ''}\0{quote or ''}".encode()


def batch_of(messages: Sequence[Message]) -> MessageBatch:
    """Interim: a batch of messages that were read one by one."""
    return MessageBatch(
        pl.DataFrame([(0, *message) for message in messages], schema=dict(MESSAGE_SCHEMA), orient="row")
    )

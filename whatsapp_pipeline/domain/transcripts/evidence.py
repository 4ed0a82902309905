"""What a chat tells about whose it is: the phones in its headers and its sessions, from one pass.

What belongs here: collecting evidence from messages that were read. What does not: judging it (matching), and
the vocabulary of orders, devices and stages, which is handed in.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .model import ChatSummary, Message

Finder = Callable[[str], Sequence[str]]

# Stands between the texts of a session when they are searched at once: no expression of words, digits and
# spaces reaches across it.
_BETWEEN = "\n\x00\n"
_EARLIEST, _LATEST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)


@dataclass(frozen=True, slots=True)
class SessionEvidence:
    """A stretch of a chat without a silence as long as the gap; times are naive, as in the file."""

    number: int
    start: datetime
    end: datetime
    message_count: int
    order_numbers: tuple[str, ...]
    devices: tuple[str, ...]
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found in one chat; `message_count` counts notifications too, sessions do not."""

    header_phones: Mapping[str, int]
    first_time: datetime | None
    last_time: datetime | None
    message_count: int
    sessions: tuple[SessionEvidence, ...]


class _Session:
    """A session in the making. Dicts are ordered sets."""

    __slots__ = ("count", "devices", "end", "orders", "stages", "start")

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start = start
        self.end = end
        self.count = 0
        self.orders: dict[str, None] = {}
        self.devices: dict[str, None] = {}
        self.stages: dict[str, None] = {}

    def absorb(self, other: _Session) -> None:
        self.start = min(self.start, other.start)
        self.end = max(self.end, other.end)
        self.count += other.count
        self.orders.update(other.orders)
        self.devices.update(other.devices)
        self.stages.update(other.stages)


class EvidenceCollector:
    """Collects the evidence of one chat, a batch at a time, in memory that grows with its sessions only.

    Sessions are those of the messages sorted by time, whatever their order in the file: two messages are in
    one session when less than `gap` lies between them or between a chain of others. Notifications (a missed
    call, a changed number) neither open nor bridge a session.
    """

    def __init__(
        self,
        *,
        find_order_numbers: Finder,
        find_devices: Finder,
        find_stages: Finder,
        gap: timedelta = timedelta(hours=24),
    ) -> None:
        self._find_order_numbers = find_order_numbers
        self._find_devices = find_devices
        self._find_stages = find_stages
        self._gap = gap
        # Disjoint sessions ordered by time; `_starts` repeats their starts for bisection.
        self._sessions: list[_Session] = []
        self._starts: list[datetime] = []
        self._phones: Counter[str] = Counter()
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._count = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Take the next messages of the chat, in any order."""
        if not messages:
            return
        self._count += len(messages)
        times = [message.timestamp for message in messages]
        first, last = min(times), max(times)
        self._first = first if self._first is None else min(self._first, first)
        self._last = last if self._last is None else max(self._last, last)
        self._phones.update(message.sender_phone for message in messages if message.sender_phone)
        for stretch in self._stretches(messages):
            self._merge(self._read(stretch))

    def result(self, summary: ChatSummary | None = None) -> Evidence:
        """The evidence so far; with the reader's `summary`, its header phones (staff's too) are taken."""
        phones = summary.header_phones if summary is not None else self._phones
        return Evidence(
            header_phones=dict(sorted(phones.items(), key=lambda item: (-item[1], item[0]))),
            first_time=self._first,
            last_time=self._last,
            message_count=self._count,
            sessions=tuple(
                SessionEvidence(
                    number=number,
                    start=session.start,
                    end=session.end,
                    message_count=session.count,
                    order_numbers=tuple(session.orders),
                    devices=tuple(session.devices),
                    stages=tuple(session.stages),
                )
                for number, session in enumerate(self._sessions, start=1)
            ),
        )

    def _stretches(self, messages: Iterable[Message]) -> Iterable[list[Message]]:
        """Cut a batch where the time between neighbours, either way, is at least the gap."""
        gap, stretch, low, high = self._gap, list[Message](), _LATEST, _EARLIEST
        for message in messages:
            if message.direction == "notification":
                continue
            at = message.timestamp
            if stretch and (at - high >= gap or low - at >= gap):
                yield stretch
                stretch, low, high = [], _LATEST, _EARLIEST
            stretch.append(message)
            low, high = min(low, at), max(high, at)
        if stretch:
            yield stretch

    def _read(self, stretch: list[Message]) -> _Session:
        times = [message.timestamp for message in stretch]
        session = _Session(min(times), max(times))
        session.count = len(stretch)
        # One search over the joined texts costs a fraction of one search a message.
        text = _BETWEEN.join([message.text for message in stretch if message.text])
        session.orders.update(dict.fromkeys(self._find_order_numbers(text)))
        session.devices.update(dict.fromkeys(self._find_devices(text)))
        session.stages.update(dict.fromkeys(self._find_stages(text)))
        return session

    def _merge(self, new: _Session) -> None:
        """Put a stretch among the sessions, joining every one that it touches."""
        first = bisect_left(self._starts, new.start)
        # The one before may reach near; sessions are disjoint, so only one can.
        if first and new.start - self._sessions[first - 1].end < self._gap:
            first -= 1
        after = bisect_right(self._starts, new.end)
        while after < len(self._starts) and self._starts[after] - new.end < self._gap:
            after += 1
        touched = self._sessions[first:after]
        if touched:
            earliest, *others = touched
            for other in (*others, new):
                earliest.absorb(other)
            new = earliest
        self._sessions[first:after] = [new]
        self._starts[first:after] = [new.start]

"""The plan of the invented world: chats, their sessions over the months, and the orders behind them.

What belongs here: the choice of chats, sessions and orders, which is the truth of the archive. What does not:
their text (`dialogue`, `blocks`) and their files (`archive`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox import chats as chat_makers
from whatsapp_pipeline.sandbox.chats import SampleChat
from whatsapp_pipeline.sandbox.dialogue import Session
from whatsapp_pipeline.sandbox.orders import SampleOrder, make_order, number_orders
from whatsapp_pipeline.sandbox.people import Registry, SamplePerson, make_people

SESSIONS_APART: Final = 36 * 3600.0
STRANGER_SHARE: Final = 0.13
GROUP_SHARE: Final = 0.006
WALK_IN_SHARE: Final = 0.35
# Maximum number of files per contact and month. It is below 1, because not everybody writes every month.
FULLEST: Final = 0.8
_STALLED: Final = 2000


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """Size and kind of the world. `months` are keys like `2025-01`, in order and without gaps.

    `median_messages` is the median number of messages per file, with notifications (p95 is 5.5 times that).
    `largest` is the approximate number of messages of one large file, 0 for no such file. `named` is the
    share of customers' chats whose title is a name.
    """

    seed: int
    contacts: int
    files: int
    months: tuple[str, ...]
    median_messages: float = 14.0
    largest: int = 0
    named: float = 0.079


@dataclass(slots=True)
class World:
    """The plan: `files` are (chat, position of the month), in the order of writing."""

    options: SampleOptions
    people: list[SamplePerson]
    chats: list[SampleChat]
    orders: list[SampleOrder]
    files: list[tuple[SampleChat, int]]


class _Planner:
    """Draws chats and cases until the wanted number of files (chat × month) is reached."""

    def __init__(self, options: SampleOptions) -> None:
        self.options = options
        self.rng = random.Random(f"plan/{options.seed}")
        self.starts = [datetime(int(month[:4]), int(month[5:]), 1) for month in options.months]
        year, month = divmod(self.starts[-1].year * 12 + self.starts[-1].month, 12)
        self.end = datetime(year, month + 1, 1)
        self.registry = Registry()
        self.people = make_people(options.seed, options.contacts, self.starts[0], self.registry)
        self.chats: list[SampleChat] = []
        self.by_person: dict[int, SampleChat] = {}
        self.strangers: list[SampleChat] = []
        self.groups: list[SampleChat] = []
        self.orders: list[SampleOrder] = []
        self.wanted = options.files
        self.files = 0

    def month_of(self, at: datetime) -> int | None:
        """Return the position of the month of `at`, None outside the archive."""
        position = (at.year - self.starts[0].year) * 12 + at.month - self.starts[0].month
        return position if 0 <= position < len(self.starts) else None

    def moment(self, day: datetime) -> datetime:
        """Return a time on `day` at which a shop gets messages; a Sunday becomes the Monday after it."""
        if day.weekday() == 6:
            day += timedelta(days=1)
        minutes = int(self.rng.triangular(7 * 60, 20 * 60, 10 * 60))
        return day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
            minutes=minutes, seconds=self.rng.randint(0, 59)
        )

    def any_day(self) -> datetime:
        """Return a random day of the archive."""
        return self.starts[0] + timedelta(days=self.rng.random() * (self.end - self.starts[0]).days)

    def add(self, chat: SampleChat, session: Session) -> bool:
        """Add a session to a chat, and its month's file if the chat has none yet.

        Return False if the month is not in the archive, if there are enough files, or if another session is
        near.
        """
        month = self.month_of(session.start)
        if month is None or chat.has_session_near(session.start, SESSIONS_APART):
            return False
        if month not in chat.files:
            if self.files >= self.wanted:
                return False
            chat.files[month] = []
            self.files += 1
        chat.files[month].append(session)
        chat.sessions.append(session)
        return True

    def run(self) -> World:
        """Plan cases until the wanted number of files is reached.

        Raises PipelineError if there are too few contacts for the files.
        """
        if self.wanted > FULLEST * len(self.people) * len(self.starts):
            raise self._too_few()  # otherwise strangers would fill the archive
        stalled = 0
        while self.files < self.wanted:
            before = self.files
            self._one_case()
            stalled = 0 if self.files > before else stalled + 1
            if stalled > _STALLED:
                raise self._too_few()
        self._walk_ins()
        number_orders(self.rng, self.orders)
        files = [(chat, month) for chat in self.chats for month in sorted(chat.files)]
        files.sort(key=lambda entry: (entry[1], entry[0].files[entry[1]][0].start, entry[0].index))
        return World(self.options, self.people, self.chats, self.orders, files)

    def _too_few(self) -> PipelineError:
        return PipelineError(
            f"{self.options.contacts} contacts cannot fill {self.wanted} files in {len(self.starts)} "
            "month(s): ask for more contacts or fewer files"
        )

    def _one_case(self) -> None:
        draw = self.rng.random()
        if draw < GROUP_SHARE:
            self._group_talk()
        elif draw < GROUP_SHARE + STRANGER_SHARE:
            self._stranger_talk()
        else:
            self._customer_case()

    def _add_chat(self, chat: SampleChat) -> SampleChat:
        self.chats.append(chat)
        return chat

    def _group_talk(self) -> None:
        position = int(self.rng.random() * max(2, self.wanted // 400))
        while position >= len(self.groups):
            self.groups.append(
                self._add_chat(chat_makers.of_group(self.rng, len(self.chats), len(self.groups)))
            )
        self.add(self.groups[position], Session(self.moment(self.any_day()), "group", "neutral", None, 0))

    def _stranger_talk(self) -> None:
        if self.strangers and self.rng.random() < 0.25:
            chat = self.rng.choice(self.strangers)
        else:
            chat = self._add_chat(chat_makers.of_stranger(self.rng, len(self.chats), self.registry))
            self.strangers.append(chat)
        kind = self.rng.choices(("stranger", "price", "hours", "supplier"), (40, 30, 18, 12))[0]
        self.add(chat, Session(self.moment(self.any_day()), kind, "neutral", None, 0))

    def _customer_chat(self) -> tuple[SampleChat, SamplePerson]:
        """Draw a customer's chat; some customers come often, and those who share a number share the chat."""
        person = self.people[int(len(self.people) * self.rng.random() ** 1.25)]
        if person.shared_with is not None:
            person = self.people[person.shared_with]
        chat = self.by_person.get(person.index)
        if chat is None:
            chat = self._add_chat(
                chat_makers.of_person(self.rng, len(self.chats), person, self.options.named)
            )
            self.by_person[person.index] = chat
        return chat, person

    def _customer_case(self) -> None:
        chat, person = self._customer_chat()
        start = self.moment(self.any_day())
        if self.rng.random() < 0.3:
            kind = "price" if self.rng.random() < 0.65 else "hours"
            self.add(chat, Session(start, kind, "neutral", None, 0))
        else:
            self._repair(chat, person, start)

    def _repair(self, chat: SampleChat, person: SamplePerson, start: datetime) -> None:
        rng = self.rng
        mood = rng.choices(("positive", "neutral", "negative"), (42, 38, 20))[0]
        opened = start + timedelta(hours=rng.choice((0, 1, 3, 24, 26, 48)))
        order = make_order(rng, person.index, opened, self.end + timedelta(days=20))
        if not self.add(chat, Session(start, "opening", mood, order, 0, names_order=rng.random() < 0.35)):
            return
        self.orders.append(order)

        def later(days: float, kind: str, chance: float) -> None:
            if rng.random() < chance:
                at = self.moment(opened + timedelta(days=days))
                self.add(chat, Session(at, kind, mood, order, 0, names_order=rng.random() < 0.4))

        refused = order.situacao == "4"
        later(rng.uniform(2, 4), "refusal" if refused else "approval", 0.75)
        if order.closed is None or refused:
            later(rng.uniform(5, 9), "status", 0.4)
            return
        until_closed = (order.closed - opened.date()).days
        if mood == "negative":
            later(max(5.0, until_closed - 2), "late", 0.6)
        else:
            later(max(4.0, until_closed / 2), "status", 0.25)
        later(until_closed, "ready", 0.85)
        later(until_closed + rng.uniform(12, 60), "warranty", 0.22 if mood == "negative" else 0.05)

    def _walk_ins(self) -> None:
        """Add orders without a conversation, half of them from the time before the archive."""
        rng = self.rng
        for _ in range(int(len(self.orders) * WALK_IN_SHARE)):
            person = self.people[int(len(self.people) * rng.random())]
            day = (
                self.any_day() if rng.random() < 0.5 else self.starts[0] - timedelta(days=rng.randint(1, 540))
            )
            self.orders.append(make_order(rng, person.index, self.moment(day), self.end + timedelta(days=20)))


def make_world(options: SampleOptions) -> World:
    """Plan contacts, chats, orders and files; raises PipelineError if contacts are too few for the files."""
    return _Planner(options).run()


def month_keys(first: str, last: str) -> tuple[str, ...]:
    """Return the months from `first` to `last`: ("2024-12", "2025-01") for 2024-12..2025-01."""
    start, end = date.fromisoformat(f"{first}-01"), date.fromisoformat(f"{last}-01")
    count = (end.year - start.year) * 12 + end.month - start.month + 1
    keys = []
    for position in range(count):
        year, month = divmod(start.year * 12 + start.month - 1 + position, 12)
        keys.append(f"{year}-{month + 1:02d}")
    return tuple(keys)


def sized(
    rng: random.Random, sessions: Sequence[Session], target: int, first_day: datetime, *, history: bool
) -> list[Session]:
    """Return the sessions of a file with their sizes, about `target` messages together.

    A long file gets additional sessions before the archive's first day, one for each 45 messages. They are
    about no order and at least two days apart, so a file of 2025 can contain messages of 2023.
    """
    extra: list[Session] = []
    if history and target > 60:
        at = first_day - timedelta(days=2)
        for _ in range(target // 45):
            at -= timedelta(days=2 + rng.expovariate(1 / min(20.0, 900 / (target / 45))))
            start = at.replace(hour=8 + int(rng.random() * 11), minute=int(rng.random() * 60), microsecond=0)
            extra.append(Session(start, "price" if rng.random() < 0.7 else "hours", "neutral", None, 0))
    everything = sorted([*extra, *sessions], key=lambda session: session.start)
    weights = [0.4 + rng.random() for _ in everything]
    scale = target / sum(weights)
    return [
        replace(session, size=max(1, round(weight * scale)))
        for session, weight in zip(everything, weights, strict=True)
    ]

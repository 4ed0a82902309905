"""Writing an invented archive with its truth: chat files, ERP pages, `truth.csv`, `truth_sessions.csv`.

What belongs here: folders, file names, encodings and the truth's columns. What does not: what is invented
(`plan`) and how a chat is spelled (`blocks`, `dialogue`). The same options give the same bytes.
"""

from __future__ import annotations

import csv
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from whatsapp_pipeline.sandbox.blocks import write_chat
from whatsapp_pipeline.sandbox.chats import Chat, file_title
from whatsapp_pipeline.sandbox.dialogue import Line, Session, tell
from whatsapp_pipeline.sandbox.pages import write_erp
from whatsapp_pipeline.sandbox.people import Person
from whatsapp_pipeline.sandbox.plan import SampleOptions, World, make_world, sized

CHATS_FOLDER: Final = "organized_whatsapp_chats"
# p95 is 5.5 times the median, as in the archive that was measured (14 and 77).
_SIGMA: Final = math.log(5.5) / 1.645
_Row: TypeAlias = tuple[object, ...]
_FILE_COLUMNS: Final = (
    "file_path", "month", "title_kind", "id_contato", "phone_key", "phone_contacts", "erp_phone",
    "is_group", "orders",
    "order_numbers", "sessions", "blocks",
)  # fmt: skip
_SESSION_COLUMNS: Final = (
    "file_path", "session", "started_at", "kind", "mood", "messages", "id_ordem_servico",
    "numero_ordem_servico",
    "names_order",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What was written."""

    contacts: int
    orders: int
    files: int
    messages: int
    size_bytes: int


def write_sample(out: Path, options: SampleOptions) -> SampleReport:
    """Invent an archive under `out` (created if absent), one chat in memory at a time.

    Raises PipelineError when there are too few contacts for the files.
    """
    world = make_world(options)
    write_erp(out / "erp", world.people, world.orders)
    return _Writer(out, world).write()


class _Writer:
    """Writes the files of a world, and a line of truth for each of them."""

    def __init__(self, out: Path, world: World) -> None:
        self.out, self.world, self.options = out, world, world.options
        self.first_day = datetime(int(self.options.months[0][:4]), int(self.options.months[0][5:]), 1)
        # Numbers that the ERP holds with their area code, and without it by their last eight digits.
        self.holders = Counter(person.key for person in world.people if _findable(person))
        self.messages = self.size_bytes = 0

    def write(self) -> SampleReport:
        root = self.out / CHATS_FOLDER
        for month in self.options.months:
            (root / month[:4] / month[5:]).mkdir(parents=True, exist_ok=True)
        largest = self._largest()
        with ExitStack() as stack:
            add_file = self._table(stack, "truth.csv", _FILE_COLUMNS)
            add_session = self._table(stack, "truth_sessions.csv", _SESSION_COLUMNS)
            for position, (chat, place) in enumerate(self.world.files):
                rng = random.Random(f"file/{self.options.seed}/{chat.index}/{place}")
                told = self._sessions(rng, chat, place, largest=position == largest)
                path = self._path(rng, chat, place)
                blocks, counts, named = self._write_file(rng, root / path, chat, told)
                add_file(self._file_truth(path, chat, place, told, blocks))
                for number, session in enumerate(told):
                    add_session(_session_truth(path, number + 1, session, counts[number], named[number]))
        return SampleReport(
            len(self.world.people),
            len(self.world.orders),
            len(self.world.files),
            self.messages,
            self.size_bytes,
        )

    def _table(self, stack: ExitStack, name: str, columns: tuple[str, ...]) -> Callable[[_Row], object]:
        handle = stack.enter_context((self.out / name).open("w", encoding="utf-8", newline=""))
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        return writer.writerow

    def _largest(self) -> int | None:
        """The last file of a customer is the one that grows to `options.largest` messages."""
        if not self.options.largest:
            return None
        customers = [index for index, (chat, _) in enumerate(self.world.files) if chat.kind == "person"]
        return customers[-1]

    def _sessions(self, rng: random.Random, chat: Chat, month: int, *, largest: bool) -> list[Session]:
        """The sessions a file tells, sized; a re-export (one in fifty) repeats those of the months before."""
        planned = sorted(chat.files[month], key=lambda session: session.start)
        if largest:
            target = self.options.largest
        else:
            size = rng.lognormvariate(math.log(self.options.median_messages), _SIGMA)
            target = min(int(size), 900 * max(1, int(self.options.median_messages / 14)))
        # The notices count as messages of the file: most begin with two.
        told = sized(rng, planned, max(2, target - 2), self.first_day, history=chat.kind == "person")
        earlier = [position for position in chat.files if position < month]
        if earlier and rng.random() < 0.08:
            again = random.Random(f"file/{self.options.seed}/{chat.index}/{max(earlier)}")
            previous = self._sessions(again, chat, max(earlier), largest=False)
            known = {session.start for session in told}
            told = [session for session in previous if session.start not in known] + told
        return sorted(told, key=lambda session: session.start)

    def _path(self, rng: random.Random, chat: Chat, month: int) -> str:
        """Name the file: usually by its first message of the month, sometimes by the time of the export."""
        key = self.options.months[month]
        in_month = sorted(session.start for session in chat.files[month])
        at = in_month[0]
        if rng.random() < 0.1:
            at = in_month[-1] + timedelta(minutes=rng.randint(30, 2880))
            if rng.random() < 0.97 and f"{at:%Y-%m}" != key:
                at = in_month[0]
        title = file_title(chat.style(self.options.seed).label)
        name = f"WhatsApp - {at:%Y-%m-%d %H %M %S} - {title}.txt"
        folder = f"{key[:4]}/{key[5:]}"
        if rng.random() < 0.03:
            folder += f"/{in_month[-1]:%Y-%m-%d %H %M %S} - {title}"
        return f"{folder}/{name}"

    def _write_file(
        self, rng: random.Random, path: Path, chat: Chat, told: list[Session]
    ) -> tuple[int, list[int], list[bool]]:
        """Write one chat; return its blocks, each session's messages, and whether it names its order."""
        counts, named = [0] * len(told), [False] * len(told)

        def lines() -> Iterator[Line]:
            for number, session in enumerate(told):
                seed = f"tell/{self.options.seed}/{chat.index}/{session.start}"
                for line in tell(seed, session, chat.speaker, group=chat.kind == "group"):
                    counts[number] += 1
                    if session.names_order and session.order and session.order.number in line.text:
                        named[number] = True
                    yield line

        encoding, mark, newline = _encoding(rng, plain=chat.speaker.plain)
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = 0
        with path.open("wb") as handle:
            handle.write(mark)
            for block in write_chat(rng, chat.style(self.options.seed), lines()):
                blocks += 1
                text = block if newline == "\n" else block.replace("\n", newline)
                handle.write(text.encode(encoding, "replace"))
            self.size_bytes += handle.tell()
        self.messages += blocks
        return blocks, counts, named

    def _file_truth(self, path: str, chat: Chat, month: int, told: list[Session], blocks: int) -> _Row:
        person = chat.person
        orders = {session.order.id: session.order.number for session in told if session.order is not None}
        key = _phone_key(chat)
        return (
            path, self.options.months[month], chat.title_kind, person.id if person else "", key,
            self.holders[key] if key else "", person.phone_way if person else "",
            str(chat.kind == "group").lower(),
            ";".join(map(str, orders)), ";".join(orders.values()), len(told), blocks,
        )  # fmt: skip


def _findable(person: Person) -> bool:
    """Say whether the ERP holds the person's number with its area code."""
    return person.phone_way not in {"none", "unknown_area"}


def _phone_key(chat: Chat) -> str:
    """Area code and last eight digits, `+` and all digits for a foreign number, empty for a group."""
    if chat.kind == "group":
        return ""
    if chat.number.startswith("+"):
        return "+" + "".join(filter(str.isdigit, chat.number))
    return chat.number[:2] + chat.number[-8:]


def _session_truth(path: str, number: int, session: Session, messages: int, named: bool) -> _Row:
    order = session.order
    return (
        path, number, session.start, session.kind, session.mood, messages, order.id if order else "",
        order.number if order else "", str(named).lower(),
    )  # fmt: skip


def _encoding(rng: random.Random, *, plain: bool) -> tuple[str, bytes, str]:
    """Draw how a file is encoded: (codec, byte order mark, end of line); nearly always UTF-8, LF, no mark."""
    draw = rng.random()
    if plain and draw < 0.5:
        return "cp1252", b"", "\n"
    if draw < 0.012:
        return "utf-8", b"\xef\xbb\xbf", "\n"
    if draw < 0.03:
        return "utf-8", b"", "\r\n"
    if draw < 0.034:
        return "utf-16-le", b"\xff\xfe", "\r\n"
    return "utf-8", b"", "\n"

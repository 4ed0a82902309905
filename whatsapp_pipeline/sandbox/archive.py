"""Writer of an invented archive: chat files, ERP pages, and the truth in `truth.csv`, `truth_sessions.csv`.

What belongs here: folders, file names, encodings, and the columns of the truth. What does not: planning chats
(`plan`) and their text (`blocks`, `dialogue`). The same options give the same bytes.
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
from whatsapp_pipeline.sandbox.chats import SampleChat, file_title
from whatsapp_pipeline.sandbox.dialogue import Line, Session, write_session
from whatsapp_pipeline.sandbox.pages import write_erp
from whatsapp_pipeline.sandbox.people import SamplePerson
from whatsapp_pipeline.sandbox.plan import SampleOptions, World, make_world, sized

CHATS_FOLDER: Final = "organized_whatsapp_chats"
# p95 is 5.5 times the median, as in the archive that was measured (14 and 77).
_SIGMA: Final = math.log(5.5) / 1.645
_Row: TypeAlias = tuple[object, ...]
_FILE_COLUMNS: Final = (
    "file_path",
    "month",
    "title_kind",
    "id_contato",
    "phone_key",
    "phone_contacts",
    "erp_phone",
    "is_group",
    "orders",
    "order_numbers",
    "sessions",
    "blocks",
)
_SESSION_COLUMNS: Final = (
    "file_path",
    "session",
    "started_at",
    "kind",
    "mood",
    "messages",
    "id_ordem_servico",
    "numero_ordem_servico",
    "names_order",
)


@dataclass(frozen=True, slots=True)
class SampleReport:
    """Counts of what was written."""

    contacts: int
    orders: int
    files: int
    messages: int
    size_bytes: int


def write_sample(out: Path, options: SampleOptions) -> SampleReport:
    """Write an invented archive to the folder `out`, with one chat in memory at a time.

    Creates the folder. Raises PipelineError if there are too few contacts for the files.
    """
    world = make_world(options)
    write_erp(out / "erp", world.people, world.orders)
    return _ArchiveWriter(out, world).write()


class _ArchiveWriter:
    """Writes the files of a world, and one line of truth for each file."""

    def __init__(self, out: Path, world: World) -> None:
        self.out, self.world, self.options = out, world, world.options
        self.first_day = datetime(int(self.options.months[0][:4]), int(self.options.months[0][5:]), 1)
        # Number of contacts with each phone, among those whose phone in the ERP has its area code.
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
                sessions = self._sessions(rng, chat, place, largest=position == largest)
                path = self._path(rng, chat, place)
                blocks, counts, named = self._write_file(rng, root / path, chat, sessions)
                add_file(self._file_truth(path, chat, place, sessions, blocks))
                for number, session in enumerate(sessions):
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
        """Return the position of the file that gets `options.largest` messages; None without such a file.

        It is the last file of a customer.
        """
        if not self.options.largest:
            return None
        customers = [index for index, (chat, _) in enumerate(self.world.files) if chat.kind == "person"]
        return customers[-1]

    def _sessions(self, rng: random.Random, chat: SampleChat, month: int, *, largest: bool) -> list[Session]:
        """Return the sessions of a file with their sizes; a re-export also repeats those of the last file."""
        planned = sorted(chat.files[month], key=lambda session: session.start)
        if largest:
            target = self.options.largest
        else:
            size = rng.lognormvariate(math.log(self.options.median_messages), _SIGMA)
            target = min(int(size), 900 * max(1, int(self.options.median_messages / 14)))
        # Notices count as messages of the file, and most files begin with two.
        sessions = sized(rng, planned, max(2, target - 2), self.first_day, history=chat.kind == "person")
        earlier = [position for position in chat.files if position < month]
        if earlier and rng.random() < 0.08:
            again = random.Random(f"file/{self.options.seed}/{chat.index}/{max(earlier)}")
            previous = self._sessions(again, chat, max(earlier), largest=False)
            known = {session.start for session in sessions}
            sessions = [session for session in previous if session.start not in known] + sessions
        return sorted(sessions, key=lambda session: session.start)

    def _path(self, rng: random.Random, chat: SampleChat, month: int) -> str:
        """Return the file's path, named by the first message of the month or by the time of the export."""
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
        self, rng: random.Random, path: Path, chat: SampleChat, sessions: list[Session]
    ) -> tuple[int, list[int], list[bool]]:
        """Write one chat.

        Return the number of blocks, and each session's messages and whether it names its order.
        """
        counts, named = [0] * len(sessions), [False] * len(sessions)

        def lines() -> Iterator[Line]:
            for number, session in enumerate(sessions):
                seed = f"tell/{self.options.seed}/{chat.index}/{session.start}"
                for line in write_session(seed, session, chat.speaker, group=chat.kind == "group"):
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

    def _file_truth(
        self, path: str, chat: SampleChat, month: int, sessions: list[Session], blocks: int
    ) -> _Row:
        person = chat.person
        orders = {session.order.id: session.order.number for session in sessions if session.order is not None}
        key = _phone_key(chat)
        return (
            path,
            self.options.months[month],
            chat.title_kind,
            person.id if person else "",
            key,
            self.holders[key] if key else "",
            person.phone_way if person else "",
            str(chat.kind == "group").lower(),
            ";".join(map(str, orders)),
            ";".join(orders.values()),
            len(sessions),
            blocks,
        )


def _findable(person: SamplePerson) -> bool:
    """Return whether the ERP has the person's number with its area code."""
    return person.phone_way not in {"none", "unknown_area"}


def _phone_key(chat: SampleChat) -> str:
    """Return area code and last eight digits; `+` and all digits of a foreign number; "" for a group."""
    if chat.kind == "group":
        return ""
    if chat.number.startswith("+"):
        return "+" + "".join(filter(str.isdigit, chat.number))
    return chat.number[:2] + chat.number[-8:]


def _session_truth(path: str, number: int, session: Session, messages: int, named: bool) -> _Row:
    order = session.order
    return (
        path,
        number,
        session.start,
        session.kind,
        session.mood,
        messages,
        order.id if order else "",
        order.number if order else "",
        str(named).lower(),
    )


def _encoding(rng: random.Random, *, plain: bool) -> tuple[str, bytes, str]:
    """Draw the encoding of a file: (codec, byte order mark, end of line).

    Most files are UTF-8 with LF and without a mark.
    """
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

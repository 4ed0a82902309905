"""Who wrote a line of a native export, and whether that is staff.

What belongs here: telling names from system lines, and the owner from the others. What does not: cutting
lines (`native_columns.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.phone_texts import plain_phone_text
from whatsapp_pipeline.domain.phones import is_lid, is_phone
from whatsapp_pipeline.domain.transcripts.columns import Sender, sender_columns
from whatsapp_pipeline.domain.transcripts.native.native_columns import Headers, Ints, replaced
from whatsapp_pipeline.domain.transcripts.phrases import fold, phrases, visible

NOTIFICATION = Sender("notification", None, None, None, None, ("notification",))

_LONGEST_NAME = 120


class Senders(dict[str, Sender]):
    """Names as written → senders, in the chat of one file.

    Staff is who `owner` names. Where that tells nothing, a chat whose title is one of its two senders is a
    chat with that customer, and the other is staff. Else the direction is None: nothing is guessed.
    """

    def __init__(self, owner: Iterable[str], title: str | None, sample: str) -> None:
        super().__init__()
        self.is_group = False
        self.is_undecided = False
        """Whether some sender's direction could not be told."""
        self._owners = frozenset(_same(name) for name in owner if fold(name)) - {""}
        self._staff_of_title: str | None = None
        folded = fold(sample) if self._owners or title else ""
        self._owner_speaks = any(f"{fold(name)}: " in folded for name in owner if fold(name))
        self._customer = _same(title) if title and f"{fold(title)}: " in folded else None
        self._others: set[str] = set()

    def learn(self, written: str) -> Sender | None:
        """The sender that a name not met before stands for; None when it is the start of a system line."""
        shown = visible(written).strip().removeprefix("~").strip()
        if not shown or "\n" in written or len(shown) > _LONGEST_NAME or phrases().notification(shown):
            return None
        direction = self._direction(shown)
        if direction != "to":
            self._others.add(_same(shown))
            self.is_group |= len(self._others) > 1 + (direction is None)
        number = _written_number(shown)
        phone = None if number is None or is_lid(number) else number
        header_phone = number if direction != "to" else None
        name = shown if number is None else None
        sender = Sender(direction, name, phone, None, header_phone, (direction, shown))
        if len(self) > 10_000:
            self.clear()
        self[written] = sender
        return sender

    def _direction(self, name: str) -> str | None:
        same = _same(name)
        if same in self._owners or fold(name) in phrases().you:
            return "to"
        if self._owner_speaks or same == self._customer:
            return "from"
        if self._customer is not None and self._staff_of_title in (None, same):
            self._staff_of_title = same
            return "to"
        self.is_undecided = True
        return None


def _same(name: str) -> str:
    """What two ways of writing one name or phone share."""
    shown = fold(name).removeprefix("~").strip()
    number = _written_number(shown)
    if number is not None:
        # A Brazilian mobile is written with and without its ninth digit: the last eight are the same.
        return "".join(filter(str.isdigit, number))[-8:]
    return shown


def _written_number(name: str) -> str | None:
    """The phone or LID that a whole name is, in plain characters; None when it is a name."""
    if not any(char.isdigit() for char in name):
        return None
    plain = plain_phone_text(name).strip()
    return plain if is_phone(plain) or is_lid(plain) else None


@dataclass(slots=True)
class Written:
    """Who wrote the messages of a window."""

    texts: pl.Series
    """Their first lines, without the names."""
    senders: list[Sender]
    numbers: Ints
    """Which of the senders each is from; 0 is NOTIFICATION."""

    def columns(self) -> dict[str, pl.Series]:
        """SENDER_COLUMNS, a row a message."""
        return sender_columns(self.senders, self.numbers)


def who_wrote(headers: Headers, part_of: Ints, more: Ints, known: Sequence[Senders]) -> Written:
    """Tell names from the starts of system lines; `more` are the lines that follow a header's own.

    `known` are the senders of each part's file.
    """
    names, texts = headers.names, headers.texts
    bare = texts.is_null().arg_true()
    if len(bare):
        written = names.gather(bare).to_list()
        is_alone = (more[bare.to_numpy()] == 0).tolist()
        # The space behind the colon of an empty message may be lost.
        is_name = [alone and text.endswith(":") for alone, text in zip(is_alone, written, strict=True)]
        found = list(zip(is_name, written, strict=True))
        texts = replaced(texts, bare, pl.Series(["" if is_name else text for is_name, text in found]))
        only = [text[:-1] if is_name else None for is_name, text in found]
        names = replaced(names, bare, pl.Series(only, dtype=pl.String))
    senders, numbers = _learned(names, part_of, known)
    refused = np.flatnonzero((numbers == 0) & names.is_not_null().to_numpy())
    if len(refused):
        after = (": " + headers.texts.gather(refused)).fill_null("")
        texts = replaced(texts, refused, headers.names.gather(refused) + after)
    return Written(texts, senders, numbers)


def _learned(names: pl.Series, part_of: Ints, known: Sequence[Senders]) -> tuple[list[Sender], Ints]:
    """The senders, and whose each message is: 0 where no name is one."""
    distinct = names.unique(maintain_order=True).drop_nulls()
    codes = names.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    pairs = np.where(codes < 0, -1, part_of * len(distinct) + codes)
    keys, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
    written, parts = names.gather(firsts).to_list(), part_of[firsts].tolist()
    found, numbers = [NOTIFICATION], np.zeros(len(keys), np.int64)
    for at in np.argsort(firsts).tolist():  # in the order in which they spoke
        senders, name = known[parts[at]], written[at]
        sender = None if name is None else senders.get(name) or senders.learn(name)
        if sender is not None:
            numbers[at] = len(found)
            found.append(sender)
    return found, numbers[which]

"""Who wrote a line of a native export, and whether that is staff.

What belongs here: telling names from system lines, and the owner from the others. What does not: cutting
lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .columns import Sender
from .phrases import fold, phrases, visible

NOTIFICATION = Sender("notification", None, None, None, None, ("notification",))

_PHONE = re.compile(r"\+?\d[\d ().-]{6,24}", re.ASCII)
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
        phone = shown if _PHONE.fullmatch(shown) else None
        name = None if phone else shown
        customer_phone = phone if direction != "to" else None
        sender = Sender(direction, name, phone, None, customer_phone, (direction, shown))
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
    if _PHONE.fullmatch(shown):
        # A Brazilian mobile is written with and without its ninth digit: the last eight tell.
        return "".join(filter(str.isdigit, shown))[-8:]
    return shown

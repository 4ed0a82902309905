"""Senders of the lines of a native export, and whether they are staff.

What belongs here: distinguishing names from system lines, and the owner from others. What does not: cutting
lines (`native_columns.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from whatsapp_pipeline.domain.phone_texts import plain_phone_text
from whatsapp_pipeline.domain.phones import is_lid, is_phone
from whatsapp_pipeline.domain.transcripts.columns import Sender, sender_columns
from whatsapp_pipeline.domain.transcripts.native.native_columns import Headers, Ints, replaced
from whatsapp_pipeline.domain.transcripts.phrases import fold_phrase, phrases, visible

NOTIFICATION = Sender("notification", None, None, None, None, ("notification",))

_LONGEST_NAME = 120
# A quotation that goes on after the colon: `Grupo "Obra: Centro" criado`. A name may end in inches: `15"`.
_OPEN_QUOTE = re.compile('(?:^| )["“«][^"”»]*$').search
_HAS_DIGIT = re.compile(r"\d").search
# At most four words that begin with a capital, with Portuguese particles between them: `Ana da Luz`,
# `João - Oficina`, `Ana (mãe)`.
_CAPITAL = r"[^\W\d_a-zà-ÿ][^\W\d_]*"
_PERSON = re.compile(rf"[^\w]*{_CAPITAL}(?: (?:d[aeo]s? |e |- )?{_CAPITAL}){{0,3}}(?: \([^\W\d_]+\))?[^\w]*")


class Senders(dict[str, Sender]):
    """Maps names as written to senders, in the chat of one file.

    `owner` names the staff. If it names nobody in a chat with two senders, and the title is one of them, that
    one is the customer and the other is staff. Otherwise the direction is unknown: None.

    `names` are those of the first messages, in the order of the file; `sample` is their text.
    """

    def __init__(self, owner: Iterable[str], title: str | None, sample: str, names: Iterable[str]) -> None:
        super().__init__()
        self.is_group = False
        self.is_undecided = False
        """Whether the direction of some sender is unknown."""
        known = (*owner, title or "")
        self.with_colon = tuple(name for name in known if ": " in name)
        """Known names of the owner and the chat that contain `: `, which otherwise ends a name."""
        self._owners = frozenset(_same(name) for name in known[:-1] if fold_phrase(name)) - {""}
        self._title = ""
        self._staff_of_title: str | None = None
        self._customer: str | None = None
        self._owner_speaks = False
        self._others: set[str] = set()
        self._look_for(title, sample, names, [name for name in known if ":" in name])

    def _look_for(
        self, title: str | None, sample: str, names: Iterable[str], with_colon: Iterable[str]
    ) -> None:
        """Find out whether the owner and the person in the title write in this chat.

        `names` end at the first colon, so known names `with_colon` are looked for in the text itself.
        """
        customer = self._title = _same(title) if title else ""
        wanted = {*self._owners, customer} - {""}
        folded = fold_phrase(sample) if wanted else ""
        for name in with_colon:
            if f"{fold_phrase(name)}: " in folded:
                self._owner_speaks |= _same(name) in self._owners
                self._customer = customer if _same(name) == customer else self._customer
        # A number may have another format; a name must occur in the text.
        wanted = {name for name in wanted if name.isdigit() or _occurs(name, folded)}
        for name in names if wanted else ():
            same = _same(visible(name))
            if same in wanted:
                self._owner_speaks |= same in self._owners
                self._customer = customer if same == customer else self._customer
                wanted.discard(same)
            if not wanted:
                break

    def learn(self, written: str) -> Sender | None:
        """Return the sender of a new name; None if it is the start of a system line."""
        shown = visible(written).strip().removeprefix("~").strip()
        if not shown or "\n" in written or len(shown) > _LONGEST_NAME or phrases().notification(shown):
            return None
        if _OPEN_QUOTE(shown):
            return None
        number = _written_number(shown)
        same = _comparable(fold_phrase(shown), number)
        direction = self._direction(shown, same)
        if direction != "to":
            self._others.add(same)
            self.is_group |= len(self._others) > 1 + (direction is None)
        phone = None if number is None or is_lid(number) else number
        header_phone = number if direction != "to" else None
        name = shown if number is None else None
        sender = Sender(direction, name, phone, None, header_phone, (direction, shown))
        if len(self) > 10_000:
            self.clear()
        self[written] = sender
        return sender

    def may_be_person(self, written: str) -> bool:
        """Return whether a name without other lines is the owner, the title, a phone or a personal name."""
        shown = visible(written).strip().removeprefix("~").strip()
        same = _same(shown)
        if same in self._owners or same == self._title or _written_number(shown) is not None:
            return True
        return _PERSON.fullmatch(shown) is not None and not _is_of_whatsapp(shown)

    def are_known(self, written: str) -> bool:
        """Return whether a name is that of the owner or of the chat, or was met before in the file."""
        return written in self or (same := _same(written)) in self._owners or (same == self._title != "")

    def _direction(self, name: str, same: str) -> str | None:
        if same in self._owners or fold_phrase(name) in phrases().you:
            return "to"
        if self._owner_speaks or same == self._customer:
            return "from"
        if self._customer is not None and self._staff_of_title in (None, same):
            self._staff_of_title = same
            return "to"
        self.is_undecided = True
        return None


def _occurs(name: str, folded: str) -> bool:
    """Return whether a folded text contains a name, whose accents may be characters of their own."""
    return name in folded or (not name.isascii() and unicodedata.normalize("NFD", name) in folded)


def _is_of_whatsapp(shown: str) -> bool:
    """Return whether the start of a line is a notice, or has only words of notices."""
    table = phrases()
    return table.notification(shown) is not None or table.vocabulary.issuperset(fold_phrase(shown).split())


def _same(name: str) -> str:
    """Return a key that is equal for the forms of a name or phone."""
    shown = fold_phrase(name).removeprefix("~").strip()
    return _comparable(shown, _written_number(shown))


def _comparable(shown: str, number: str | None) -> str:
    """Return a key that is equal for the forms of a name; `number` is its phone or LID."""
    if number is not None:
        # A Brazilian mobile number may lack its ninth digit; the last eight digits are always equal.
        return "".join(filter(str.isdigit, number))[-8:]
    return shown if shown.isascii() else unicodedata.normalize("NFC", shown)


def _written_number(name: str) -> str | None:
    """Return the phone or LID that is the whole name; None if it is a name."""
    if not _HAS_DIGIT(name):
        return None
    plain = plain_phone_text(name).strip()
    return plain if is_phone(plain) or is_lid(plain) else None


@dataclass(slots=True)
class MessageSenders:
    """The senders of the messages of a window."""

    texts: pl.Series
    """The first line of each message, without the name."""
    senders: list[Sender]
    numbers: Ints
    """The index of each sender; 0 is NOTIFICATION."""

    def repeated_in(self, texts: pl.Series) -> npt.NDArray[np.bool_]:
        """Return which texts begin with their sender's name, like notices of iOS without a mark."""
        names = pl.Series(
            [sender.sender_name or sender.sender_phone for sender in self.senders], dtype=pl.String
        )
        both = pl.DataFrame({"text": texts, "name": names[pl.Series(self.numbers)]})
        bare = pl.col("text").str.replace(r"\A~[ \u{202f}\u{a0}]?", "")
        is_repeated = both.select(bare.str.starts_with(pl.col("name")).fill_null(False))
        return is_repeated.to_series().to_numpy()

    def columns(self) -> dict[str, pl.Series]:
        """Return SENDER_COLUMNS; one row per message."""
        return sender_columns(self.senders, self.numbers)


def who_wrote(
    headers: Headers, part_of: Ints, more: Ints, known: Sequence[Senders], *, always_named: bool
) -> MessageSenders:
    """Distinguish names from the starts of system lines; `more` counts the lines after the line of a header.

    `known` are the senders of each part's file. `always_named`: every line of the format names somebody.
    """
    names, texts = headers.names, headers.texts
    bare = texts.is_null().arg_true()
    if len(bare):
        written = names.gather(bare)
        names = replaced(names, bare, pl.Series([None], dtype=pl.String))
        texts = replaced(texts, bare, written)
        may_be_named = written.str.contains(":", literal=True)
        bare, written = bare.filter(may_be_named), written.filter(may_be_named)
    if len(bare):
        is_alone = (more[bare.to_numpy()] == 0).tolist()
        speakers = _Speakers(headers, part_of, known, are_all=always_named)
        speakers.count(written.to_list(), part_of[bare.to_numpy()].tolist())
        pairs = [
            _name_and_text(text, is_alone=alone, part=part, speakers=speakers)
            for alone, text, part in zip(
                is_alone, written.to_list(), part_of[bare.to_numpy()].tolist(), strict=True
            )
        ]
        names = replaced(names, bare, pl.Series([name for name, _ in pairs], dtype=pl.String))
        texts = replaced(texts, bare, pl.Series([text for _, text in pairs], dtype=pl.String))
    if any(senders.with_colon for senders in known):
        names, texts = _with_colons(names, texts, part_of, known)
    distinct = _distinct(names)
    if tight := {name for name in distinct.to_list() if ":" in name}:
        names, texts = _without_text(names, texts, part_of, known, tight)
        distinct = _distinct(names)
    senders, numbers = _learned(names, distinct, part_of, known)
    refused = np.flatnonzero((numbers == 0) & names.is_not_null().to_numpy())
    if len(refused):
        after = (": " + headers.texts.gather(refused)).fill_null("")
        texts = replaced(texts, refused, headers.names.gather(refused) + after)
    return MessageSenders(texts, senders, numbers)


_NOTICE_MARKS = ("\u200e", "\u200f")
_FILE_STARTS = (*_NOTICE_MARKS, "<")
# A contact's name may have the number of an order: `João OS:30123 saiu`.
_ORDER_IN_NAME = re.compile(r"[^:\n]*\bo\.?s\.?:\d", re.IGNORECASE).match
# A name without a blank after its colon: `Bob:Oi`, but not `https://…`, a time or a quotation. Names have no
# punctuation of sentences.
_TIGHT_NAME = re.compile(r"([^:\n“”\"!?]{1,60})(?:(?<!\d):|:(?!\d\d\b))(?!//)(?=\S)(.*)", re.DOTALL)


class _Speakers:
    """The possible senders of a line whose colon has no blank after it.

    In a format where every line has a name, anybody is possible. Otherwise only senders of other lines, the
    owner, the person in the title, personal names, and names of several such lines, because lines of WhatsApp
    contain colons too. The lines of a file that is read in several windows are compared within a window.
    """

    def __init__(self, headers: Headers, part_of: Ints, known: Sequence[Senders], *, are_all: bool) -> None:
        self._headers, self._part_of, self._known = headers, part_of, known
        self._are_all = are_all
        self._found: dict[int, set[str]] = {}
        # Names with a colon by part, and the length of the longest.
        self._with_colon: dict[int, tuple[set[str], int]] = {}
        self._tight: Counter[tuple[int, str]] = Counter()

    def count(self, lines: Sequence[str], parts: Sequence[int]) -> None:
        """Count the different lines of each file that have the same text before their first colon."""
        for text, part in set(zip(lines, parts, strict=True)):
            if match := _TIGHT_NAME.fullmatch(text):
                self._tight[part, match[1]] += 1

    def include(self, name: str, part: int) -> bool:
        """Return whether the name is a possible sender in the file of the part."""
        if self._are_all or name in self._known[part] or self._known[part].may_be_person(name):
            return True
        is_repeated = self._tight[part, name] > 1 and not _is_of_whatsapp(visible(name).strip())
        return is_repeated or name in self._names_in(part)

    def begins_with_whole_name(self, text: str, part: int) -> bool:
        """Return whether a line begins with the name of a sender that contains a colon itself."""
        if part not in self._with_colon:
            found = {name for name in self._names_in(part) if ":" in name and len(name) <= _LONGEST_NAME}
            self._with_colon[part] = found, max(map(len, found), default=0)
        names, longest = self._with_colon[part]
        return any(text[end] == " " and text[:end] in names for end in range(min(longest + 1, len(text))))

    def _names_in(self, part: int) -> set[str]:
        """Return the names of the lines of a file that have a blank after their colon."""
        if part not in self._found:
            here = pl.Series(self._part_of == part) & self._headers.texts.is_not_null()
            self._found[part] = set(self._headers.names.filter(here).unique().to_list())
        return self._found[part]


def _name_and_text(text: str, *, is_alone: bool, part: int, speakers: _Speakers) -> tuple[str | None, str]:
    """Return the name and the text of a line without a colon and blank; WhatsApp's lines have no name."""
    # The blank after the colon of an empty message may be missing.
    if is_alone and text.endswith(":"):
        return text[:-1], ""
    match = None if text.startswith(_NOTICE_MARKS) else _TIGHT_NAME.fullmatch(text)
    if match is None or _ORDER_IN_NAME(text) or speakers.begins_with_whole_name(text, part):
        return None, text
    return (match[1], match[2]) if speakers.include(match[1], part) else (None, text)


def _without_text(
    names: pl.Series, texts: pl.Series, part_of: Ints, known: Sequence[Senders], tight: Set[str]
) -> tuple[pl.Series, pl.Series]:
    """Cut text off names in files without a blank after the sender's colon: `Ana:nota: 5` is Ana's `nota: 5`.

    A name ends at a colon if it is a sender of the same file without the rest, or if a file follows it.
    """
    at = names.is_in(list(tight)).arg_true()
    others: dict[int, set[str]] = {}
    new_names, new_texts = names.gather(at).to_list(), texts.gather(at).to_list()
    for row, (part, name) in enumerate(zip(part_of[at.to_numpy()].tolist(), new_names, strict=True)):
        if known[part].are_known(name):
            continue
        if part not in others:
            others[part] = {*_distinct(names.filter(pl.Series(part_of == part))).to_list()} - tight
        ends = [end for end in range(len(name) - 1, 0, -1) if name[end] == ":"]
        for end in ends:
            head, rest = name[:end], name[end + 1 :]
            is_sender = head in others[part] or known[part].are_known(head) or is_phone(head)
            if is_sender or rest.startswith(_FILE_STARTS):
                new_names[row], new_texts[row] = head, f"{rest}: {new_texts[row]}"
                break
    return (
        replaced(names, at, pl.Series(new_names, dtype=pl.String)),
        replaced(texts, at, pl.Series(new_texts, dtype=pl.String)),
    )


def _with_colons(
    names: pl.Series, texts: pl.Series, part_of: Ints, known: Sequence[Senders]
) -> tuple[pl.Series, pl.Series]:
    """Join names that were cut at a colon inside them."""
    whole_names, rests = names.to_list(), texts.to_list()
    for part, senders in enumerate(known):
        at_part = np.flatnonzero(part_of == part).tolist() if senders.with_colon else ()
        for name in senders.with_colon:
            head, _, tail = name.partition(": ")
            start = f"{fold_phrase(tail)}:"
            for at in at_part:
                written, text = whole_names[at], rests[at]
                if written and text and _same(written) == _same(head) and fold_phrase(text).startswith(start):
                    whole_names[at] = name
                    rests[at] = text.split(":", tail.count(":") + 1)[-1].removeprefix(" ")
    return pl.Series(whole_names, dtype=pl.String), pl.Series(rests, dtype=pl.String)


def _distinct(names: pl.Series) -> pl.Series:
    return names.unique(maintain_order=True).drop_nulls()


def _learned(
    names: pl.Series, distinct: pl.Series, part_of: Ints, known: Sequence[Senders]
) -> tuple[list[Sender], Ints]:
    """Return the senders, and the index of the sender of each message; 0 if its name is not a sender."""
    codes = names.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    pairs = np.where(codes < 0, -1, part_of * len(distinct) + codes)
    firsts, which = _first_places(pairs + 1, len(known) * len(distinct) + 1)
    written, parts = names.gather(firsts).to_list(), part_of[firsts].tolist()
    found, numbers = [NOTIFICATION], np.zeros(len(firsts), np.int64)
    for at in np.argsort(firsts).tolist():  # in the order of their first messages
        senders, name = known[parts[at]], written[at]
        sender = None if name is None else senders.get(name) or senders.learn(name)
        if sender is not None:
            numbers[at] = len(found)
            found.append(sender)
    return found, numbers[which]


def _first_places(numbers: Ints, limit: int) -> tuple[Ints, Ints]:
    """Return the first place of each distinct number, and the index into these places for each number.

    The numbers are at least 0 and below `limit`. A small `limit` avoids sorting.
    """
    if limit > len(numbers):
        _, firsts, which = np.unique(numbers, return_index=True, return_inverse=True)
        return firsts, which
    first_of = np.full(limit, -1, np.int64)
    first_of[numbers[::-1]] = np.arange(len(numbers))[::-1]  # the first place is assigned last, so it wins
    is_met = first_of >= 0
    order: Ints = np.cumsum(is_met) - 1
    return first_of[is_met], order[numbers]

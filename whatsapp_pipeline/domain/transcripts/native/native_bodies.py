"""Bodies of the messages in a window of native exports.

What belongs here: choosing the texts to parse, and finding those that WhatsApp wrote. What does not: parsing
such a text (`bodies.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.phones import is_phone
from whatsapp_pipeline.domain.transcripts.bodies import (
    Body,
    parse_native_body,
    parse_unmarked_caption,
    read_notice,
)
from whatsapp_pipeline.domain.transcripts.columns import body_frame
from whatsapp_pipeline.domain.transcripts.native.native_columns import Flags, Ints, each_once
from whatsapp_pipeline.domain.transcripts.native.native_notices import UnknownNotices
from whatsapp_pipeline.domain.transcripts.phrases import INVISIBLE, LONGEST_PHRASE, phrases, visible

_MARKS = "\u200e\u200f"
_START = 5  # length of `text_starts` in characters


class NativeBodies(NamedTuple):
    """Parsed texts: those that are more than what a person wrote."""

    places: Ints
    found: pl.DataFrame
    """Columns of BODY_SCHEMA; one row per place."""
    own: Ints
    """Places of texts that WhatsApp wrote, although they have a sender."""
    of_groups: Ints
    """Places of notices that occur only in groups."""
    unknown: Ints
    """Places of texts of WhatsApp that no language file knows."""


class _Call(NamedTuple):
    """A text without a mark that names a call; WhatsApp or a person wrote it."""

    text: str


class _Captioned(NamedTuple):
    """A text that ends like an omitted file, without a mark; WhatsApp writes so in a file without marks."""

    body: Body


class _Marked(NamedTuple):
    """A text that begins with a mark and reads like a notice; WhatsApp wrote it or a person pasted it."""

    text: str
    kind: str | None
    """The kind of the notice; None if no language file knows it."""
    needs_name: bool = False
    """Whether the text is a notice only if it begins with the name of a sender."""

    @property
    def names_sender(self) -> bool:
        """Return whether the notice is about its sender, who called or deleted a message."""
        return self.kind in ("call", "deleted")


_Verdict: TypeAlias = Body | _Marked | _Call | _Captioned | None


class NativeTexts(NamedTuple):
    """The texts of a window's messages."""

    texts: pl.Series
    may_be_more: Flags
    """Which texts may name a file after their start."""
    is_repeated: Flags
    """Which texts begin with the name of their sender."""


def parse_bodies(
    written: NativeTexts, is_notice: Flags, notices_of: Callable[[int], UnknownNotices]
) -> NativeBodies:
    """Parse the texts that may be more than text; those without a sender are notices.

    Args:
        written: The texts of a window.
        is_notice: True for texts without a sender.
        notices_of: Returns the notices of the file of a text, given by its place. They decide whether
            WhatsApp wrote a text that begins with a mark and reads like a notice, or a person pasted it.
    """
    texts, may_be_more, is_repeated = written
    is_special = texts.str.contains(_special_starts()).to_numpy() | may_be_more | is_repeated
    special = np.flatnonzero(is_special & ~is_notice)
    verdicts, numbers = each_once(texts.gather(special).to_list(), _parse_special)
    is_pasted = _are_pasted(special, verdicts, numbers, notices_of)
    is_own = _are_own(verdicts, numbers, is_pasted)
    # A notice may name its actor twice: `Ana: Ana changed this group's icon`.
    for at in np.flatnonzero(is_repeated[special]).tolist():
        is_own[at] |= phrases().notification(texts[int(special[at])]) in ("group", "system")
    is_unknown = np.array([isinstance(v, _Marked) and v.kind is None for v in verdicts], bool)[numbers]
    own = special[is_own]
    noticed = np.concatenate([np.flatnonzero(is_notice), own])
    notices, notice_numbers = each_once(texts.gather(noticed).to_list(), read_notice)
    is_of_group = np.array([notice.is_group for notice in notices], bool)[notice_numbers]
    bodies = [*map(_own_body, verdicts), *(notice.body for notice in notices)]
    is_kept = ~is_own & ~is_pasted
    return NativeBodies(
        np.concatenate([special[is_kept], noticed]),
        body_frame(bodies)[np.concatenate([numbers[is_kept], notice_numbers + len(verdicts)])],
        own,
        noticed[is_of_group],
        special[is_own & is_unknown],
    )


def _are_pasted(
    special: Ints,
    verdicts: Sequence[_Verdict],
    numbers: Ints,
    notices_of: Callable[[int], UnknownNotices],
) -> Flags:
    """Return which of the `special` texts a person typed or pasted, although WhatsApp writes such texts.

    `numbers` has the index of the verdict on each text.
    """
    is_doubtful = np.array([isinstance(v, _Marked | _Call | _Captioned) for v in verdicts], bool)[numbers]
    found = np.zeros(len(special), np.bool_)
    for at in np.flatnonzero(is_doubtful).tolist():
        found[at] = _is_pasted(verdicts[numbers[at]], notices_of(int(special[at])))
    return found


def _is_pasted(verdict: _Verdict, notices: UnknownNotices) -> bool:
    if isinstance(verdict, _Call):
        return not notices.is_call(verdict.text)
    if isinstance(verdict, _Captioned):
        return not notices.may_repeat
    if isinstance(verdict, _Marked):
        return not notices.are_marked or (verdict.needs_name and not notices.names_somebody(verdict.text))
    return False


def _are_own(verdicts: Sequence[_Verdict], numbers: Ints, is_pasted: Flags) -> Flags:
    """Return which texts WhatsApp wrote as notices; those about their sender keep the sender."""
    is_certain = np.array([verdict is None for verdict in verdicts], bool)[numbers]
    may_be = np.array([isinstance(v, _Marked) and not v.names_sender for v in verdicts], bool)[numbers]
    found: Flags = is_certain | (may_be & ~is_pasted)
    return found


def may_be_captions(texts: pl.Series) -> Flags:
    """Return which texts begin or end with the phrase of an omitted file: `a foto imagem ocultada`."""
    lines = "|".join(map(pl.escape_regex, sorted(phrases().left_out_lines)))
    found: Flags = texts.str.contains(rf"(?:\A|\n| )(?:{lines})(?:\n|\z)").to_numpy()
    return found


@cache
def _special_starts() -> str:
    """Return an expression for the starts of all texts that WhatsApp writes."""
    starts = sorted(phrases().text_starts)
    whole = (pl.escape_regex(start) + (r"\z" if len(start) < _START else "") for start in starts)
    return rf"\A(?:{'|'.join(whole)}|[{INVISIBLE}]|[A-Z]{{3}}-\d{{8}}-WA)"


def _own_body(verdict: _Verdict) -> Body:
    """Return the body of a message that keeps its sender; an empty body if there is none."""
    if isinstance(verdict, _Call):
        return Body(verdict.text, "call")
    if isinstance(verdict, _Marked):
        return Body(verdict.text, verdict.kind or "text")
    if isinstance(verdict, _Captioned):
        return verdict.body
    return verdict or Body("")


def _parse_special(text: str) -> _Verdict:
    """Parse the text of a person; None if WhatsApp wrote it, with or without a mark.

    iOS marks the lines that it writes itself, and names a person or the chat as their sender.
    """
    body = parse_native_body(text)
    is_marked = text[:1] in _MARKS
    if body.type == "call" and not is_marked:
        return _Call(text)
    if body.type != "text":
        return body
    kind = phrases().notification(text)
    if kind == "encryption":
        return None
    if is_marked and (kind is not None or _may_be_own(text)):
        return _Marked(text, kind, kind is None and not _is_sentence(text))
    if not is_marked and kind is None and (captioned := parse_unmarked_caption(text)) is not None:
        return _Captioned(captioned)
    return body


_QUOTED = re.compile('["“”«»][^"“”«»]*["“”«»]')
_PHONE = re.compile(r"\+?\d[\d().\s\u2010-\u2015-]{6,}\d")
# `2 min`, `24 horas`: notices contain such counts.
_COUNT = re.compile(r"(?<![^\s(])\d{1,4} (?=[^\W\d_])")
_FIGURE = re.compile(r"[\d@]")
_WORD = re.compile(r"[^\W\d_]{4,}")  # names have shorter ones: `Ana dos Reis`


def _may_be_own(text: str) -> bool:
    """Return whether WhatsApp may have written a marked text: several words, no link, no question."""
    shown = visible(text).strip()
    is_line = " " in shown and "\n" not in shown and "://" not in shown and not shown.endswith("?")
    return is_line and len(shown) < LONGEST_PHRASE and not is_phone(shown)


def _is_sentence(text: str) -> bool:
    """Return whether a marked text reads like a notice, and not like a pasted address, price or name.

    A notice begins with a capital and has a word in small letters, its verb, before any digit. Digits of
    phones, counts and quotations do not matter.
    """
    shown = visible(text).strip()
    if shown[:1].islower() or phrases().is_address(shown):
        return False
    bare = _COUNT.sub("", _PHONE.sub("", _QUOTED.sub("", shown)))
    return any(not word[0].isupper() for word in _WORD.findall(_FIGURE.split(bare)[0]))

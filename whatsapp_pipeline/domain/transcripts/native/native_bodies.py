"""Bodies of the messages in a window of native exports.

What belongs here: choosing the texts to parse, and finding those that WhatsApp wrote. What does not: parsing
such a text (`bodies.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

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


def parse_bodies(
    texts: pl.Series,
    is_notice: Flags,
    may_be_more: Flags,
    is_repeated: Flags,
    notices_of: Callable[[int], UnknownNotices],
) -> NativeBodies:
    """Parse the texts that may be more than text; those without a sender are notices.

    Args:
        texts: The texts of a window.
        is_notice: True for texts without a sender.
        may_be_more: True for texts that may name a file after their start.
        is_repeated: True for texts that begin with the name of their sender.
        notices_of: Returns the notices of the file of a text, given by its place. They decide whether
            WhatsApp wrote a text that begins with a mark and reads like a notice, or a person pasted it.
    """
    is_special = texts.str.contains(_special_starts()).to_numpy() | may_be_more | is_repeated
    special = np.flatnonzero(is_special & ~is_notice)
    verdicts, numbers = each_once(texts.gather(special).to_list(), _special)
    marked = [verdict if isinstance(verdict, _Marked) else None for verdict in verdicts]
    bodies = [_own_body(verdict) for verdict in verdicts]
    is_marked = np.array([mark is not None for mark in marked], bool)[numbers]
    is_pasted = np.zeros(len(special), bool)
    for at, number in zip(np.flatnonzero(is_marked).tolist(), numbers[is_marked].tolist(), strict=True):
        of_file, mark = notices_of(place := int(special[at])), marked[number]
        is_pasted[at] = not of_file.are_marked
        if mark is not None and mark.needs_name:
            is_pasted[at] |= not of_file.names_somebody(texts[place])
    is_call = np.array([isinstance(verdict, _Call) for verdict in verdicts], bool)[numbers]
    for at in np.flatnonzero(is_call).tolist():
        is_pasted[at] = not notices_of(place := int(special[at])).is_call(texts[place])
    is_captioned = np.array([isinstance(verdict, _Captioned) for verdict in verdicts], bool)[numbers]
    for at in np.flatnonzero(is_captioned).tolist():
        is_pasted[at] = not notices_of(int(special[at])).may_repeat
    is_unknown = np.array([mark is not None and mark.kind is None for mark in marked], bool)[numbers]
    is_senders = np.array([mark is not None and mark.names_sender for mark in marked], bool)[numbers]
    is_own = np.array([verdict is None for verdict in verdicts], bool)[numbers]
    is_own |= is_marked & ~is_pasted & ~is_senders
    # A notice may name its actor twice: `Ana: Ana changed this group's icon`.
    for at in np.flatnonzero(is_repeated[special]).tolist():
        is_own[at] |= phrases().notification(texts[int(special[at])]) in ("group", "system")
    unknown = special[is_unknown]
    own = special[is_own]
    is_plain = is_pasted & ~is_own
    special, numbers, is_own = special[~is_plain], numbers[~is_plain], is_own[~is_plain]
    noticed = np.concatenate([np.flatnonzero(is_notice), own])
    notices, notice_numbers = each_once(texts.gather(noticed).to_list(), read_notice)
    is_of_group = np.array([notice.is_group for notice in notices], bool)[notice_numbers]
    found = body_frame(bodies + [notice.body for notice in notices])
    return NativeBodies(
        np.concatenate([special[~is_own], noticed]),
        found[np.concatenate([numbers[~is_own], notice_numbers + len(bodies)])],
        own,
        noticed[is_of_group],
        np.intersect1d(own, unknown),
    )


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


def _own_body(verdict: Body | _Marked | _Call | _Captioned | None) -> Body:
    """Return the body of a message that keeps its sender; an empty body if there is none."""
    if isinstance(verdict, _Call):
        return Body(verdict.text, "call")
    if isinstance(verdict, _Marked):
        return Body(verdict.text, verdict.kind or "text")
    if isinstance(verdict, _Captioned):
        return verdict.body
    return verdict or Body("")


def _special(text: str) -> Body | _Marked | _Call | _Captioned | None:
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

"""What stands in the messages of a window of native exports.

What belongs here: which texts are looked at, and which of them are WhatsApp's own. What does not: what such a
text says (`bodies.py`).
"""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import NamedTuple

import numpy as np
import polars as pl

from whatsapp_pipeline.domain.transcripts.bodies import NATIVE_ENDINGS, Body, parse_native_body, read_notice
from whatsapp_pipeline.domain.transcripts.columns import body_frame
from whatsapp_pipeline.domain.transcripts.native.native_columns import Flags, Ints, each_once
from whatsapp_pipeline.domain.transcripts.phrases import INVISIBLE, phrases

_START = 5  # characters that `text_starts` are long


class Bodies(NamedTuple):
    """What texts say that are more than what a person wrote."""

    places: Ints
    found: pl.DataFrame
    """BODY_SCHEMA, a row a place."""
    own: Ints
    """Places of texts that are WhatsApp's own, though they have a sender."""
    of_groups: Ints
    """Places of notices that only a group's chat has."""


def parse_bodies(texts: pl.Series, is_notice: Flags) -> Bodies:
    """Take apart the texts that may be more than text; those without a sender are notices."""
    special = np.flatnonzero(_may_be_special(texts).to_numpy() & ~is_notice)
    bodies, numbers = each_once(texts.gather(special).to_list(), _special)
    is_own = np.array([body is None for body in bodies], bool)[numbers]
    own = special[is_own]
    noticed = np.concatenate([np.flatnonzero(is_notice), own])
    notices, notice_numbers = each_once(texts.gather(noticed).to_list(), read_notice)
    is_of_group = np.array([notice.is_group for notice in notices], bool)[notice_numbers]
    found = body_frame([body or Body("") for body in bodies] + [notice.body for notice in notices])
    return Bodies(
        np.concatenate([special[~is_own], noticed]),
        found[np.concatenate([numbers[~is_own], notice_numbers + len(bodies)])],
        own,
        noticed[is_of_group],
    )


def _may_be_special(texts: pl.Series) -> pl.Series:
    ends = (texts.str.ends_with(ending) for ending in NATIVE_ENDINGS)
    return reduce(or_, ends, texts.str.contains(_special_starts()))


@cache
def _special_starts() -> str:
    """An expression of the starts that any text of WhatsApp's own has."""
    starts = sorted(phrases().text_starts)
    whole = (pl.escape_regex(start) + (r"\z" if len(start) < _START else "") for start in starts)
    return rf"\A(?:{'|'.join(whole)}|[{INVISIBLE}])"


def _special(text: str) -> Body | None:
    """What a person's text says; None when it is WhatsApp's own.

    iOS marks its own lines, and names the chat as their sender.
    """
    body = parse_native_body(text)
    if body.type == "text":
        kind = phrases().notification(text)
        if kind == "encryption" or (kind in ("group", "system") and text[:1] in INVISIBLE):
            return None
    return body

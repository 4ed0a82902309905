"""Remarks of a message: what shows the matter of a conversation, or how it stands.

What belongs here: finding the phrases of `remarks.toml`. What does not: commitments (domain/commitments),
topics (topics.py) and what a summary says of a remark (text.py, case_text.py).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from whatsapp_pipeline.domain.commitments.rules import Kind, Mention, Side

_TEXT = files(__package__).joinpath("remarks.toml").read_text(encoding="utf-8")
_TRIGGER = re.compile(tomllib.loads(_TEXT)["triggers"])
# Texts are read again when a phrase changes.
REMARKS_DIGEST = sha256(_TEXT.encode()).hexdigest()[:16]

# Each kind with the side that makes the remark and its lists of phrases: those that show it and those
# that cancel it.
_LISTS: tuple[tuple[Kind, Side, str, str | None], ...] = (
    ("said_praises", "customer", "praises", "no_praises"),
    ("said_blames", "customer", "blames", "no_blames"),
    ("said_sells", "customer", "sells", "no_sells"),
    ("said_sells", "staff", "sells_staff", None),
    ("said_applies", "customer", "applies", "no_applies"),
    ("said_applies", "staff", "applies_staff", None),
    ("said_misdirected", "customer", "misdirected", "no_misdirected"),
    ("said_misdirected", "staff", "misdirected", "no_misdirected"),
    ("said_shops", "customer", "shops", "no_shops"),
    ("said_hopeless", "staff", "hopeless", "no_hopeless"),
    ("said_puts_off", "customer", "puts_off", None),
    ("said_corrects", "customer", "corrects", None),
    ("said_invoice", "customer", "invoice", None),
    ("said_declines", "staff", "declines", "no_declines"),
    ("said_visits", "customer", "visits", None),
    ("said_reconsiders", "customer", "reconsiders", None),
    ("said_bids", "customer", "bids", "no_bids"),
    ("said_consents", "staff", "consents", None),
)


class _Rule(NamedTuple):
    kind: Kind
    side: Side
    shows: re.Pattern[str]
    cancels: re.Pattern[str] | None


def _compiled(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(phrases) + r")(?!\w)")


@cache
def _rules() -> tuple[_Rule, ...]:
    lists: dict[str, Any] = tomllib.loads(_TEXT)
    return tuple(
        _Rule(kind, side, _compiled(lists[shown]), _compiled(lists[cancelled]) if cancelled else None)
        for kind, side, shown, cancelled in _LISTS
    )


class _Triggers(dict[str, bool]):
    """Cache of words, and whether a remark may have them."""

    def __missing__(self, word: str) -> bool:
        found = _TRIGGER.match(word) is not None
        if len(self) < _MEMO_LIMIT:
            self[word] = found
        return found


_MEMO_LIMIT = 300_000
_TRIGGERS = _Triggers()


def read_remarks(forms: Sequence[str]) -> tuple[Mention, ...]:
    """Return the remarks of a message cut into tokens, both if staff wrote it and if the customer did.

    The start and end of a remark are those of its first and last token.
    """
    if not any(map(_TRIGGERS.__getitem__, forms)):
        return ()
    text = " ".join(forms)
    found = []
    for rule in _rules():
        shown = rule.shows.search(text)
        if shown and not (rule.cancels and rule.cancels.search(text)):
            bid = Decimal(shown["bid"]) if rule.kind == "said_bids" else None
            first, last = (text[:at].count(" ") for at in (shown.start(), shown.end()))
            found.append(Mention(rule.kind, rule.side, first, last, amount=bid))
    return tuple(found)

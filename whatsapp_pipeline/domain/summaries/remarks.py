"""Remarks in a message: phrases that show the matter of a conversation, or its state.

What belongs here: finding the phrases of `remarks.toml`. What does not: commitments (domain/commitments),
topics (topics.py) and what a summary says of a remark (text.py, offer_text.py).
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

from whatsapp_pipeline.domain.commitments.mentions import Kind, Mention, Side

_TEXT = files(__package__).joinpath("remarks.toml").read_text(encoding="utf-8")
# This hash makes the pipeline analyse all texts again when a phrase changes.
REMARKS_DIGEST = sha256(_TEXT.encode()).hexdigest()[:16]

# Each kind of remark, with the side that makes it, the list of phrases that show it, and the list of phrases
# that cancel it.
_LISTS: tuple[tuple[Kind, Side, str, str | None], ...] = (
    ("said_praises", "customer", "praises", "no_praises"),
    ("said_blames", "customer", "blames", "no_blames"),
    ("said_sells", "customer", "sells", "no_sells"),
    ("said_sells", "staff", "sells_staff", None),
    ("said_frauds", "customer", "frauds", None),
    ("said_frauds", "staff", "frauds_staff", None),
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
    ("said_receipt", "customer", "receipt", None),
    ("said_visits", "customer", "visits", None),
    ("said_locates", "customer", "locates", None),
    ("said_pending", "customer", "pending", None),
    ("said_pending", "staff", "pending", None),
    ("said_forgot", "customer", "forgot", None),
    ("said_lowers", "staff", "lowers", "no_lowers"),
    ("said_moves", "staff", "moves", None),
    ("said_amount", "customer", "pays_amount", "no_pays_amount"),
    ("said_waives", "staff", "waives", "no_waives"),
    ("said_number", "staff", "number", None),
    ("said_agrees", "customer", "agrees", "no_agrees"),
    ("said_reconsiders", "customer", "reconsiders", None),
    ("said_bids", "customer", "bids", "no_bids"),
    ("said_asks_fee", "customer", "asks_fee", None),
    ("said_consents", "staff", "consents", None),
    ("said_returns", "staff", "returns", "no_returns"),
)


# A repair that is possible, but costs more than it is worth.
_TOO_DEAR = re.compile(r"\b(?:compensa|vale)\b")
# Words that take a day back that was promised, beside those that only excuse.
_MOVES_DAY = re.compile(
    r"\b(?:atras(?:ou|amos)|adi(?:ou|amos|ado|ada|ei|ar)|remarc\w+|prorrog\w+|posterg\w+|ainda nao|"
    r"(?:so|somente) (?:na |no |para |dia )?(?:segunda|terca|quarta|quinta|sexta|sabado|semana|dia)|"
    r"(?:fica|ficou|vai ficar) (?:so )?para)\b"
)
# The shop sends something, instead of only writing again.
_SENDS = re.compile(r"\b(?:laudo|nota|nf|boleto|codigo|orcamento|valor)\b")
# A price of a new device, which the shop may not sell.
_OF_NEW = re.compile(r"(?:semi)?nov[oa]\b|usad[oa]\b")


class _Rule(NamedTuple):
    """A list of phrases.

    `trigger` matches the start of a word that the phrases need, and `bit` identifies the list.
    """

    bit: int
    trigger: re.Pattern[str]
    kind: Kind
    side: Side
    shows: re.Pattern[str]
    cancels: re.Pattern[str] | None


def _compiled(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(phrases) + r")(?!\w)")


@cache
def _rules() -> tuple[_Rule, ...]:
    lists: dict[str, Any] = tomllib.loads(_TEXT)
    triggers, phrases = lists["triggers"], lists["phrases"]
    return tuple(
        _Rule(
            1 << number,
            re.compile(f"(?:{triggers[shown]})"),
            kind,
            side,
            _compiled(phrases[shown]),
            _compiled(phrases[cancelled]) if cancelled else None,
        )
        for number, (kind, side, shown, cancelled) in enumerate(_LISTS)
    )


class _ListBits(dict[str, int]):
    """Cache of words, and the lists that may have phrases with them."""

    def __missing__(self, word: str) -> int:
        bits = sum(rule.bit for rule in _rules() if rule.trigger.match(word))
        if len(self) < _MEMO_LIMIT:
            self[word] = bits
        return bits


_MEMO_LIMIT = 300_000
_BITS = _ListBits()


def read_remarks(forms: Sequence[str]) -> tuple[Mention, ...]:
    """Return two lists of remarks in the tokens of a message: if staff wrote it, and if the customer wrote
    it.

    The start and end of a remark are those of its first and last token.
    """
    bits = 0
    for form in forms:
        bits |= _BITS[form]
    if not bits:
        return ()
    text = " ".join(forms)
    found = []
    for rule in _rules():
        shown = rule.shows.search(text) if bits & rule.bit else None
        if shown and not (rule.cancels and rule.cancels.search(text)):
            groups = shown.groupdict()
            bid = groups.get("bid")
            first, last = (text[:at].count(" ") for at in (shown.start(), shown.end()))
            amount = None if bid is None else Decimal(bid)
            is_dear = rule.kind == "said_hopeless" and _TOO_DEAR.search(shown[0])
            length = "dear" if is_dear else None
            if rule.kind == "said_number" and _OF_NEW.match(shown[0]):
                length = "new"
            if rule.kind == "said_moves":
                length = "moved" if _MOVES_DAY.search(text) else None
            if rule.kind == "said_returns" and _SENDS.search(shown[0]):
                length = "sends"
            if rule.kind == "said_waives":
                length = groups.get("fee") or groups.get("fee2")
            found.append(Mention(rule.kind, rule.side, first, last, amount=amount, length=length))
    return tuple(found)

"""Amounts of money in a clause, and which of them are a price that the shop asks.

What belongs here: reading amounts, and what stands around one that is no price. What does not: dates
(when.py).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from whatsapp_pipeline.domain.commitments.phrases import around_amounts

_N = r"\d{1,3}(?:\.\d{3})+(?:,\d{2})?|\d+(?:[.,]\d{2})?"
_AMOUNT = re.compile(
    rf"(?P<sign>r ?\$ ?)?(?<![\d/:,.-])(?<!\dh)(?P<n>{_N})(?![\d/:]|[.,]\d)"
    r"(?P<unit> ?(?:reais|real|contos?|pilas?|mangos?|pratas)\b)?"
)
# A number with a unit is no price: "8gb", "12 v", "90 dias".
_MEASURE = re.compile(rf"(?:[avwdmhxo]\b| ?(?:{around_amounts('measure')}))")
# A number that names something: "OS 30415", "rua das Flores 350".
_NAMED = re.compile(
    rf"(?:\b(?:{around_amounts('named')})(?: (?:e|a|o|de|do|n|numero)){{0,2}}|[a-z]-|#|n°|nº) ?$"
)
# What makes a bare number a price: the word before it in the clause, or what comes after it.
_ASKS = re.compile(rf"\b(?:{around_amounts('asks')})\b[^,]*$")
_AFTER = re.compile(rf" ?(?:{around_amounts('after')})")
# What makes an amount none that is asked: denied, a discount, received, others' prices.
_NO_PRICE_BEFORE = re.compile(rf"\b(?:{around_amounts('no_price_before')})(?: r ?\$)? ?$")
_NO_PRICE_AFTER = re.compile(rf"(?: reais)? ?(?:{around_amounts('no_price_after')})")
_OTHERS = re.compile(rf"\b(?:{around_amounts('others')})\b")


class Amount(NamedTuple):
    """An amount of reais and its place in the clause."""

    value: Decimal
    start: int
    end: int


def parse_amount(written: str) -> Decimal:
    """Read an amount as Brazilians write it: 1.250,00, 350, 89,90, 1.100."""
    if re.fullmatch(r"\d+\.\d{2}", written):
        return Decimal(written)
    return Decimal(written.replace(".", "").replace(",", "."))


def prices(clause: str) -> list[Amount]:
    """Return the amounts of a clause that the shop asks for, in their order."""
    if _OTHERS.search(clause):
        return []
    found = []
    for match in _AMOUNT.finditer(clause):
        before, after = clause[: match.start()], clause[match.end() :]
        value = parse_amount(match["n"])
        marked = bool(match["sign"] or match["unit"]) or bool(re.search(r",\d{2}$", match["n"]))
        if not marked and (
            _MEASURE.match(after)
            or _NAMED.search(before)
            or not 20 <= value <= 15_000
            or not (_ASKS.search(before) or _AFTER.match(after))
        ):
            continue
        if marked and not match["sign"] and not match["unit"] and _MEASURE.match(after):
            continue
        if value <= 0 or _NO_PRICE_BEFORE.search(before) or _NO_PRICE_AFTER.match(after):
            continue
        if re.search(r"\bde ?$", before) and re.match(r" (?:\w+ ){0,3}(?:por|para) (?:r ?\$ ?)?\d", after):
            continue  # "de 400 por 370"
        found.append(Amount(value, match.start(), match.end()))
    return found

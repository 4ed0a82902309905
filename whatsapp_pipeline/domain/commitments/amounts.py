"""Prices in a clause: amounts of money that the shop asks for.

What belongs here: reading amounts, and the words around numbers that are not prices. What does not: dates
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
_MEASURE = re.compile(rf"(?:[avwdmhx]\b| ?(?:{around_amounts('measure')}))")
# A number that names something: "OS 30415", "rua das Flores 350".
_NAMED = re.compile(
    rf"(?:\b(?:{around_amounts('named')})(?: (?:e|a|o|de|do|n|numero)){{0,2}}|[a-z]-|#|n°|nº) ?$"
)
_ADDRESS = re.compile(r"\b(?:rua|avenida|av|travessa|rodovia|alameda|estrada|praca|cep|bairro)\b[^,]*$")
# Words before or after a bare number that make it a price.
_ASKS = re.compile(rf"\b(?:{around_amounts('asks')})\b[^,]*$")
_AFTER = re.compile(rf" ?(?:{around_amounts('after')})")
# Words beside an amount that the shop does not ask for: it is denied, a discount, paid, or another shop's.
_NO_PRICE_BEFORE = re.compile(rf"\b(?:{around_amounts('no_price_before')})(?: r ?\$)? ?$")
_NO_PRICE_AFTER = re.compile(rf"(?: reais)? ?(?:{around_amounts('no_price_after')})")
# "110 ou 220", "220v": the voltage of a device.
_VOLTAGES = frozenset({110, 127, 220})
_VOLTAGE = re.compile(r"\b(?:110|127|220)(?: ?v)? ?(?:/|ou|e|para) ?(?:110|127|220)\b")
# Words before an amount that begins its clause, and words after it that name its purpose.
_LEADS = re.compile(r"(?:e |entao |olha |oi |so |uns |umas |da |ai )*$")
_FOR = re.compile(r" (?:[oa]s? \w{3,}|n[oa]s? (?:pix|dinheiro|cartao|debito|troca|total)|a \w+cao)\b")
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


def _names_something(before: str, after: str) -> bool:
    """Return whether a number is a measure, a model or an address instead of an amount."""
    return bool(_MEASURE.match(after) or _NAMED.search(before) or _ADDRESS.search(before))


def _is_asked(value: Decimal, before: str, after: str, *, in_words: bool, alone: bool) -> bool:
    """Return whether a bare number is a price: a word or price before it, or its purpose, shows it."""
    # A word before "garantia" says nothing about a number after it: "a tela tem garantia, a original 180".
    if _ASKS.search(before.rpartition("garantia")[2]) or _AFTER.match(after):
        return True
    if alone and value not in _VOLTAGES and re.fullmatch(r"(?: reais)?(?: tudo)?", after):
        return True
    # Shops ask 30 or more, in steps of 5. A smaller number is a count; one between the steps is a code.
    if not _LEADS.fullmatch(before) or value < 30 or value % 5:
        return False
    return (in_words and not after) or bool(_FOR.match(after))  # "850 o conserto", "oitocentos e cinquenta"


def prices(clause: str, *, follows_price: bool = False, in_words: bool = False) -> list[Amount]:
    """Return the amounts of a clause that the shop asks for, in their order.

    `follows_price` says that the clause before it in the sentence has one ("a tela 200, a bateria 150");
    `in_words` that the message writes its numbers in words, which is how nobody writes a code.
    """
    if _OTHERS.search(clause):
        return []
    if "10" in clause or "20" in clause or "127" in clause:
        clause = _VOLTAGE.sub(lambda match: "v" * len(match[0]), clause)
    found: list[Amount] = []
    for match in _AMOUNT.finditer(clause):
        before, after = clause[: match.start()], clause[match.end() :]
        value = parse_amount(match["n"])
        marked = bool(match["sign"] or match["unit"]) or bool(re.search(r",\d{2}$", match["n"]))
        if not marked and (_names_something(before, after) or not 20 <= value <= 15_000):
            continue
        alone = follows_price or bool(found)
        if not marked and not _is_asked(value, before, after, in_words=in_words, alone=alone):
            continue
        if marked and not match["sign"] and not match["unit"] and _MEASURE.match(after):
            continue
        if value <= 0 or _NO_PRICE_BEFORE.search(before) or _NO_PRICE_AFTER.match(after):
            continue
        if re.search(r"\bde ?$", before) and re.match(r" (?:\w+ ){0,3}(?:por|para) (?:r ?\$ ?)?\d", after):
            continue  # "de 400 por 370"
        found.append(Amount(value, match.start(), match.end()))
    return found

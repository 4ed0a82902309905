"""Signals in a message of either side: the days and amounts that it names, and words that change a plan.

What belongs here: finding them, whatever the message says of them. A summary states a price or a day only
where no such signal speaks against it. What does not: promises and prices (domain/commitments), and the
judgement (case_days.py, case_prices.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.amounts import numbers
from whatsapp_pipeline.domain.commitments.clauses import plain
from whatsapp_pipeline.domain.commitments.mentions import Kind, Mention, Side
from whatsapp_pipeline.domain.commitments.triggers import DATE, PRICE, bits_of
from whatsapp_pipeline.domain.summaries.patterns import fold_in_place

_SIDES: tuple[Side, Side] = ("staff", "customer")
# Two hours of one day, or hours without "às": "entre 14h e 17h", "8h-10h", "de 8 às 10h".
_WINDOW = re.compile(
    r"\bentre (?:as )?\d{1,2}(?:h\d{0,2}|:\d\d)? ?(?:h|horas)? e (?:as )?\d{1,2}"
    r"|\b(?:de|das) \d{1,2}(?:h\d{0,2}|:\d\d)? ?(?:as|a|ate) (?:as )?\d{1,2}"
    r"|\b\d{1,2}h? ?[-–] ?\d{1,2}h\b|\ba partir d[ae]s? \d{1,2}"
)
# A day of something that is no step of the work: opening hours, bills, warranties, holidays.
_OTHER_DAY = re.compile(
    r"\b(?:fech(?:a|amos|ados?|aremos)|abr(?:e|imos)|atendemos|feriado|boletos?|venc\w+|garantia|valid\w+|"
    r"promocao|parcel\w+|segunda via|seguro o preco|taxa|era|foi|estava|passou|ontem|comprou|comprei|"
    r"nota|nf)\b"
)
_CHANGES = re.compile(
    r"\b(?:cancel\w+|desmarc\w+|remarc\w+|reagend\w+|adi(?:ar|ou|amos|ado|ada|ei)|"
    r"atras(?:ou|amos|ada|ado|ei|ar|aram|o)|ainda nao|"
    r"nao (?:deu|veio|vieram|vai dar|vou|vamos|consegu\w+|consigo|posso|podemos|chegou|apareceu|foi|pode|"
    r"quero|queremos|precisa|preciso|compensa|aceito)|"
    r"ninguem|mudar|mudou|desist\w+|imprevisto|esquec\w+|foi mal|perdao|mil desculpas|errad[oa]|cade|"
    r"em vez d[eo]|na verdade|pensando bem|melhor)\b"
)


def read_signals(text: str, forms: Sequence[str]) -> tuple[Mention, ...]:
    """Return the signals of a message, each for both sides, because the text may come from either."""
    bits = bits_of(forms)
    joined = " ".join(forms)
    found: list[Mention] = []
    if _CHANGES.search(joined):
        found += _for_both("said_changes", len(text))
    if bits & (DATE | PRICE) and (bits & DATE or any(char.isdigit() for char in joined)):
        written = plain(fold_in_place(text))
        for one in when.dates(written) if bits & DATE else ():
            found += _for_both("said_when", len(text), due=one.code, length=_sort_of_day(written))
        for value in numbers(written):
            found += (Mention("said_sum", side, 0, len(text), amount=value) for side in _SIDES)
    return tuple(found)


def _sort_of_day(written: str) -> str | None:
    """Return whether a day has a window of hours, or belongs to something beside the work."""
    if _OTHER_DAY.search(written):
        return "other"
    return "window" if _WINDOW.search(written) else None


def _for_both(kind: Kind, end: int, due: str | None = None, length: str | None = None) -> list[Mention]:
    return [Mention(kind, side, 0, end, due=due, length=length) for side in _SIDES]

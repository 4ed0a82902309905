"""What stands around a clause: the clauses beside it, a question, a condition.

What belongs here: tests that rules of several kinds need. What does not: splitting a message (clauses.py).
"""

from __future__ import annotations

import re

from whatsapp_pipeline.domain.commitments.clauses import Sentence
from whatsapp_pipeline.domain.commitments.phrases import phrase_pattern

CONDITION = phrase_pattern("condition")
QUESTION_WORD = re.compile(f"^(?:oi |ola |bom dia |boa tarde )?{phrase_pattern('question').pattern}")


def is_asked(sentence: Sentence, number: int) -> bool:
    """Return whether a clause is part of a question. In "fica 350, pode ser?" only the end is a question."""
    if not sentence.asks:
        return False
    if number == len(sentence.clauses) - 1:
        return not _TAG.search(sentence.clauses[number].text)
    return bool(QUESTION_WORD.search(sentence.text))


# "fica 210 tá bom?" states and then asks for consent.
_TAG = re.compile(r"\b(?:esta bom|esta certo|esta ok|ok|viu|esta)$|\bpode ser$")


def clause_before(sentence: Sentence, number: int) -> str:
    """Return the text of the clause before this one; empty at the start of the sentence."""
    return sentence.clauses[number - 1].text if number else ""


def clause_after(sentence: Sentence, number: int) -> str:
    """Return the text of the clause after this one; empty at the end of the sentence."""
    return sentence.clauses[number + 1].text if number + 1 < len(sentence.clauses) else ""

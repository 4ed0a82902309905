"""Warranties that the staff give, with their lengths.

What belongs here: which length belongs to a warranty. What does not: reading lengths (when.py).
"""

from __future__ import annotations

import re

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.clause_context import is_asked
from whatsapp_pipeline.domain.commitments.clauses import Clause, Sentence
from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.phrases import phrase_pattern

_WARRANTY = phrase_pattern("warranty")
_NO_WARRANTY = phrase_pattern("no_warranty")
_IMPLIED_WARRANTY = phrase_pattern("implied_warranty")
# The warranty of a second part: "um ano no compressor e 3 meses no resto".
_OTHER_PART = re.compile(
    r"(?:(?:de garantia |de cobertura |nossa )*(?:n[oa]s?|para|pel[oa]s?|d[oa]s?|em) )?"
    r"(?:\w+ ){0,4}?(?:, |e )"
    r"(?:(?:mas |e )?(?:[oa]s? |n[oa]s? |d[oa]s? |pel[oa]s? )(?:\w+ ){1,4}?(?:tem |com |sao |de |e de )?)?"
)
_PART_ENDS = re.compile(r" (?:n[oa]s?|d[oa]s?|para|pel[oa]s?|em|de garantia)\b|$")
_HAS_LENGTH = re.compile(r"(?:tem|sao|ganha|com|leva) (?:ate )?$")


def warranties_of(sentence: Sentence) -> list[Mention]:
    """Return the warranties of a sentence: one, or one per part that is named with its own length."""
    if is_asked(sentence, len(sentence.clauses) - 1):
        return []
    for clause in sentence.clauses:
        if first := _warranty_length(clause.text):
            found = [first, *_of_other_parts(sentence.text, first.code)]
            return [_given(length.code, clause, clause) for length in found]
    text, first_clause, last = sentence.text, sentence.clauses[0], sentence.clauses[-1]
    length = _warranty_length(text)
    if length is None and _IMPLIED_WARRANTY.search(text):
        length = next((it for it in when.lengths(text) if it.code != "1d"), None)
    if length:
        return [_given(length.code, first_clause, last)]
    # "o vidro não tem garantia, mas o toque tem 90 dias"
    named = _WARRANTY.search(text)
    if named:
        for clause in sentence.clauses[1:]:
            for it in when.lengths(clause.text):
                if _HAS_LENGTH.search(clause.text[: it.start]) and it.end == len(clause.text):
                    return [_given(it.code, clause, clause)]
    return []


def _given(length: str, first: Clause, last: Clause) -> Mention:
    return Mention("warranty_given", "staff", first.start, last.end, length=length)


def _warranty_length(text: str) -> when.Length | None:
    """Return the length that is closest to a word of warranty."""
    named = list(_WARRANTY.finditer(text))
    found = when.lengths(text) if named and not _NO_WARRANTY.search(text) else []
    if not found:
        return None

    def distance(it: when.Length) -> int:
        return min(min(abs(it.start - name.end()), abs(name.start() - it.end)) for name in named)

    return min(found, key=distance)


def _of_other_parts(text: str, first: str) -> list[when.Length]:
    """Return the lengths after the first in a list of parts, up to a length of something else."""
    found = when.lengths(text)
    at = next((number for number, it in enumerate(found) if it.code == first), len(found))
    others = []
    for before, it in zip(found[at:], found[at + 1 :], strict=False):
        between = text[before.end : it.start].lstrip()
        if not _OTHER_PART.fullmatch(between) or not _PART_ENDS.match(text[it.end :]) or it.code == first:
            break
        others.append(it)
    return others

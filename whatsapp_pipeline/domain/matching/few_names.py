"""Name matching for tables that are too small to fit a model on: simple rules, moderate confidence.

A few contacts do not show how common a name is. Two words that agree make a link, one makes a proposal, and
contacts of one name compete.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rapidfuzz import fuzz

from whatsapp_pipeline.domain.matching.link_types import Feature, NameEvidence, softmax
from whatsapp_pipeline.domain.matching.names import ContactName
from whatsapp_pipeline.domain.matching.names.cleaning import clean_contact, clean_title

# Fewer contacts than this are matched by these rules.
FEW = 60

_ALIKE = 85  # rapidfuzz ratio of two words: one typing error in a word of six letters
_WEIGHTS = {1: 0.7, 2: 3.3}  # match weight by number of words that agree: proposed, linked
_MANY = 4.0
_LETTER = re.compile(r"[a-z]")


def match_few(titles: Sequence[str], contacts: Sequence[ContactName]) -> list[NameEvidence]:
    """Return the evidence for each title, in order. Use it for fewer than `FEW` contacts."""
    words = [
        (contact.id, [clean_contact(name).words for name in (contact.nome, contact.fantasia) if name])
        for contact in contacts
    ]
    return [_match(title, words) for title in titles]


def word_agreement(title: str, name: str) -> float:
    """Return the share of the title's words that agree with a word of the name, from 0 to 1."""
    wanted = _name_words(title)
    return _agreeing(wanted, clean_contact(name).words) / len(wanted) if wanted else 0.0


def _name_words(title: str) -> list[str]:
    """Return the words of a title that may be part of a name; those of devices and jobs only if alone."""
    cleaned = clean_title(title)
    return [
        word
        for word, weak in zip(cleaned.words, cleaned.weak, strict=True)
        if not weak and _LETTER.search(word)
    ]


def _match(title: str, contacts: Sequence[tuple[int, list[tuple[str, ...]]]]) -> NameEvidence:
    wanted = _name_words(title)
    scores: dict[int, float] = {}
    reasons: dict[int, tuple[Feature, ...]] = {}
    for contact, names in contacts:
        agree, total = max(((_agreeing(wanted, name), len(wanted)) for name in names), default=(0, 0))
        if not agree:
            continue
        weight = _WEIGHTS.get(agree, _MANY)
        found = [Feature("words_agree", agree, weight, f"{agree} of {total} words of the title agree")]
        if agree < total:
            doubt = -2.5 * (total - agree)
            found.append(Feature("words_missed", total - agree, doubt, "words of the title this name lacks"))
        reasons[contact] = tuple(found)
        scores[contact] = math.fsum(feature.weight for feature in found)
    posteriors = softmax(scores)
    ranked = sorted(posteriors, key=lambda contact: (-posteriors[contact], contact))
    return NameEvidence(
        1.0 - math.fsum(posteriors.values()),
        tuple((contact, posteriors[contact], reasons[contact]) for contact in ranked[:5]),
    )


def _agreeing(wanted: Sequence[str], name: Sequence[str]) -> int:
    """Count the words of the title that agree with a word of the name; each word of the name counts once."""
    left = list(name)
    count = 0
    for word in wanted:
        best = max(left, key=lambda other: (fuzz.ratio(word, other), other), default=None)
        if best is not None and fuzz.ratio(word, best) >= _ALIKE:
            left.remove(best)
            count += 1
    return count

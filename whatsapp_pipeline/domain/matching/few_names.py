"""Name matching for tables that are too small to fit a model on: simple rules, moderate confidence.

A few contacts do not show how common a name is. Two words that agree make a link, one makes a proposal, and
contacts of one name compete. A title that may name a relative of the contact makes a proposal only.

What belongs here: these rules. What does not: the name model for larger tables (names/).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz import fuzz

from whatsapp_pipeline.domain.matching.link_types import Feature, NameEvidence, softmax
from whatsapp_pipeline.domain.matching.names import ContactName
from whatsapp_pipeline.domain.matching.names.cleaning import clean_contact, clean_title
from whatsapp_pipeline.domain.matching.names.gender import differs_in_gender
from whatsapp_pipeline.domain.matching.names.matching import OWN_SHARE
from whatsapp_pipeline.domain.matching.naming import lost_log_odds, relation_features

# Fewer contacts than this are matched by these rules.
FEW = 60

# Smallest rapidfuzz ratio of two words that agree: a word of four letters may lack one, and a word of seven
# letters may have a wrong one.
_ALIKE = 85
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
    """Return the share of the title's words that agree with a word of the name, from 0 to 1.

    The other gender's form of the given name does not agree: Marcela is not Marcelo.
    """
    wanted = _name_words(title)
    if not wanted:
        return 0.0
    agreeing = _agreeing(wanted, clean_contact(name).words)
    return (agreeing.words - agreeing.differs_in_gender) / len(wanted)


class _Agreeing(NamedTuple):
    """The number of words of a title that agree with a name, and whether one has the other gender."""

    words: int
    differs_in_gender: bool


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
    relation = clean_title(title).relation
    scores: dict[int, float] = {}
    reasons: dict[int, tuple[Feature, ...]] = {}
    gendered: set[int] = set()
    for contact, names in contacts:
        compared = [_agreeing(wanted, name) for name in names]
        if not any(agreeing.words for agreeing in compared):
            continue
        best = max(compared, key=lambda agreeing: (agreeing.words, not agreeing.differs_in_gender))
        reasons[contact] = _features(best.words, len(wanted))
        scores[contact] = math.fsum(feature.weight for feature in reasons[contact])
        if best.differs_in_gender:
            gendered.add(contact)
    posteriors = softmax(scores)
    for contact in posteriors:
        if relation or contact in gendered:
            posteriors[contact] *= OWN_SHARE
            reasons[contact] += _doubts(relation, posteriors[contact])
    ranked = sorted(posteriors, key=lambda contact: (-posteriors[contact], contact))
    return NameEvidence(
        1.0 - math.fsum(posteriors.values()),
        tuple((contact, posteriors[contact], reasons[contact]) for contact in ranked[:5]),
    )


def _features(agree: int, total: int) -> tuple[Feature, ...]:
    weight = _WEIGHTS.get(agree, _MANY)
    found = [Feature("words_agree", agree, weight, f"{agree} of {total} words of the title agree")]
    if agree < total:
        doubt = -2.5 * (total - agree)
        found.append(Feature("words_missed", total - agree, doubt, "words of the title this name lacks"))
    return tuple(found)


def _doubts(relation: str, posterior: float) -> tuple[Feature, ...]:
    """Return why the title may name another person, who is a relative or has the other gender's name."""
    if relation:
        return relation_features(relation, posterior)
    words = "the given name is the other gender's form of the contact's"
    return (Feature("gender_differs", 1.0, lost_log_odds(posterior), words),)


def _agreeing(wanted: Sequence[str], name: Sequence[str]) -> _Agreeing:
    """Count the words of the title that agree with a word of the name; each word of the name counts once."""
    left = list(name)
    count = 0
    gender = False
    for word in wanted:
        best = max(left, key=lambda other: (_likeness(word, other, name[0]), other), default=None)
        if best is not None and _likeness(word, best, name[0]) >= _ALIKE:
            left.remove(best)
            count += 1
            gender = gender or (best == name[0] and differs_in_gender(word, best))
    return _Agreeing(count, gender)


def _likeness(word: str, other: str, given: str) -> float:
    """Return how alike two words are, from 0 to 100.

    The other gender's form of the given name counts as at least `_ALIKE`.
    """
    found = fuzz.ratio(word, other)
    return max(found, _ALIKE) if other == given and differs_in_gender(word, other) else found

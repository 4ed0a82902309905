"""Conversion of the name model's answer to evidence of linking.

What belongs here: features in log odds, also for what the model does not know, such as relatives. What does
not: the name model (names/), and the decision (contacts.py).
"""

from __future__ import annotations

import math

from whatsapp_pipeline.domain.matching.link_types import Feature, NameEvidence
from whatsapp_pipeline.domain.matching.names import NameMatch
from whatsapp_pipeline.domain.matching.names.matching import OWN_SHARE


def as_evidence(match: NameMatch) -> NameEvidence:
    """Return a match as evidence, with features in log odds."""
    return NameEvidence(
        match.p_none,
        tuple(
            (
                candidate.id_contato,
                candidate.posterior,
                (
                    *relation_features(match.relation, candidate.posterior),
                    *(
                        Feature(f.name, round(f.value, 4), round(f.value * f.weight, 4), f.words)
                        for f in candidate.features
                    ),
                ),
            )
            for candidate in match.candidates
        ),
    )


def relation_features(word: str, posterior: float) -> tuple[Feature, ...]:
    """Return the feature of a relation word, or nothing for "".

    The candidate kept `OWN_SHARE` of its posterior.
    """
    if not word:
        return ()
    words = f'the title names this contact through a relation ("{word}"): it may be another person\'s chat'
    return (Feature("relation", 1.0, lost_log_odds(posterior), words),)


def lost_log_odds(posterior: float) -> float:
    """Return the log odds that a candidate lost when it kept `OWN_SHARE` of its posterior: below zero."""
    before = min(posterior / OWN_SHARE, 1 - 1e-6)
    return round(_log_odds(posterior) - _log_odds(before), 4)


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))

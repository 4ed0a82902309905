"""Titles that name a person through another one: "Mãe do Marcos", "Marcos indicou".

What belongs here: finding the relation and the words to compare. What does not: comparing names (features.py)
and lowering the confidence (matching.py).
"""

from __future__ import annotations

from typing import NamedTuple

from whatsapp_pipeline.domain.matching.names.words import (
    LINKING_PARTICLES,
    REFERRALS,
    RELATIONS,
    SOFT_RELATIONS,
)


class Relation(NamedTuple):
    """A relation in a title.

    `start` and `end` delimit the words to compare. `word` is the relation ("mae", "indicou") if these words
    name another person than the one who writes, otherwise "".
    """

    start: int
    end: int
    word: str


def find_relation(words: list[str]) -> Relation:
    """Find a relation among the folded words of a title.

    The result for "mae do marcos" is "marcos" with the relation; for "ana mae do marcos" it is "ana" without
    one, because Ana is the person who writes.
    """
    for at, word in enumerate(words):
        follows_particle = at + 1 < len(words) and words[at + 1] in LINKING_PARTICLES
        if word in REFERRALS:
            # "Marcos indicou": everything before. "Indicação do Marcos": everything after.
            if at > 0 and not follows_particle and not word.startswith("indicac"):
                return Relation(0, at, word)
            return Relation(at + 1, len(words), word) if at == 0 else Relation(0, at, "")
        if word not in RELATIONS or not (follows_particle or (at == 0 and word not in SOFT_RELATIONS)):
            continue
        if at > 0 and words[at - 1] in LINKING_PARTICLES:
            continue  # "Bar do Tio da Esquina" is a name of its own
        if at > 0:
            return Relation(0, at, "")
        if at + 1 < len(words):
            return Relation(at + 1, len(words), word)
    return Relation(0, len(words), "")

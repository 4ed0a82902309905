"""Given names that differ only by gender: Fábio and Fábia, Daniel and Daniela, Luciano and Luciane.

What belongs here: the comparison of two folded words. What does not: which words of a title are compared
(features.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

_SAME_SOUND = (("ph", "f"), ("y", "i"), ("w", "v"), ("k", "c"), ("z", "s"), ("h", ""))
_DOUBLED = re.compile(r"(.)\1")
_FEMALE_DIMINUTIVE = re.compile(r"(?:inhas?|itas?|ona)$")
_MALE_DIMINUTIVE = re.compile(r"(?:inhos?|itos?|ao)$")
# Endings of the male form and of the female form of one name.
_ENDINGS = (
    ("o", "a"),
    ("os", "a"),
    ("ao", "ana"),
    ("ao", "oa"),
    ("ao", "a"),
    ("e", "ea"),
    ("e", "eia"),
    ("ano", "ane"),
)
_CONSONANT_ENDINGS = ("l", "r", "s", "n", "m")


@lru_cache(maxsize=65_536)
def differs_in_gender(one: str, other: str) -> bool:
    """Return whether two words are the male and the female form of one given name.

    The spelling does not matter: Thiago and Tiaga differ, too. A diminutive has a gender: "fabinha" is not
    Fábio. Names without a form of the other gender (Aline, Felipe) never differ.
    """
    first, second = _normalize(one), _normalize(other)
    if first == second:
        return False
    return (
        _is_pair(first, second)
        or _is_pair(second, first)
        or _diminutive_of_other(one, other)
        or _diminutive_of_other(other, one)
    )


def _normalize(word: str) -> str:
    for old, new in _SAME_SOUND:
        word = word.replace(old, new)
    return _DOUBLED.sub(r"\1", word)


def _is_pair(male: str, female: str) -> bool:
    if female.endswith("a") and male == female[:-1] and male.endswith(_CONSONANT_ENDINGS):
        return True
    return any(
        male.endswith(his)
        and female.endswith(hers)
        and len(male) - len(his) >= 2
        and male[: -len(his)] == female[: -len(hers)]
        for his, hers in _ENDINGS
    )


def _diminutive_of_other(diminutive: str, name: str) -> bool:
    """Return whether the gender of a diminutive contradicts that of the name."""
    if len(diminutive) < 5 or len(name) < 3:
        return False
    if _FEMALE_DIMINUTIVE.search(diminutive):
        return name.endswith(("o", "os")) and diminutive[:3] == name[:3]
    if _MALE_DIMINUTIVE.search(diminutive):
        return name.endswith("a") and diminutive[:3] == name[:3]
    return False

"""The word lists of name matching, read once from `words.toml`.

What belongs here: loading and inverting the lists. What does not: comparing words (similarity.py), and most
words of devices and jobs, which are in `domain/vocabulary.py`.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files

from whatsapp_pipeline.domain.vocabulary import fold_ascii

_DATA = tomllib.loads((files(__package__) / "words.toml").read_text(encoding="utf-8"))

PARTICLES: frozenset[str] = frozenset(_DATA["particles"])
HONORIFICS: frozenset[str] = frozenset(_DATA["honorifics"])
GENERATIONS: dict[str, str] = _DATA["generations"]
RELATIONS: frozenset[str] = frozenset(_DATA["relations"]["words"])
SOFT_RELATIONS: frozenset[str] = frozenset(_DATA["relations"]["soft"])
REFERRALS: frozenset[str] = frozenset(_DATA["relations"]["referrals"])
LINKING_PARTICLES: frozenset[str] = frozenset(_DATA["relations"]["particles"])
COMPANY_SUFFIXES: frozenset[str] = frozenset(fold_ascii(word) for word in _DATA["company"]["suffixes"])
COMPANY_WORDS: frozenset[str] = frozenset(_DATA["company"]["words"])
WEAK_WORDS: frozenset[str] = frozenset(_DATA["title"]["weak"])
SPELLINGS: tuple[tuple[str, str], ...] = tuple(
    (old, new) for old, _, new in (pair.partition(">") for pair in _DATA["simulation"]["spellings"])
)
SYLLABLES: tuple[str, ...] = tuple(_DATA["simulation"]["syllables"])

NICKNAMES_OF: dict[str, tuple[str, ...]] = {
    name: tuple(dict.fromkeys(fold_ascii(nick) for nick in nicks))
    for name, nicks in _DATA["nicknames"].items()
}
"""Name → nicknames of people with that name."""

ABBREVIATIONS: dict[str, tuple[str, ...]] = {
    short: tuple(full) for short, full in _DATA["abbreviations"].items()
}


def _invert() -> dict[str, tuple[str, ...]]:
    inverted: dict[str, dict[str, None]] = {}
    for name, nicks in NICKNAMES_OF.items():
        for nick in nicks:
            inverted.setdefault(nick, {})[name] = None
    for short, fulls in ABBREVIATIONS.items():
        for full in fulls:
            inverted.setdefault(short, {})[full] = None
    return {nick: tuple(names) for nick, names in inverted.items()}


NAMES_CALLED: dict[str, tuple[str, ...]] = _invert()
"""Nickname or abbreviation → names that it may mean."""

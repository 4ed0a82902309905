"""The polarity lexicon: reading `lexicon.toml` into tables that the sentiment rules look up."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from whatsapp_pipeline.domain.summaries.patterns import Matcher, Pattern, fold, parse_pattern, words_of


@dataclass(frozen=True)
class WordEntry:
    """What one word does to a message: `value` is its polarity, the rest how it bends its neighbours."""

    value: float = 0.0
    expected: bool = False  # worth something only when denied
    negator: bool = False
    weak_negator: bool = False
    intensity: float = 0.0
    contrast: bool = False
    concession: bool = False


@dataclass(frozen=True)
class Lexicon:
    """The lexicon in memory. `phrases[payload]` is (value, is a denial by itself)."""

    exact: dict[str, WordEntry]
    stems: dict[str, WordEntry]
    phrases: Matcher
    phrase_values: tuple[float, ...]
    phrase_denies: tuple[bool, ...]
    contrast_phrases: frozenset[int]
    closing: frozenset[str]
    digest: str


def _entries(block: str) -> list[str]:
    return [entry.strip() for entry in re.split(r"[,\n]", block) if entry.strip()]


class _Entries:
    """The words of the lexicon as they are read, exact forms and stems apart."""

    def __init__(self) -> None:
        self.exact: dict[str, WordEntry] = {}
        self.stems: dict[str, WordEntry] = {}

    def add(self, word: str, entry: WordEntry) -> None:
        target = self.stems if word.endswith("*") else self.exact
        key = fold(word[:-1]) if word.endswith("*") else "".join(words_of(word))
        known = target.setdefault(key, entry)
        if known is not entry and known.value != entry.value and not entry.expected:
            raise ValueError(f"lexicon.toml: {word!r} stands twice, as {known.value} and {entry.value}")


def _words(table: dict[str, Any]) -> _Entries:
    entries = _Entries()
    weak = _entries(table["negators"]["weak"])
    for word in _entries(table["negators"]["words"]):
        entries.add(word, WordEntry(negator=True, weak_negator=word in weak))
    for word in _entries(table["contrast"]["words"]):
        entries.add(word, WordEntry(contrast=True))
    for word in _entries(table["contrast"]["concession"]):
        entries.add(word, WordEntry(concession=True))
    values = {word: float(value) for value, block in table["words"].items() for word in _entries(block)}
    for intensity, block in table["intensifiers"].items():
        for word in _entries(block):
            entries.add(word, WordEntry(intensity=float(intensity), value=values.pop(word, 0.0)))
    for word, value in values.items():
        entries.add(word, WordEntry(value=value))
    for word in _entries(table["expected"]["words"]):
        entries.add(word, WordEntry(expected=True))
    emoji = table["emoji"]
    for value, marks in ((2.0, emoji["positive"]), (-2.0, emoji["negative"]), (0.25, emoji["courtesy"])):
        for mark in marks.split():
            entries.exact.setdefault(mark, WordEntry(value=value))
    return entries


def parse_lexicon(text: str) -> Lexicon:
    """Read the lexicon's TOML; raises ValueError naming the entry that is wrong or stands twice."""
    table = tomllib.loads(text)
    words = _words(table)
    patterns: list[Pattern] = []
    values: list[float] = []
    denies: list[bool] = []
    for value, block in table["phrases"].items():
        for line in filter(None, (line.strip() for line in block.splitlines())):
            pattern = parse_pattern(line, len(patterns))
            first = pattern.elements[0]
            patterns.append(pattern)
            values.append(float(value))
            denies.append(
                first is not None and any(w in words.exact and words.exact[w].negator for w in first.exact)
            )
    contrast = set()
    for phrase in _entries(table["contrast"]["phrases"]):
        contrast.add(len(patterns))
        patterns.append(parse_pattern(phrase, len(patterns)))
        values.append(0.0)
        denies.append(False)
    digest = sha256(text.encode()).hexdigest()[:16]
    closing = frozenset("".join(words_of(word)) for word in _entries(table["closing"]["words"]))
    return Lexicon(
        words.exact,
        words.stems,
        Matcher(patterns),
        tuple(values),
        tuple(denies),
        frozenset(contrast),
        closing,
        digest,
    )


@cache
def default_lexicon() -> Lexicon:
    """Return the lexicon that comes with the package."""
    return parse_lexicon(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))

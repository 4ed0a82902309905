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


def _words(table: dict[str, Any]) -> tuple[dict[str, WordEntry], dict[str, WordEntry]]:
    exact: dict[str, WordEntry] = {}
    stems: dict[str, WordEntry] = {}

    def add(word: str, entry: WordEntry) -> None:
        target = stems if word.endswith("*") else exact
        key = fold(word[:-1]) if word.endswith("*") else "".join(words_of(word))
        known = target.setdefault(key, entry)
        if known is not entry and known.value != entry.value and not entry.expected:
            raise ValueError(f"lexicon.toml: {word!r} stands twice, as {known.value} and {entry.value}")

    negators, weak = _entries(table["negators"]["words"]), _entries(table["negators"]["weak"])
    for word in negators:
        add(word, WordEntry(negator=True, weak_negator=word in weak))
    for word in _entries(table["contrast"]["words"]):
        add(word, WordEntry(contrast=True))
    for word in _entries(table["contrast"]["concession"]):
        if " " not in word:
            add(word, WordEntry(concession=True))
    values: dict[str, float] = {
        word: float(value) for value, block in table["words"].items() for word in _entries(block)
    }
    for intensity, block in table["intensifiers"].items():
        for word in _entries(block):
            add(word, WordEntry(intensity=float(intensity), value=values.pop(word, 0.0)))
    for word, value in values.items():
        add(word, WordEntry(value=value))
    for word in _entries(table["expected"]["words"]):
        add(word, WordEntry(expected=True))
    emoji = table["emoji"]
    for value, block in ((2.0, emoji["positive"]), (-2.0, emoji["negative"]), (0.25, emoji["courtesy"])):
        for mark in block.split():
            exact.setdefault(mark, WordEntry(value=value))
    return exact, stems


def parse_lexicon(text: str) -> Lexicon:
    """Read the lexicon's TOML; raises ValueError naming the entry that is wrong or stands twice."""
    table = tomllib.loads(text)
    exact, stems = _words(table)
    patterns: list[Pattern] = []
    values: list[float] = []
    denies: list[bool] = []
    for value, block in table["phrases"].items():
        for line in filter(None, (line.strip() for line in block.splitlines())):
            pattern = parse_pattern(line, len(patterns))
            first = pattern.elements[0]
            patterns.append(pattern)
            values.append(float(value))
            denies.append(first is not None and any(w in exact and exact[w].negator for w in first.exact))
    contrast = set()
    for phrase in _entries(table["contrast"]["phrases"]):
        contrast.add(len(patterns))
        patterns.append(parse_pattern(phrase, len(patterns)))
        values.append(0.0)
        denies.append(False)
    digest = sha256(text.encode()).hexdigest()[:16]
    closing = frozenset("".join(words_of(word)) for word in _entries(table["closing"]["words"]))
    return Lexicon(
        exact, stems, Matcher(patterns), tuple(values), tuple(denies), frozenset(contrast), closing, digest
    )


@cache
def default_lexicon() -> Lexicon:
    """Return the lexicon that comes with the package."""
    return parse_lexicon(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))

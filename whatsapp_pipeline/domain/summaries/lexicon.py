"""The polarity lexicon: reading `lexicon.toml` into tables that the sentiment rules look up."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeAlias

from whatsapp_pipeline.domain.summaries.patterns import (
    Matcher,
    Pattern,
    fold_in_place,
    parse_pattern,
    words_of,
)

# The subject of a negative word or phrase: the shop, the customer's own matter (a broken device, a worry), or
# "either": the matter if a device is named beside it and the shop is not.
About: TypeAlias = Literal["shop", "matter", "either"]
_MARKS: dict[str, About] = {"~": "matter", "?": "either"}
_IRONY = -2.2


@dataclass(frozen=True)
class WordEntry:
    """The effect of a word on a message.

    `value` is the polarity of the word, and the other fields change the words beside it.
    """

    value: float = 0.0
    about: About = "shop"
    expected: bool = False  # the word has a value only if it is denied
    # Something that customers expect of the shop, so a question about its absence is a complaint, too
    owed: bool = False
    negator: bool = False
    weak_negator: bool = False
    intensity: float = 0.0
    contrast: bool = False
    concession: bool = False


class Others(NamedTuple):
    """The others with whom a customer may be angry instead of the shop (section `others` of the lexicon).

    `named` has every word that names one of them.
    """

    brands: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    firms: frozenset[str] = frozenset()
    other: frozenset[str] = frozenset()
    shops: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lexicon:
    """The lexicon in memory. `phrase_values[payload]`, `phrase_denies[payload]` … describe a phrase."""

    exact: dict[str, WordEntry]
    stems: dict[str, WordEntry]
    phrases: Matcher
    phrase_values: tuple[float, ...]
    phrase_denies: tuple[bool, ...]
    phrase_about: tuple[About, ...]
    irony: frozenset[int]  # phrases that always mean their opposite
    mild_irony: frozenset[int]  # phrases that mean their opposite, unless the rest of the message is praise
    devices: frozenset[str]
    shop: frozenset[str]
    urgency: Matcher
    calm: Matcher
    contrast_phrases: frozenset[int]
    closing: frozenset[str]
    closing_phrases: Matcher
    others: Others
    scorn: frozenset[str]
    fillers: frozenset[str]
    hopes: frozenset[str]
    digest: str

    def ends(self, forms: list[str]) -> bool:
        """Return whether a message only says goodbye, with closing phrases and courtesies but no question."""
        covered: set[int] = set()
        for _, start, end in self.closing_phrases.find(forms):
            covered.update(range(start, end))
        return bool(covered) and all(
            at in covered or form in self.closing or form in ".,;!\n" for at, form in enumerate(forms)
        )


def _entries(block: str) -> list[str]:
    return [entry.strip() for entry in re.split(r"[,\n]", block) if entry.strip()]


class _Entries:
    """The words of the lexicon while it is read, with exact forms and stems in separate tables."""

    def __init__(self) -> None:
        self.exact: dict[str, WordEntry] = {}
        self.stems: dict[str, WordEntry] = {}

    def add(self, word: str, entry: WordEntry) -> None:
        target = self.stems if word.endswith("*") else self.exact
        key = fold_in_place(word[:-1]) if word.endswith("*") else "".join(words_of(word))
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
    _flag(entries, table)
    return entries


def _flag(entries: _Entries, table: dict[str, Any]) -> None:
    """Set the subject of the entries."""

    def change(block: str, **fields: float | str) -> None:
        for word in _entries(block):
            target = entries.stems if word.endswith("*") else entries.exact
            key = fold_in_place(word[:-1]) if word.endswith("*") else "".join(words_of(word))
            target[key] = replace(target.get(key, WordEntry()), **fields)  # type: ignore[arg-type]  # callers name fields

    matters = table.get("matters", {})
    change(matters.get("words", ""), about="matter")
    change(matters.get("expected", ""), about="matter")
    change(matters.get("either", ""), about="either")
    change(matters.get("praise", ""), about="either")
    change(table["expected"].get("owed", ""), expected=True, owed=True)


class _Phrases:
    """The phrases of the lexicon while it is read."""

    def __init__(self, words: _Entries) -> None:
        self.words = words
        self.patterns: list[Pattern] = []
        self.values: list[float] = []
        self.denies: list[bool] = []
        self.about: list[About] = []

    def add(self, line: str, value: float) -> int:
        """Add one phrase and return its number."""
        about: About = _MARKS.get(line[0], "shop")
        pattern = parse_pattern(line.lstrip("~?").strip(), len(self.patterns))
        first = pattern.elements[0]
        exact = self.words.exact
        self.patterns.append(pattern)
        self.values.append(value)
        self.denies.append(first is not None and any(w in exact and exact[w].negator for w in first.exact))
        self.about.append(about)
        return len(self.patterns) - 1

    def add_block(self, block: str, value: float) -> frozenset[int]:
        """Add a phrase for each line and return their numbers."""
        return frozenset(self.add(line.strip(), value) for line in block.splitlines() if line.strip())


def _patterns(block: str) -> Matcher:
    lines = filter(None, (line.strip() for line in block.splitlines()))
    return Matcher([parse_pattern(line, number) for number, line in enumerate(lines)])


def _forms(block: str) -> frozenset[str]:
    return frozenset("".join(words_of(word)) for word in _entries(block))


def _others(table: dict[str, str]) -> Others:
    found = Others(**{name: _forms(block) for name, block in table.items()})
    return found._replace(named=found.people | found.brands | found.firms | found.other | {"antigo"})


def parse_lexicon(text: str) -> Lexicon:
    """Parse the lexicon's TOML. Raises ValueError with the entry that is wrong or repeated."""
    table = tomllib.loads(text)
    words = _words(table)
    phrases = _Phrases(words)
    for value, block in table["phrases"].items():
        phrases.add_block(block, float(value))
    contrast = frozenset(phrases.add(phrase, 0.0) for phrase in _entries(table["contrast"]["phrases"]))
    irony = table.get("irony", {})
    certain = phrases.add_block(irony.get("certain", ""), _IRONY)
    mild = phrases.add_block(irony.get("mild", ""), _IRONY)
    signs = table.get("signs", {})
    matters = table.get("matters", {})
    return Lexicon(
        exact=words.exact,
        stems=words.stems,
        phrases=Matcher(phrases.patterns),
        phrase_values=tuple(phrases.values),
        phrase_denies=tuple(phrases.denies),
        phrase_about=tuple(phrases.about),
        irony=certain,
        mild_irony=mild,
        devices=_forms(matters.get("devices", "")),
        shop=_forms(matters.get("shop", "")),
        urgency=_patterns(table.get("urgency", {}).get("phrases", "")),
        calm=_patterns(table.get("urgency", {}).get("calm", "")),
        contrast_phrases=contrast,
        closing=_forms(table["closing"]["words"]),
        closing_phrases=_patterns(table["closing"].get("phrases", "")),
        others=_others(table.get("others", {})),
        scorn=frozenset(signs.get("scorn", "").split()),
        fillers=_forms(signs.get("fillers", "")),
        hopes=_forms(signs.get("hopes", "")),
        digest=sha256(text.encode()).hexdigest()[:16],
    )


@cache
def default_lexicon() -> Lexicon:
    """Return the lexicon of the package."""
    return parse_lexicon(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))

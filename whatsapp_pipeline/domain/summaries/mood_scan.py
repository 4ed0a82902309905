"""The opinions in the words of one message: one pass that follows denials and intensity.

What belongs here: finding words and phrases of the lexicon, and what the words beside them do to their value.
What does not: effects on the whole message, and whom an opinion is about (sentiment.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.summaries.lexicon import About, Lexicon, WordEntry
from whatsapp_pipeline.domain.summaries.patterns import SENTENCE_END

_NEGATION_REACH = 5  # words
_WEAK_REACH = 3  # for "sem" and "nem"
_INFINITIVE = ("ar", "er", "ir")
# Verbs that "sem" skips: in "sem dar problema" it denies "problema".
_LIGHT_VERBS = frozenset({"dar", "ter", "haver", "causar"})
_DENIED_GOOD = -0.9
_DENIED_BAD = -0.6
_DENIED_EXPECTED = -1.8
_BARE_DENIAL = -0.35
_DENIED_MATTER = 0.3
_EMPHASIZED = 1.3  # "demais", or a comparison: "nunca fui tão bem atendida"
_NOTHING = WordEntry()
PAUSES = frozenset(".,!?;\n")
# Verbs after which "vocês" is not blamed: "vocês consertam tela quebrada?".
ADDRESSED = frozenset({"voces"})
# Forms without an entry that end a denial, or may do so.
_BREAKS = SENTENCE_END | {",", "e"}


class Hit(NamedTuple):
    """An opinion at the token `at`; `first` and `last` are the tokens of the whole expression."""

    value: float
    at: int
    first: int
    last: int
    about: About = "shop"
    irony: Literal["", "certain", "mild"] = ""


class Phrase(NamedTuple):
    """A phrase that was found. `number` is its index in the lexicon."""

    end: int
    number: int


class LexiconLookup:
    """Finds words and phrases in one lexicon, with a cache by word."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._memo: dict[str, WordEntry] = {}
        self._longest = max(map(len, lexicon.stems), default=0)

    def entry(self, form: str) -> WordEntry:
        """Return what the lexicon says of a word, by its whole form or by its longest known stem."""
        known = self._memo.get(form)
        if known is None:
            known = self.lexicon.exact.get(form)
            for size in range(min(len(form), self._longest), 2, -1):
                if known is not None:
                    break
                known = self.lexicon.stems.get(form[:size])
            known = known or _NOTHING
            if len(self._memo) < 300_000:
                self._memo[form] = known
        return known

    def phrase(self, forms: list[str], at: int) -> Phrase | None:
        """Return the longest phrase at `at`."""
        best: Phrase | None = None
        following = forms[at + 1] if at + 1 < len(forms) else ""
        for pattern in self.lexicon.phrases.candidates(forms[at], following):
            end = at + 1 if len(pattern.elements) == 1 else pattern.match(forms, at)
            if end is not None and (best is None or end > best.end):
                best = Phrase(end, pattern.payload)
        return best


@dataclass(slots=True)
class MoodScan:
    """One pass over the tokens of a message.

    `contrast_at` is the token of the last "mas" after an opinion. `conceded` has the tokens from each
    "embora" to the end of its clause.
    """

    forms: list[str]
    words: LexiconLookup
    hits: list[Hit] = field(default_factory=list)
    contrast_at: int | None = None
    conceded: list[tuple[int, int]] = field(default_factory=list)
    _at: int = 0
    _negator_at: int = -1
    """The token of the negator in force; -1 without one."""
    _negated_until: int = -1
    _is_weak: bool = False
    """The negator in force is "sem" or "nem"."""
    _intensity: float = 1.0
    _intensity_until: int = -1

    def run(self) -> MoodScan:
        """Read all tokens."""
        forms, words = self.forms, self.words
        can_start, size = words.lexicon.phrases.can_start, len(forms)
        while self._at < size:
            form = forms[self._at]
            phrase = words.phrase(forms, self._at) if can_start(form) else None
            if phrase is not None:
                self._take_phrase(phrase)
                continue
            entry = words.entry(form)
            if entry is not _NOTHING or form in _BREAKS:
                self._take_word(form, entry)
            self._at += 1
        self._end_denial()
        return self

    def _take_phrase(self, phrase: Phrase) -> None:
        """Add the value of a phrase, and go on after it."""
        lexicon, at, (end, number) = self.words.lexicon, self._at, phrase
        self._at = end
        if number in lexicon.contrast_phrases:
            self.contrast_at, self._negator_at = at, -1
            return
        value, denies = lexicon.phrase_values[number], lexicon.phrase_denies[number]
        about = lexicon.phrase_about[number]
        if number in lexicon.irony:
            self.hits.append(Hit(value, at, at, end - 1, "shop", "certain"))
        elif number in lexicon.mild_irony:
            self.hits.append(Hit(value, at, at, end - 1, "shop", "mild"))
        elif self._is_negated(at) and not denies and value:
            value *= _DENIED_GOOD if value > 0 else _DENIED_BAD
            self.hits.append(Hit(value, at, self._negator_at, end - 1, about))
        elif value:
            self.hits.append(Hit(value * self._strength(at), at, at, end - 1, about))
        if denies or value:
            self._negator_at = -1
        self._intensity = 1.0

    def _take_word(self, form: str, entry: WordEntry) -> None:
        """Apply what one word does: it ends a denial, denies, concedes, intensifies, or has a value."""
        at, forms = self._at, self.forms
        if form in SENTENCE_END or entry.contrast:
            self._end_denial()
            self._intensity = 1.0
            if entry.contrast and self.hits:
                self.contrast_at = at
        # The text after a comma is another clause: "não, adorei". So is "não ligava e vocês consertaram".
        elif form == "," or (form == "e" and at + 1 < len(forms) and forms[at + 1] in ADDRESSED):
            self._end_denial()
        elif entry.concession:
            stop = next((i for i in range(at, len(forms)) if forms[i] in ",.;!?\n"), None)
            if stop is not None:
                self.conceded.append((at, stop))
        elif entry.negator and self._take_negator(form, entry):
            pass
        elif entry.intensity and (not entry.value or self._is_opinion(at + 1)):
            self._intensity = max(entry.intensity, self._intensity)
            self._intensity_until = max(at + 3, self._intensity_until)
        elif entry.value or entry.expected:
            self._take_value(entry)

    def _end_denial(self) -> None:
        """Forget the negator in force. If it denied nothing that is known, it is a weak opinion by itself."""
        if self._negator_at >= 0 and not self._is_weak and len(self.forms) >= 3 and "?" not in self.forms:
            at = self._negator_at
            self.hits.append(Hit(_BARE_DENIAL, at, at, min(at + 1, len(self.forms) - 1)))
        self._negator_at = -1

    def _take_negator(self, form: str, entry: WordEntry) -> bool:
        """Apply a negator. Return False for the "nada" of "não ... nada", which denies nothing more."""
        at, forms = self._at, self.forms
        denied = self._denied_before()
        if denied is not None:
            self.hits, self._negator_at = denied, -1
        elif _answers(forms, at):
            pass
        elif _is_comparison(forms, at):
            self._negator_at, self._intensity, self._intensity_until = -1, _EMPHASIZED, at + 6
        elif form == "nada" and self._negator_at >= 0 and at + 1 == len(forms):
            return False
        else:
            if self._negator_at < 0:
                self._negator_at, self._is_weak = at, entry.weak_negator
            self._negated_until = at + (_weak_reach(forms, at) if self._is_weak else _NEGATION_REACH)
        return True

    def _take_value(self, entry: WordEntry) -> None:
        """Add the value of a word, with its negator and its intensity."""
        at, forms = self._at, self.forms
        negated = self._is_negated(at)
        value = _value_of(entry, negated) * self._strength(at)
        if not value:
            return
        if at + 1 < len(forms) and forms[at + 1] in {"demais", "muito", "bastante"}:
            value *= _EMPHASIZED
        about = entry.about
        if negated and about == "matter" and entry.value < 0:
            value = _DENIED_MATTER
        if negated and forms[self._negator_at] == "ninguem":
            about = "shop"
        elif negated and entry.expected and not entry.owed and is_question(forms, at):
            about = "matter"
        self.hits.append(Hit(value, at, self._negator_at if negated else at, at, about))
        self._negator_at, self._intensity = -1, 1.0

    def _is_negated(self, at: int) -> bool:
        return self._negator_at >= 0 and at <= self._negated_until

    def _strength(self, at: int) -> float:
        return self._intensity if at <= self._intensity_until else 1.0

    def _is_opinion(self, at: int) -> bool:
        return at < len(self.forms) and self.words.entry(self.forms[at]).value != 0

    def _denied_before(self) -> list[Hit] | None:
        """Return the hits after a denial that follows its word ("gostei não"). None without such a denial."""
        at, forms, hits = self._at, self.forms, self.hits
        following = forms[at + 1] if at + 1 < len(forms) else "."
        ends = following in self.words.lexicon.fillers or (following in PAUSES and following != "?")
        if forms[at] != "nao" or not ends or at == 0:
            return None
        last = hits[-1] if hits else None
        if last is not None and last.last < at - 1 and self.words.entry(forms[at - 1]).negator:
            return list(hits)  # "não resolveram nada não"
        if last is not None and last.last == at - 1:
            if last.first != last.at or self.words.entry(forms[last.first]).negator:
                return list(hits)  # "não gostei não" denies once
            value = last.value * (_DENIED_GOOD if last.value > 0 else _DENIED_BAD)
            return [*hits[:-1], last._replace(value=value, last=at)]
        entry = self.words.entry(forms[at - 1])
        if not entry.expected:
            return None
        return [*hits, Hit(_DENIED_EXPECTED, at - 1, at - 1, at, entry.about)]


def _value_of(entry: WordEntry, negated: bool) -> float:
    if not negated:
        return entry.value
    if entry.expected and not entry.value:
        return _DENIED_EXPECTED
    if 0 < entry.value < 0.5:
        return 0.0
    return entry.value * (_DENIED_GOOD if entry.value > 0 else _DENIED_BAD)


def _answers(forms: list[str], at: int) -> bool:
    """Return whether a "não" is a complete answer: it begins a sentence, and a pause follows."""
    if forms[at] != "nao" or (at > 0 and forms[at - 1] not in PAUSES and forms[at - 1] != "nao"):
        return False
    following = forms[at + 1] if at + 1 < len(forms) else ""
    return following in PAUSES or (following == "nao" and at + 2 < len(forms) and forms[at + 2] in PAUSES)


def _weak_reach(forms: list[str], at: int) -> int:
    """Return the number of words after a "sem" that it denies.

    In "fiquei sem trabalhar por essa demora" the number is one.
    """
    following = forms[at + 1] if at + 1 < len(forms) else ""
    return 1 if following.endswith(_INFINITIVE) and following not in _LIGHT_VERBS else _WEAK_REACH


def _is_comparison(forms: list[str], at: int) -> bool:
    """Return whether "nunca" is part of a comparison and no denial.

    Examples: "nunca fui tão bem atendida", "nunca vi melhor".
    """
    if forms[at] not in {"nunca", "jamais"}:
        return False
    reach = forms[at + 1 : at + 6]
    return "mais" not in reach[:1] and not {"tao", "tanto", "tanta", "melhor", "pior"}.isdisjoint(reach)


def is_question(forms: list[str], at: int, ends: frozenset[str] = SENTENCE_END) -> bool:
    """Return whether the sentence (or what `ends` cuts) that holds token `at` is a question."""
    return next((form for form in forms[at:] if form in ends), "") == "?"

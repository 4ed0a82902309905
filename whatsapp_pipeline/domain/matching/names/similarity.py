"""Likeness of a title's word and a word of the table: equal, same sound, nickname, typing error …

What belongs here: the kinds of likeness, and the search for similar words in the vocabulary. What does not:
whole names (features.py).
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Sequence
from enum import IntEnum

from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

from whatsapp_pipeline.domain.matching.names.phonetic import phonetic_key
from whatsapp_pipeline.domain.matching.names.words import NAMES_CALLED, NICKNAMES_OF


class Likeness(IntEnum):
    """Kinds of likeness of two words, closest first."""

    NONE = 0
    EXACT = 1
    SOUND = 2
    TYPO = 3
    NICKNAME = 4
    CUT = 5
    FAR = 6
    INITIAL = 7


# Share of the people with a name whose name is written in this other way. Only the order of magnitude
# matters, because the weight of each kind is fitted. It is used for the information of a word and to rank
# candidates.
WRITTEN_SO = (0.0, 1.0, 0.04, 0.006, 0.06, 0.02, 0.002, 0.03)
# Strength of each kind in the search for candidates and in the alignment of words.
STRENGTH = (0.0, 1.0, 0.88, 0.8, 0.78, 0.7, 0.6, 0.45)

_DIMINUTIVE = re.compile(r"^(.{2,}?)(?:z?inh[oa]s?|z?it[oa]s?|z?[aã]o|quinh[oa]s?|guinh[oa]s?|im)$")
_MAX_PREFIXED = 40
MIN_GLUED = 3  # minimum letters of each half of a word that is split
_CLOSE = frozenset({Likeness.EXACT, Likeness.SOUND, Likeness.TYPO})


class Vocabulary:
    """The words of a table of names, and the search for those that are similar to a word."""

    def __init__(self, words: Sequence[str], frequency: Sequence[int]) -> None:
        """`words` are distinct and folded; `frequency[i]` is the number of names with `words[i]`."""
        self.words = list(words)
        self.number = {word: i for i, word in enumerate(self.words)}
        self._frequency = frequency
        self._by_sound: dict[str, list[int]] = defaultdict(list)
        self._without_letter: dict[str, list[int]] = defaultdict(list)
        self._sound_without_letter: dict[str, list[int]] = defaultdict(list)
        sounds: dict[str, None] = {}
        for i, word in enumerate(self.words):
            if len(word) < 3 or not word.isalpha():
                continue
            sound = phonetic_key(word)
            self._by_sound[sound].append(i)
            sounds[sound] = None
            for shorter in _deletions(word):
                self._without_letter[shorter].append(i)
        for sound in sounds:
            if len(sound) >= 5:
                for shorter in _deletions(sound):
                    self._sound_without_letter[shorter].extend(self._by_sound[sound])
        self._sorted = sorted(range(len(self.words)), key=lambda i: self.words[i])
        self._sorted_words = [self.words[i] for i in self._sorted]

    def alike(self, word: str) -> dict[int, Likeness]:
        """Return the positions of the vocabulary's words that are similar to `word`, each with its kind."""
        found: dict[int, Likeness] = {}
        exact = self.number.get(word)
        if exact is not None:
            found[exact] = Likeness.EXACT
        for name in NAMES_CALLED.get(word, ()) + NICKNAMES_OF.get(word, ()):
            if (i := self.number.get(name)) is not None:
                found.setdefault(i, Likeness.NICKNAME)
        if len(word) < 3 or not word.isalpha():
            return found
        sound = phonetic_key(word)
        for i in self._by_sound.get(sound, ()):
            found.setdefault(i, Likeness.SOUND)
        self._add_typos(word, sound, found)
        for i in self._starting_with(word):
            found.setdefault(i, Likeness.CUT)
        if len(word) >= 5 and _CLOSE.isdisjoint(found.values()):
            self._add_distant(word, found)
        if diminutive := _DIMINUTIVE.match(word):
            self._add_diminutives(diminutive.group(1), found)
        return found

    def split(self, word: str) -> tuple[str, ...]:
        """Return the two known words that an unknown `word` consists of, otherwise `(word,)`."""
        halves = [
            (word[:at], word[at:])
            for at in range(MIN_GLUED, len(word) - MIN_GLUED + 1)
            if word[:at] in self.number and word[at:] in self.number
        ]
        if not halves or not _CLOSE.isdisjoint(self.alike(word).values()):
            return (word,)
        return max(halves, key=lambda pair: min(self._frequency[self.number[half]] for half in pair))

    def _add_typos(self, word: str, sound: str, found: dict[int, Likeness]) -> None:
        near: set[int] = set(self._without_letter.get(word, ()))
        for shorter in _deletions(word):
            near.update(self._without_letter.get(shorter, ()))
            if (i := self.number.get(shorter)) is not None:
                near.add(i)
        for i in near:
            if i not in found and OSA.distance(word, self.words[i], score_cutoff=1) <= 1:
                long_enough = min(len(word), len(self.words[i])) >= 4
                found[i] = Likeness.TYPO if long_enough else Likeness.FAR
        if len(sound) < 5:
            return
        far: set[int] = set(self._sound_without_letter.get(sound, ()))
        for shorter in _deletions(sound):
            far.update(self._sound_without_letter.get(shorter, ()))
            far.update(self._by_sound.get(shorter, ()))
        for i in far:
            if i not in found and JaroWinkler.similarity(word, self.words[i]) >= 0.86:
                found[i] = Likeness.FAR

    def _add_distant(self, word: str, found: dict[int, Likeness]) -> None:
        """Search the whole vocabulary; this is slow and only done for words without a close match."""
        edits = 2 if len(word) < 9 else 3
        for _, _, i in process.extract(word, self.words, scorer=OSA.distance, score_cutoff=edits, limit=8):
            if len(self.words[i]) >= 4:
                found.setdefault(i, Likeness.FAR)

    def _starting_with(self, beginning: str) -> list[int]:
        low = bisect.bisect_right(self._sorted_words, beginning)
        high = bisect.bisect_right(self._sorted_words, beginning + "~")
        longer = self._sorted[low:high]
        if len(longer) > _MAX_PREFIXED:
            longer = sorted(longer, key=lambda i: -self._frequency[i])[:_MAX_PREFIXED]
        return longer

    def _add_diminutives(self, stem: str, found: dict[int, Likeness]) -> None:
        stems = (
            {stem, stem.removesuffix("qu") + "c", stem.removesuffix("gu") + "g"} if len(stem) > 2 else set()
        )
        for each in stems:
            if len(each) >= 3:
                for i in self._starting_with(each):
                    if len(self.words[i]) <= len(each) + 3:
                        found.setdefault(i, Likeness.NICKNAME)


def _deletions(word: str) -> set[str]:
    return {word[:i] + word[i + 1 :] for i in range(len(word))}

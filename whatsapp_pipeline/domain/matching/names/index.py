"""An index of contacts for name matching: their words as arrays, and the search for candidates.

What belongs here: the arrays, the vocabulary, and blocking (the choice of the contacts to compare). What does
not: comparing (features.py) and deciding (name_model.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from whatsapp_pipeline.domain.matching.names.cleaning import (
    MAX_TITLE_WORDS,
    CleanName,
    clean_contact,
)
from whatsapp_pipeline.domain.matching.names.similarity import (
    MIN_GLUED,
    STRENGTH,
    WRITTEN_SO,
    Likeness,
    Vocabulary,
)
from whatsapp_pipeline.domain.matching.names.words import GENERATIONS, PARTICLES

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

NAMES_PER_TITLE = 90  # names kept by blocking; a contact has up to two
# A word is a given name if it is the first word in more than this share of the names that contain it.
GIVEN_NAME_SHARE = 0.4
# A word is also a given name, such as Hugo in Vitor Hugo Souza, if at least four names contain it and it is
# the last word in less than this share of them.
SURNAME_SHARE = 0.12
_LENGTH_PENALTY = 0.05  # of names that match equally well, shorter ones come first
_PARTICLE_CODE = {particle: code for code, particle in enumerate(sorted(PARTICLES), start=1)}
_GENERATIONS = frozenset(GENERATIONS.values())


@dataclass(frozen=True, slots=True)
class ContactName:
    """A contact's id and its two names; either name may be empty."""

    id: int
    nome: str
    fantasia: str


@dataclass(frozen=True, slots=True)
class TitleWords:
    """The W distinct words of a batch of titles, compared with the V words of the vocabulary.

    `number`: word → position. `likeness[w, v]`: the `Likeness` of two words. `information[w]`: natural log of
    (names / names with a word that may be written like this); `first_information` counts only first words.
    `known[w]`: log(1 + names with this very word). `letter`: first letter. `initial`: the word has one
    letter.
    """

    number: dict[str, int]
    likeness: Bytes
    information: Floats
    first_information: Floats
    known: Floats
    letter: Bytes
    initial: Bools
    weights: sparse.csr_matrix  # W × V: match weight of a shared word in blocking


def particle_code(particle: str) -> int:
    """Return a small number for a particle, 0 for none."""
    return _PARTICLE_CODE.get(particle, 0)


def legal_code(legal: str) -> int:
    """Return a number for a legal form, 0 for none. It does not change between processes, unlike `hash`."""
    return int.from_bytes(legal.encode()[:7], "big")


class ContactTable:
    """The contacts' names as arrays; a *name* is a distinct `nome` or `fantasia` of a contact (D of them)."""

    def __init__(self, contacts: Sequence[ContactName]) -> None:
        self.ids = np.array([contact.id for contact in contacts], dtype=np.int64)
        owners: list[int] = []
        names: list[CleanName] = []
        trade: list[bool] = []
        for position, contact in enumerate(contacts):
            nome, fantasia = clean_contact(contact.nome), clean_contact(contact.fantasia)
            for name, is_trade in ((nome, False), (fantasia, True)):
                if name.words and not (is_trade and name.words == nome.words):
                    owners.append(position)
                    names.append(name)
                    trade.append(is_trade)
        self.owner = np.array(owners, dtype=np.int32)
        self.is_trade = np.array(trade, dtype=np.float32)
        self.is_company = np.array([name.is_company for name in names], dtype=np.float32)
        self.legal = np.array([legal_code(name.legal) for name in names], dtype=np.int64)
        self._fill(names)

    def _fill(self, names: Sequence[CleanName]) -> None:
        number: dict[str, int] = {}
        count = len(names)
        self.length = np.array([len(name.words) for name in names], dtype=np.int32)
        # Time and memory depend on the longest name. Features look at the first two words, so two is the
        # least.
        shape = (count, max(2, int(self.length.max(initial=0))))
        self.words = np.full(shape, -1, dtype=np.int32)
        self.particles = np.zeros(shape, dtype=np.uint8)
        for row, name in enumerate(names):
            for column, word in enumerate(name.words):
                self.words[row, column] = number.setdefault(word, len(number))
                if name.particles[column]:
                    self.particles[row, column] = _PARTICLE_CODE[name.particles[column]]
        vocabulary = list(number)
        filled = self.words >= 0
        rows = np.repeat(np.arange(count, dtype=np.int32), self.length)
        holders = sparse.csr_matrix(
            (np.ones(len(rows), dtype=np.float32), (self.words[filled], rows)), shape=(len(vocabulary), count)
        )
        holders.data[:] = 1.0  # count a word that occurs twice in a name once
        self.holders = holders
        self.frequency = np.diff(holders.indptr).astype(np.float32)
        self.first_frequency = np.bincount(self.words[:, 0], minlength=len(vocabulary)).astype(np.float32)
        self.vocabulary = Vocabulary(vocabulary, self.frequency.astype(int).tolist())
        self.word_information = np.log((count + 1) / (self.frequency + 0.5)).astype(np.float32)
        self.letter = np.array([ord(word[0]) for word in vocabulary], dtype=np.uint8)
        self.is_initial = np.array([len(word) == 1 for word in vocabulary], dtype=bool)
        self.is_generation = np.array([word in _GENERATIONS for word in vocabulary], dtype=bool)
        self.family = self._family_position(filled)
        self.called_by_two = self._called_by_two()
        self.letter_share = np.bincount(
            self.letter, weights=self.frequency / max(count, 1), minlength=256
        ).astype(np.float32)

    def _family_position(self, filled: npt.NDArray[np.bool_]) -> Ints:
        """Return the position of each name's first surname: the first word after the given names."""
        counted = np.maximum(self.frequency, 1.0)
        end = self.words[np.arange(len(self.length)), self.length - 1]
        ends = np.bincount(end, minlength=len(counted)) / counted
        self.is_given = (self.first_frequency / counted > GIVEN_NAME_SHARE) | (
            (ends < SURNAME_SHARE) & (counted >= 4)
        )
        given = self.is_given[self.words]
        given[:, 0] = True
        given &= filled
        return np.asarray(np.cumprod(given, axis=1).sum(axis=1), dtype=np.int32)

    def _called_by_two(self) -> npt.NDArray[np.bool_]:
        """Return which names begin with a double name (Maria Clara): a pair more frequent than by chance."""
        two = self.family >= 2
        width = len(self.first_frequency)
        pair = self.words[:, 0].astype(np.int64) * width + np.maximum(self.words[:, 1], 0)
        _, inverse, counts = np.unique(np.where(two, pair, -1), return_inverse=True, return_counts=True)
        together = counts[inverse]
        by_chance = (
            self.first_frequency[self.words[:, 0]] * self.first_frequency[self.words[:, 1]] / max(len(two), 1)
        )
        called = two & (together >= 3) & (together > by_chance)
        self.pairs = {(int(first), int(second)) for first, second in self.words[called, :2]}
        return called

    def given_words(self, name: CleanName) -> tuple[int, bool]:
        """Return how many words of `name` are given names, and whether the first two are a double name."""
        number = self.vocabulary.number
        family = 1
        while family < len(name.words) - 1:
            word = number.get(name.words[family], -1)
            if word < 0 or not self.is_given[word]:
                break
            family += 1
        pair = (number.get(name.words[0], -1), number.get(name.words[1], -1)) if family > 1 else (-1, -1)
        return family, pair in self.pairs

    @property
    def size(self) -> int:
        """Number of names in the table (D)."""
        return len(self.owner)

    @cached_property
    def log_size(self) -> float:
        """Natural log of the number of contacts."""
        return float(np.log(max(len(self.ids), 1)))

    def unglue(self, title: CleanName) -> CleanName:
        """Split a word that consists of two words of the table, for example `mariaclara`."""
        if all(word in self.vocabulary.number or len(word) < 2 * MIN_GLUED for word in title.words):
            return title
        words: list[str] = []
        particles: list[str] = []
        weak: list[bool] = []
        for word, particle, is_weak in zip(title.words, title.particles, title.weak, strict=True):
            parts = self.vocabulary.split(word) if not is_weak else (word,)
            words.extend(parts)
            particles.extend([particle, ""][: len(parts)])
            weak.extend([is_weak] * len(parts))
        return replace(
            title,
            words=tuple(words[:MAX_TITLE_WORDS]),
            particles=tuple(particles[:MAX_TITLE_WORDS]),
            weak=tuple(weak[:MAX_TITLE_WORDS]),
        )

    def read_words(self, titles: Sequence[CleanName]) -> TitleWords:
        """Compare every distinct word of `titles` with the vocabulary; memory: words × vocabulary bytes."""
        number: dict[str, int] = {}
        for title in titles:
            for word in title.words:
                number.setdefault(word, len(number))
        if not number:
            number["-"] = 0  # arrays need at least one word
        width = len(self.vocabulary.words)
        likeness = np.zeros((len(number), width), dtype=np.uint8)
        rows: list[int] = []
        columns: list[int] = []
        for word, row in number.items():
            alike = self.vocabulary.alike(word)
            rows.extend([row] * len(alike))
            columns.extend(alike)
            if alike:
                likeness[row, list(alike)] = list(alike.values())
        row_of, column_of = np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)
        kind = likeness[row_of, column_of]
        share = np.array(WRITTEN_SO)[kind] / max(self.size, 1)
        expected = np.bincount(row_of, weights=share * self.frequency[column_of], minlength=len(number))
        expected_first = np.bincount(
            row_of, weights=share * self.first_frequency[column_of], minlength=len(number)
        )
        floor = 0.5 / max(self.size, 1)
        letter = np.array([ord(word[0]) for word in number], dtype=np.uint8)
        initial = np.array([len(word) == 1 for word in number], dtype=bool)
        expected[initial] = np.maximum(expected[initial], self.letter_share[letter[initial]])
        information = -np.log(np.minimum(expected + floor, 1.0))
        weights = sparse.csr_matrix(
            (np.array(STRENGTH)[kind] * information[row_of], (row_of, column_of)),
            shape=(len(number), width),
            dtype=np.float32,
        )
        known = np.zeros(len(number), dtype=np.float32)
        exact = kind == Likeness.EXACT
        known[row_of[exact]] = np.log1p(self.frequency[column_of[exact]])
        return TitleWords(
            number,
            likeness,
            information.astype(np.float32),
            -np.log(np.minimum(expected_first + floor, 1.0)).astype(np.float32),
            known,
            letter,
            initial,
            weights,
        )

    def block(self, titles: Sequence[CleanName], words: TitleWords) -> tuple[Ints, Ints]:
        """Return the pairs to compare, sorted by title: (position of the title, position of the name)."""
        rows: list[int] = []
        columns: list[int] = []
        factors: list[float] = []
        for position, title in enumerate(titles):
            for word, is_weak in zip(title.words, title.weak, strict=True):
                rows.append(position)
                columns.append(words.number[word])
                factors.append(0.5 if is_weak else 1.0)
        selection = sparse.csr_matrix(
            (factors, (rows, columns)), shape=(len(titles), len(words.number)), dtype=np.float32
        )
        scores = (selection @ words.weights) @ self.holders
        scores.data -= _LENGTH_PENALTY * self.length[scores.indices]
        titles_out: list[Ints] = []
        names_out: list[Ints] = []
        for position in range(len(titles)):
            start, end = scores.indptr[position], scores.indptr[position + 1]
            names = scores.indices[start:end]
            if len(names) > NAMES_PER_TITLE:
                best = np.argpartition(scores.data[start:end], -NAMES_PER_TITLE)[-NAMES_PER_TITLE:]
                names = names[best]
            names_out.append(names.astype(np.int32))
            titles_out.append(np.full(len(names), position, dtype=np.int32))
        return np.concatenate(titles_out), np.concatenate(names_out)

"""Simulated titles: contacts' names as a shop may have saved them. A fit uses them as labelled examples.

What belongs here: how people write a customer's name into a phone. What does not: the fit (fitting.py). The
amount of noise is drawn for each title, so the fitted weights suit tidy and careless address books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whatsapp_pipeline.domain.matching.names.cleaning import CleanName, clean_contact
from whatsapp_pipeline.domain.matching.names.index import ContactName, ContactTable
from whatsapp_pipeline.domain.matching.names.words import (
    COMPANY_WORDS,
    HONORIFICS,
    NICKNAMES_OF,
    SPELLINGS,
    SYLLABLES,
    WEAK_WORDS,
)

# Share of the titles of people outside the table that name a relative of a contact.
RELATIVE_SHARE = 0.1
# Share of words before which people write another particle than the contact has, an additional one or none.
OTHER_PARTICLE_SHARE = 0.24
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    char: "".join(row[max(i - 1, 0) : i] + row[i + 1 : i + 2])
    for row in _KEYBOARD
    for i, char in enumerate(row)
}
_HONORIFICS = tuple(sorted(HONORIFICS))
_COMPANY = tuple(sorted(COMPANY_WORDS))
_WEAK = tuple(sorted(WEAK_WORDS))
_JOINING = ("da", "de", "do", "dos", "das")
_LEGAL_FORMS = ("ltda", "me", "eireli", "epp", "mei", "anonima")


@dataclass(frozen=True, slots=True)
class SimulatedTitle:
    """A title and the contact it was made from; None if the table does not have that contact."""

    title: str
    id_contato: int | None


def simulate_titles(
    table: ContactTable,
    present: Sequence[ContactName],
    absent: Sequence[ContactName],
    count: int,
    none_share: float,
    seed: int,
) -> list[SimulatedTitle]:
    """Write up to `count` titles, the share `none_share` of them from `absent`.

    The same seed gives the same titles. A contact without a name gives none. `table` is the table of
    `present`; it shows which words are given names.
    """
    rng = np.random.default_rng(seed)
    writer = _TitleWriter(rng, table)
    titles: list[SimulatedTitle] = []
    for _ in range(count):
        from_absent = bool(absent) and rng.random() < none_share
        source = absent if from_absent else present
        contact = source[int(rng.integers(len(source)))]
        if from_absent and rng.random() < RELATIVE_SHARE:
            contact = _relative(rng, present) or contact
        text = writer.write(contact)
        if text:
            titles.append(SimulatedTitle(text, None if from_absent else contact.id))
    return titles


def _relative(rng: np.random.Generator, present: Sequence[ContactName]) -> ContactName | None:
    """Return a person with the surnames of one contact and the given name of another.

    None if one of the two is a company, if the first has no surname, or if both have the same given name.
    """
    one, other = (clean_contact(present[int(rng.integers(len(present)))].nome) for _ in range(2))
    if one.is_company or other.is_company or len(one.words) < 2 or other.words[:1] == one.words[:1]:
        return None
    joined = [other.words[0]] if other.words else []
    for particle, word in zip(one.particles[1:], one.words[1:], strict=True):
        joined.extend(text for text in (particle, word) if text)
    return ContactName(-1, " ".join(joined), "")


class _TitleWriter:
    """Writes titles; the strength of the noise is drawn for each title."""

    def __init__(self, rng: np.random.Generator, table: ContactTable) -> None:
        self._rng = rng
        self._table = table
        self._strength = 1.0

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share * self._strength

    def _pick(self, options: Sequence[str]) -> str:
        return options[int(self._rng.integers(len(options)))]

    def write(self, contact: ContactName) -> str:
        self._strength = (0.4, 1.0, 1.0, 1.8)[int(self._rng.integers(4))]
        nome, fantasia = clean_contact(contact.nome), clean_contact(contact.fantasia)
        trade_chance = 0.7 if nome.is_company or fantasia.is_company else 0.2
        name = fantasia if fantasia.words and (not nome.words or self._rng.random() < trade_chance) else nome
        if not name.words:
            return ""
        is_company = name.is_company and any(word in COMPANY_WORDS for word in name.words)
        words = self._company(name) if is_company else self._person(name)
        words = [self._misspell(word) for word in words]
        if name.legal and self._rng.random() < 0.12:
            words.append(self._legal(name.legal))
        glue = "" if len(words) == 2 and self._chance(0.01) else " "
        return self._decorate(glue.join(words))

    def _legal(self, legal: str) -> str:
        """Return the registered legal form, one of its words, or another form."""
        draw = self._rng.random()
        if draw < 0.6:
            return legal
        return self._pick(legal.split()) if draw < 0.85 else self._pick(_LEGAL_FORMS)

    def _particles(self, chosen: Sequence[int], name: CleanName, keep: bool) -> list[str]:
        """Return the particle to write before each chosen word.

        People often write another one than registered.
        """
        written = [name.particles[i] if keep and at else "" for at, i in enumerate(chosen)]
        for at in range(1, len(written)):
            if self._chance(OTHER_PARTICLE_SHARE):
                written[at] = "" if written[at] and self._rng.random() < 0.4 else self._pick(_JOINING)
        return written

    def _person(self, name: CleanName) -> list[str]:
        rng, words = self._rng, list(name.words)
        if len(words) == 1:
            return words
        chosen = self._choose(name)
        keeps_particles = rng.random() < (0.9 if len(chosen) == len(words) else 0.35)
        first = words[0]
        if first in NICKNAMES_OF and self._chance(0.12):
            words[0] = self._pick(NICKNAMES_OF[first])
        elif len(first) > 5 and self._chance(0.03):
            words[0] = first[: int(rng.integers(3, 5))]
        if self._chance(0.012):
            words[0] = words[0][0]
        elif len(chosen) > 2 and self._chance(0.08):
            words = [words[0], *(word[0] for word in words[1:-1]), words[-1]]
        elif self._chance(0.015):
            words[chosen[-1]] = words[chosen[-1]][0]
        kept = list(dict.fromkeys(chosen))
        if len(kept) > 2 and self._chance(0.015):  # surnames in another order than in the register
            kept[-2:] = kept[:-3:-1]
        particles = self._particles(kept, name, keeps_particles)
        return [
            word for particle, i in zip(particles, kept, strict=True) for word in (particle, words[i]) if word
        ]

    def _choose(self, name: CleanName) -> list[int]:
        """Return the positions of the words of a person's name that are written, in the written order."""
        draw, last = self._rng.random(), len(name.words) - 1
        family, go_together = self._table.given_words(name)
        given, any_surname = list(range(family)), int(self._rng.integers(family, last + 1))
        # People use both words of a double name (Maria Clara), and often only the first of two other given
        # names.
        called = given if self._rng.random() < (0.8 if go_together else 0.4) else [0]
        choices = (
            (0.34, list(range(last + 1))),
            (0.25, [*called, last]),
            (0.16, [*called, family]),
            (0.07, [*called, any_surname]),
            (0.06, [*given, any_surname]),
            (0.04, [0, 1]),
            (0.03, [last, 0]),
            (0.05, called),
        )
        for share, chosen in choices:
            draw -= share
            if draw < 0:
                return chosen
        return choices[0][1]

    def _company(self, name: CleanName) -> list[str]:
        rng, words = self._rng, list(name.words)
        if len(words) > 2 and rng.random() < 0.12:
            del words[int(rng.integers(1, len(words)))]
        elif len(words) > 1 and rng.random() < 0.04:
            words = words[1:]
        elif len(words[0]) > 6 and rng.random() < 0.03:
            words[0] = words[0][: int(rng.integers(3, 6))]
        keeps_particles = rng.random() < 0.9
        written: list[str] = []
        for word, particle in zip(words, name.particles, strict=False):
            if keeps_particles and written and particle:
                written.append(particle)
            written.append(word)
        return written

    def _misspell(self, word: str) -> str:
        if len(word) < 4 or not word.isalpha():
            return word
        if self._chance(0.09):
            word = self._typo(word)
        if self._chance(0.06):
            fitting = [(old, new) for old, new in SPELLINGS if old in word]
            if fitting:
                old, new = fitting[int(self._rng.integers(len(fitting)))]
                word = word.replace(old, new, 1)
        return word

    def _typo(self, word: str) -> str:
        at, kind = int(self._rng.integers(1, len(word))), int(self._rng.integers(4))
        if kind == 0:
            return word[:at] + word[at + 1 :]
        if kind == 1:
            return word[:at] + word[at] + word[at:]
        if kind == 2 and at + 1 < len(word):
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return word[:at] + self._pick(_NEIGHBOURS[word[at]]) + word[at + 1 :]

    def _beside(self, text: str, word: str) -> str:
        return f"{text} {word}" if self._rng.random() < 0.85 else f"{word} {text}"

    def _decorate(self, text: str) -> str:
        rng = self._rng
        if self._chance(0.09):
            text = f"{self._pick(_HONORIFICS)} {text}"
        if self._chance(0.24):
            text = f"{text} {self._pick(_WEAK)}"
        if self._chance(0.09):  # a word that is in no list, like a place or a trade
            text = self._beside(text, "".join(self._pick(SYLLABLES) for _ in range(int(rng.integers(2, 5)))))
        if self._chance(0.01):  # a word that is part of other names
            text = self._beside(text, self._pick(_COMPANY))
        if self._chance(0.12):
            text = f"{text} os {int(rng.integers(100, 99999))}"
        return text

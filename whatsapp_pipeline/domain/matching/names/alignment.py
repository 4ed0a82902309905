"""Alignment of the words of titles with the words of names, for many pairs at once.

What belongs here: titles as arrays, and deciding which words correspond. What does not: the features that
follow (features.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.names.cleaning import MAX_TITLE_WORDS, CleanName
from whatsapp_pipeline.domain.matching.names.index import (
    Bools,
    Bytes,
    ContactTable,
    Ints,
    TitleWords,
    legal_code,
    particle_code,
)
from whatsapp_pipeline.domain.matching.names.similarity import STRENGTH, Likeness


@dataclass(frozen=True, slots=True)
class TitleBatch:
    """Titles as arrays, padded to MAX_TITLE_WORDS; -1 means no word."""

    word: Ints
    weak: Bools
    particle: Bytes
    company: Bools
    legal: npt.NDArray[np.int64]

    @classmethod
    def of(cls, titles: Sequence[CleanName], words: TitleWords) -> TitleBatch:
        """Return the batch of `titles`, with word numbers from `words`."""
        shape = (len(titles), MAX_TITLE_WORDS)
        word = np.full(shape, -1, dtype=np.int32)
        weak = np.zeros(shape, dtype=np.bool_)
        particle = np.zeros(shape, dtype=np.uint8)
        for row, title in enumerate(titles):
            for column, text in enumerate(title.words):
                word[row, column] = words.number[text]
                weak[row, column] = title.weak[column]
                particle[row, column] = particle_code(title.particles[column])
        company = np.array([title.is_company for title in titles], dtype=np.bool_)
        legal = np.array([legal_code(title.legal) for title in titles], dtype=np.int64)
        return cls(word, weak, particle, company, legal)

    @property
    def counts(self) -> Bools:
        """True for the words that may be part of a name."""
        return (self.word >= 0) & ~self.weak


@dataclass(frozen=True, slots=True)
class Alignment:
    """P pairs of a title and a name.

    `position[p, i]` is the position in the name of the word that corresponds to title word i, or -1;
    `kind[p, i]` is the Likeness of the two words.
    """

    title: Ints
    name: Ints
    position: npt.NDArray[np.int8]
    kind: Bytes


def align(table: ContactTable, words: TitleWords, batch: TitleBatch, title: Ints, name: Ints) -> Alignment:
    """Assign to each title word at most one word of the name: equal words first, then the most alike."""
    likeness = _likeness(table, words, batch, title, name)
    pairs, title_words, _ = likeness.shape
    strength = np.array(STRENGTH, dtype=np.float32)[likeness]
    position = np.full((pairs, title_words), -1, dtype=np.int8)
    kind = np.zeros((pairs, title_words), dtype=np.uint8)
    rows = np.arange(pairs)
    for threshold in (STRENGTH[Likeness.EXACT], 0.01):
        for column in range(title_words):
            best = strength[:, column, :].argmax(axis=1)
            hit = (strength[rows, column, best] >= threshold) & (position[:, column] < 0)
            where, at = rows[hit], best[hit]
            position[where, column] = at
            kind[where, column] = likeness[where, column, at]
            strength[where, :, at] = 0
    return Alignment(title, name, position, kind)


def _likeness(table: ContactTable, words: TitleWords, batch: TitleBatch, title: Ints, name: Ints) -> Bytes:
    """Return the likeness of every title word and every word of the name: P × title words × name words."""
    title_word = batch.word[title][:, :, None]
    name_word = table.words[name][:, None, :]
    likeness: Bytes = words.likeness[title_word, name_word]
    same_letter = words.letter[title_word] == table.letter[name_word]
    one_letter = words.initial[title_word] | table.is_initial[name_word]
    likeness[same_letter & one_letter & (likeness == 0)] = Likeness.INITIAL
    likeness[batch.weak[title][:, :, None] & (likeness != Likeness.EXACT)] = 0
    likeness[(title_word < 0) | (name_word < 0)] = 0
    return likeness


def used_words(alignment: Alignment, width: int) -> Bools:
    """Return which words of the name correspond to a title word: P × `width`."""
    used = np.zeros((len(alignment.title), width), dtype=np.bool_)
    rows = np.arange(len(used))
    for column in range(alignment.position.shape[1]):
        at = alignment.position[:, column]
        hit = at >= 0
        used[rows[hit], at[hit]] = True
    return used


def order_breaks(alignment: Alignment) -> Ints:
    """Return how many matched words of the title come earlier in the name than a previous one."""
    breaks = np.zeros(len(alignment.title), dtype=np.int32)
    furthest = np.full(len(breaks), -1, dtype=np.int8)
    for column in range(alignment.position.shape[1]):
        here = alignment.position[:, column]
        breaks += (here >= 0) & (here < furthest)
        furthest = np.maximum(furthest, here)
    return breaks


def particles(table: ContactTable, batch: TitleBatch, alignment: Alignment) -> tuple[Ints, Ints, Ints, Ints]:
    """Count the particles before matched words: equal, changed, only in the title, only in the name."""
    same = np.zeros(len(alignment.title), dtype=np.int32)
    changed, added, missed = same.copy(), same.copy(), same.copy()
    for column in range(alignment.position.shape[1]):
        at = alignment.position[:, column]
        here = batch.particle[alignment.title, column]
        there = np.where(at >= 0, table.particles[alignment.name, np.maximum(at, 0)], 0)
        same += (here > 0) & (here == there)
        changed += (here > 0) & (here != there) & (there > 0)
        added += (here > 0) & (there == 0) & (at >= 0)
        missed += (here == 0) & (there > 0)
    return same, changed, added, missed

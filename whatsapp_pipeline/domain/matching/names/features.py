"""What speaks for and against a contact being the one a title names, as numbers.

What belongs here: the alignment of a title's words with a name's and the features drawn from it, for a whole
batch at once. What does not: their weights (model.py).

A feature's scale is that of log-likelihoods: `information` of a word is the natural log of one in how many
names hold it, so with a weight of 1 a match says exactly what it says under independence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.names.cleaning import MAX_TITLE_WORDS, CleanName
from whatsapp_pipeline.domain.matching.names.index import (
    ContactTable,
    Floats,
    Ints,
    TitleWords,
    legal_code,
    particle_code,
)
from whatsapp_pipeline.domain.matching.names.similarity import STRENGTH, Likeness

# Name of the feature → how a value of it reads. {v} is the value.
CANDIDATE_FEATURES: dict[str, str] = {
    "exact_words": "{v:.0f} word(s) are the same",
    "exact_information": "the same words are this rare (log odds {v:.1f})",
    "sound_words": "{v:.0f} word(s) sound the same",
    "typo_words": "{v:.0f} word(s) differ by one letter",
    "nickname_words": "{v:.0f} word(s) are a nickname or abbreviation",
    "cut_words": "{v:.0f} word(s) are the beginning of the contact's",
    "far_words": "{v:.0f} word(s) are only distantly alike",
    "initial_words": "{v:.0f} initial(s) fit",
    "inexact_information": "the words that are alike but not the same are this rare (log odds {v:.1f})",
    "inexact_but_known": "a word that is merely alike is a name of its own in the table ({v:.1f})",
    "missed_known_words": "{v:.0f} word(s) of the title are other people's names",
    "missed_known_information": "the title's words that don't fit are this rare ({v:.1f})",
    "missed_new_words": "{v:.0f} word(s) of the title are in nobody's name",
    "missed_initials": "{v:.0f} initial(s) of the title fit nothing",
    "first_word_missed": "the title's first word does not fit",
    "second_word_missed": "the title's second word does not fit",
    "first_with_first": "both begin with the same name",
    "last_with_last": "both end with the same name",
    "name_first_missed": "the title lacks the contact's first name",
    "name_last_missed": "the title lacks the contact's last name",
    "name_words_missed": "the title lacks {v:.0f} word(s) of the contact's name",
    "name_information_missed": "the words that the title lacks are this rare ({v:.1f})",
    "whole_name": "no word of the contact's name is missing",
    "whole_name_exact": "the title is the contact's whole name, letter by letter",
    "all_exact": "every word of the title is in the contact's name",
    "third_exact_word": "{v:.0f} more than two words are the same",
    "first_and_last_only": "the title is the first and the last of the contact's names",
    "first_and_second_only": "the title is the first two of the contact's names",
    "first_and_family_only": "the title is the contact's first name and the first surname",
    "given_and_family": "the title skips surnames but has every given name",
    "given_name_missed": "the title lacks a further given name",
    "pair_broken": "the title lacks one of two given names that go together",
    "pair_kept": "the title has both given names that go together",
    "first_only": "the title is the contact's first name alone",
    "beginning_only": "the title is how the contact's name begins",
    "order_breaks": "{v:.0f} word(s) stand in another order",
    "particles_same": "{v:.0f} particle(s) (da, de, dos …) stand in the same place",
    "particles_other": "{v:.0f} particle(s) of the title are not in the contact's name",
    "particles_missed": "{v:.0f} particle(s) of the contact's name are not in the title",
    "generation_missed": "the contact's Júnior, Filho or Neto is missing in the title",
    "weak_words_same": "{v:.0f} word(s) about devices or jobs are in the contact's name, too",
    "rarer_than_chance": "what fits is rarer than one name in this table (log odds {v:.1f})",
    "commoner_than_chance": "what fits is found in several names of this table (log odds {v:.1f})",
    "legal_form_same": "both have the same legal form",
    "legal_form_other": "both have a legal form, not the same",
    "legal_form_missed": "the title has a legal form, the contact has none",
    "trade_name": "the trade name (fantasia) is what fits",
    "company": "the contact is a company",
}
NONE_FEATURES: dict[str, str] = {
    "constant": "nobody in the table",
    "title_information": "how rare the title's words are together ({v:.1f})",
    "title_first_information": "how rare its first word is as a first name ({v:.1f})",
    "namesakes": "log of how many people of the table one expects to be called so ({v:.1f})",
    "no_namesakes": "how far below one that expectation is (log {v:.1f})",
    "title_words": "{v:.0f} word(s) to compare",
    "one_word": "only one word to compare",
    "two_words": "two words to compare",
    "new_words": "{v:.0f} word(s) that nobody in the table has",
    "title_initials": "{v:.0f} initial(s)",
    "uncovered": "share of the title that even the best candidate leaves open ({v:.2f})",
    "uncovered_information": "what even the best candidate leaves open ({v:.1f})",
    "rivals": "log of how many candidates fit about as well as the best ({v:.1f})",
    "same": "somebody has all the words of the title",
    "same_namesakes": "… and one expects several to be called so (log {v:.1f})",
    "same_no_namesakes": "… and one expects nobody else to be called so (log {v:.1f})",
    "same_rivals": "… and so do others (log {v:.1f})",
    "same_two_words": "… and these are two",
    "best_inexact": "the best candidate is only alike, not the same ({v:.1f})",
    "company_title": "the title names a company",
}
N_CANDIDATE = len(CANDIDATE_FEATURES)
N_NONE = len(NONE_FEATURES)
_COLUMN = {name: i for i, name in enumerate(CANDIDATE_FEATURES)}
_INFORMATION_CAP = 13.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A batch compared (P pairs, sorted by title; T titles).

    `start[t]:start[t + 1]` are title t's pairs; `contact[p]` is a position in the table's `ids`;
    `values` is P × N_CANDIDATE; `none_values` is T × N_NONE; `fit[p]` is a rough score without weights.
    """

    start: npt.NDArray[np.int64]
    contact: Ints
    values: Floats
    none_values: Floats
    fit: Floats


@dataclass(frozen=True, slots=True)
class _Titles:
    """The batch's titles as arrays, padded to MAX_TITLE_WORDS."""

    word: Ints
    weak: npt.NDArray[np.bool_]
    particle: npt.NDArray[np.uint8]
    company: npt.NDArray[np.bool_]
    legal: npt.NDArray[np.int64]

    @classmethod
    def of(cls, titles: Sequence[CleanName], words: TitleWords) -> _Titles:
        shape = (len(titles), MAX_TITLE_WORDS)
        word = np.full(shape, -1, dtype=np.int32)
        weak = np.zeros(shape, dtype=bool)
        particle = np.zeros(shape, dtype=np.uint8)
        for row, title in enumerate(titles):
            for column, text in enumerate(title.words):
                word[row, column] = words.number[text]
                weak[row, column] = title.weak[column]
                particle[row, column] = particle_code(title.particles[column])
        company = np.array([title.is_company for title in titles], dtype=bool)
        legal = np.array([legal_code(title.legal) for title in titles], dtype=np.int64)
        return cls(word, weak, particle, company, legal)


def compare(table: ContactTable, titles: Sequence[CleanName]) -> Comparison:
    """Find and compare the candidates of a batch of titles; memory grows with the batch (see model.py)."""
    titles = [table.unglue(title) for title in titles]
    words = table.read_words(titles)
    title_of, name_of = table.block(titles, words)
    batch = _Titles.of(titles, words)
    likeness = _likeness(table, words, batch, title_of, name_of)
    position, kind = _align(likeness)
    values, fit = _candidate_values(table, words, batch, title_of, name_of, position, kind)
    kept = _best_name_of_each_contact(table, title_of, name_of, fit)
    title_of, name_of, values, fit, kind = title_of[kept], name_of[kept], values[kept], fit[kept], kind[kept]
    start = np.searchsorted(title_of, np.arange(len(titles) + 1))
    none_values = _none_values(table, words, batch, start, title_of, kind, fit)
    return Comparison(start, table.owner[name_of], values, none_values, fit)


def _likeness(
    table: ContactTable, words: TitleWords, batch: _Titles, title_of: Ints, name_of: Ints
) -> npt.NDArray[np.uint8]:
    """Likeness of every title word with every word of the name: P × title words × name words."""
    title_word = batch.word[title_of][:, :, None]
    name_word = table.words[name_of][:, None, :]
    if not len(title_of):
        return np.zeros((0, title_word.shape[1], name_word.shape[2]), dtype=np.uint8)
    likeness = words.likeness[title_word, name_word]
    same_letter = words.letter[title_word] == table.letter[name_word]
    one_letter = words.initial[title_word] | table.is_initial[name_word]
    likeness[same_letter & one_letter & (likeness == 0)] = Likeness.INITIAL
    likeness[batch.weak[title_of][:, :, None] & (likeness != Likeness.EXACT)] = 0
    likeness[(title_word < 0) | (name_word < 0)] = 0
    return likeness


def _align(likeness: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint8]]:
    """Pair each title word with at most one word of the name, the same words first, then the most alike.

    Returns (position in the name or -1, kind), both P × title words.
    """
    pairs, title_words, _ = likeness.shape
    strength = np.array(STRENGTH, dtype=np.float32)[likeness]
    position = np.full((pairs, title_words), -1, dtype=np.int8)
    kind = np.zeros((pairs, title_words), dtype=np.uint8)
    rows = np.arange(pairs)
    for threshold in (1.0, 0.01):
        for column in range(title_words):
            best = strength[:, column, :].argmax(axis=1)
            hit = (strength[rows, column, best] >= threshold) & (position[:, column] < 0)
            where, at = rows[hit], best[hit]
            position[where, column] = at
            kind[where, column] = likeness[where, column, at]
            strength[where, :, at] = 0
    return position, kind


def _candidate_values(  # noqa: PLR0915  a list of features reads best in one place
    table: ContactTable,
    words: TitleWords,
    batch: _Titles,
    title_of: Ints,
    name_of: Ints,
    position: npt.NDArray[np.int8],
    kind: npt.NDArray[np.uint8],
) -> tuple[Floats, Floats]:
    values = np.zeros((len(title_of), N_CANDIDATE), dtype=np.float32)

    def put(name: str, column: npt.NDArray[np.generic]) -> None:
        values[:, _COLUMN[name]] = column

    word = batch.word[title_of]
    weak = batch.weak[title_of]
    counts = (word >= 0) & ~weak
    information = np.minimum(words.information[word], _INFORMATION_CAP)
    known = words.known[word]
    kind_counted = np.where(weak, 0, kind)
    matched = kind_counted > 0
    exact = kind_counted == Likeness.EXACT
    inexact = matched & ~exact
    for name, likeness in (
        ("exact_words", Likeness.EXACT),
        ("sound_words", Likeness.SOUND),
        ("typo_words", Likeness.TYPO),
        ("nickname_words", Likeness.NICKNAME),
        ("cut_words", Likeness.CUT),
        ("far_words", Likeness.FAR),
        ("initial_words", Likeness.INITIAL),
    ):
        put(name, (kind_counted == likeness).sum(axis=1))
    put("exact_information", (information * exact).sum(axis=1))
    put("inexact_information", (information * inexact).sum(axis=1))
    spelled = inexact & (kind_counted != Likeness.INITIAL) & (kind_counted != Likeness.NICKNAME)
    put("inexact_but_known", (known * spelled).sum(axis=1))
    missed = counts & ~matched
    one_letter = words.initial[word]
    missed_known = missed & (known > 0) & ~one_letter
    put("missed_known_words", missed_known.sum(axis=1))
    put("missed_known_information", (information * missed_known).sum(axis=1))
    put("missed_new_words", (missed & (known == 0) & ~one_letter).sum(axis=1))
    put("missed_initials", (missed & one_letter).sum(axis=1))
    put("first_word_missed", missed[:, 0])
    put("second_word_missed", missed[:, 1])
    put("weak_words_same", (weak & (kind > 0)).sum(axis=1))

    name_words = table.words[name_of]
    length = table.length[name_of]
    filled = name_words >= 0
    used = np.zeros(filled.shape, dtype=bool)
    rows = np.arange(len(title_of))
    for column in range(position.shape[1]):
        hit = position[:, column] >= 0
        used[rows[hit], position[hit, column]] = True
    generation = filled & table.is_generation[name_words]
    lacking = filled & ~used
    ends_in_generation = generation[rows, length - 1] & (length > 1)
    last = length - 1 - ends_in_generation
    name_missed = (lacking & ~generation).sum(axis=1)
    title_count = counts.sum(axis=1)
    all_title = ~missed.any(axis=1) & (title_count > 0)
    put("name_words_missed", name_missed)
    put(
        "name_information_missed",
        np.minimum((table.word_information[name_words] * lacking).sum(axis=1), 30.0),
    )
    put("generation_missed", (lacking & generation).any(axis=1))
    put("name_first_missed", ~used[:, 0])
    put("name_last_missed", ~used[rows, last])
    put("first_with_first", position[:, 0] == 0)
    last_title = np.maximum((counts * np.arange(1, MAX_TITLE_WORDS + 1)).max(axis=1) - 1, 0)
    put("last_with_last", (position[rows, last_title] == last) & (last > 0))
    put("whole_name", name_missed == 0)
    put("whole_name_exact", (name_missed == 0) & all_title & ~inexact.any(axis=1))
    put("all_exact", all_title & ~inexact.any(axis=1))
    put("third_exact_word", np.maximum(exact.sum(axis=1) - 2, 0))
    second_used = used[:, 1] & used[:, 0]
    two = all_title & (title_count == 2) & (length - ends_in_generation >= 3)
    put("first_and_last_only", two & used[:, 0] & used[rows, last])
    put("first_and_second_only", two & second_used)
    family = table.family[name_of]
    has_family = (family > 0) & (family < length)
    family_used = has_family & used[rows, np.minimum(family, length - 1)]
    put("first_and_family_only", two & used[:, 0] & family_used)
    given_used = (used | (np.arange(used.shape[1]) >= family[:, None])).all(axis=1)
    put("given_and_family", all_title & given_used & (family > 1) & (name_missed > 0))
    put("given_name_missed", ~given_used & (family > 1) & used[:, 0])
    pair = table.called_by_two[name_of]
    put("pair_broken", pair & used[:, 0] & ~used[:, 1])
    put("pair_kept", pair & used[:, 0] & used[:, 1])
    put("first_only", all_title & (title_count == 1) & used[:, 0] & (length > 1))
    matched_count = used.sum(axis=1)
    begins = used[:, :1].astype(np.int32)[:, 0] * (np.cumprod(used, axis=1).sum(axis=1) == matched_count)
    put("beginning_only", all_title & (begins > 0) & (title_count >= 2) & (name_missed > 0))
    put("order_breaks", _order_breaks(position))
    _put_particles(table, batch, title_of, name_of, position, put)
    surplus = (information * matched).sum(axis=1) - table.log_size
    put("rarer_than_chance", np.clip(surplus, 0, 8))
    put("commoner_than_chance", np.clip(surplus, -6, 0))
    legal, name_legal = batch.legal[title_of], table.legal[name_of]
    put("legal_form_same", (legal > 0) & (legal == name_legal))
    put("legal_form_other", (legal > 0) & (name_legal > 0) & (legal != name_legal))
    put("legal_form_missed", (legal > 0) & (name_legal == 0))
    put("trade_name", table.is_trade[name_of])
    put("company", table.is_company[name_of])

    strength = np.array(STRENGTH, dtype=np.float32)[kind_counted]
    # Words that fit inexactly count less than those left open cost, so that the right name of two wins.
    fit = (information * (strength - 0.4 * missed_known)).sum(axis=1) - 0.3 * name_missed
    return values, fit.astype(np.float32)


def _order_breaks(position: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """How often the next matched word of the title stands before the one matched last."""
    breaks = np.zeros(len(position), dtype=np.int32)
    furthest = np.full(len(position), -1, dtype=np.int8)
    for column in range(position.shape[1]):
        here = position[:, column]
        breaks += (here >= 0) & (here < furthest)
        furthest = np.maximum(furthest, here)
    return breaks


def _put_particles(table, batch, title_of, name_of, position, put) -> None:  # type: ignore[no-untyped-def]
    same = np.zeros(len(title_of), dtype=np.int32)
    other, missed = same.copy(), same.copy()
    rows = np.arange(len(title_of))
    for column in range(position.shape[1]):
        at = position[:, column]
        here = batch.particle[title_of, column]
        there = np.where(at >= 0, table.particles[name_of, np.maximum(at, 0)], 0)
        same += (here > 0) & (here == there)
        other += (here > 0) & (here != there) & (at >= 0)
        missed += (here == 0) & (there > 0)
    del rows
    put("particles_same", same)
    put("particles_other", other)
    put("particles_missed", missed)


def _best_name_of_each_contact(
    table: ContactTable, title_of: Ints, name_of: Ints, fit: Floats
) -> npt.NDArray[np.int64]:
    """Of a contact's two names keep the one that fits best; the pairs stay sorted by title."""
    owner = table.owner[name_of]
    order = np.lexsort((-fit, owner, title_of))
    sorted_title, sorted_owner = title_of[order], owner[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (sorted_title[1:] != sorted_title[:-1]) | (sorted_owner[1:] != sorted_owner[:-1])
    return order[first]


def _none_values(
    table: ContactTable,
    words: TitleWords,
    batch: _Titles,
    start: npt.NDArray[np.int64],
    title_of: Ints,
    kind: npt.NDArray[np.uint8],
    fit: Floats,
) -> Floats:
    counts = (batch.word >= 0) & ~batch.weak
    information = np.minimum(words.information[batch.word], _INFORMATION_CAP) * counts
    total = information.sum(axis=1)
    n_words = counts.sum(axis=1)
    first_information = np.minimum(words.first_information[batch.word[:, 0]], _INFORMATION_CAP) * counts[:, 0]
    values = np.zeros((len(batch.word), N_NONE), dtype=np.float32)
    has = start[1:] > start[:-1]
    covered = np.zeros(len(total), dtype=np.float32)
    rivals = np.zeros(len(total), dtype=np.float32)
    inexact = np.zeros(len(total), dtype=np.float32)
    if has.any():
        at = start[:-1][has]
        best_fit = np.zeros(len(total), dtype=np.float32)
        best_fit[has] = np.maximum.reduceat(fit, at)
        pair_cover = (information[title_of] * (kind > 0)).sum(axis=1)
        near = fit >= best_fit[title_of] - 0.7
        rivals[has] = np.log(np.add.reduceat(near.astype(np.float32), at))
        covered[has] = np.maximum.reduceat(pair_cover * near, at)
        pair_inexact = (information[title_of] * (kind > 1)).sum(axis=1)
        inexact[has] = -np.maximum.reduceat(np.where(near, -pair_inexact, -99.0), at)
    by_place = total - information[:, 0] + first_information
    namesakes = table.log_size - by_place
    same = has & (total - covered < 0.01) & (inexact < 0.01)
    columns = (
        np.ones(len(total)),
        total,
        first_information,
        np.clip(namesakes, 0, 8),
        np.clip(namesakes, -8, 0),
        n_words,
        n_words == 1,
        n_words == 2,
        ((words.known[batch.word] == 0) & counts & ~words.initial[batch.word]).sum(axis=1),
        (words.initial[batch.word] & counts).sum(axis=1),
        1 - covered / np.maximum(total, 1e-3),
        total - covered,
        rivals,
        same,
        same * np.clip(namesakes, 0, 8),
        same * np.clip(namesakes, -8, 0),
        same * rivals,
        same * (n_words == 2),
        inexact,
        batch.company,
    )
    for column, each in enumerate(columns):
        values[:, column] = each
    return values

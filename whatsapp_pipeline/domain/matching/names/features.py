"""Features of a title and a candidate: numbers for and against the title naming that contact.

What belongs here: the features of candidates, for a whole batch at once. What does not: the alignment of
words (alignment.py), the features of "nobody" (nobody.py) and the weights (name_model.py).

Features have the scale of log likelihoods. The information of a word is the natural log of (names in the
table / names with the word), so a weight of 1 is right if words are independent of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.names.alignment import (
    Alignment,
    TitleBatch,
    align,
    order_breaks,
    particles,
    used_words,
)
from whatsapp_pipeline.domain.matching.names.cleaning import MAX_TITLE_WORDS, CleanName
from whatsapp_pipeline.domain.matching.names.gender import differs_in_gender
from whatsapp_pipeline.domain.matching.names.index import Bools, ContactTable, Floats, Ints, TitleWords
from whatsapp_pipeline.domain.matching.names.nobody import INFORMATION_CAP, none_values
from whatsapp_pipeline.domain.matching.names.similarity import STRENGTH, Likeness

Columns = dict[str, npt.NDArray[Any]]

# Name of the feature → text that explains a value. {v} is the value.
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
    "order_breaks": "{v:.0f} word(s) are in another order",
    "particles_same": "{v:.0f} particle(s) (da, de, dos …) are in the same place",
    "particles_changed": "{v:.0f} particle(s) of the title are others in the contact's name",
    "particles_added": "{v:.0f} particle(s) of the title are not in the contact's name",
    "particles_missed": "{v:.0f} particle(s) of the contact's name are not in the title",
    "gender_differs": "the given name is the other gender's form of the contact's",
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
N_CANDIDATE = len(CANDIDATE_FEATURES)
_KIND_FEATURES = {
    "exact_words": Likeness.EXACT,
    "sound_words": Likeness.SOUND,
    "typo_words": Likeness.TYPO,
    "nickname_words": Likeness.NICKNAME,
    "cut_words": Likeness.CUT,
    "far_words": Likeness.FAR,
    "initial_words": Likeness.INITIAL,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Features of a batch: P pairs of a title and a candidate, sorted by title, and T titles.

    `start[t]:start[t + 1]` are the pairs of title t. `contact[p]` is a position in the table's `ids`.
    `values` is P × N_CANDIDATE, `none_values` is T × NONE_FEATURES. `fit[p]` is a rough score without
    weights.
    """

    start: npt.NDArray[np.int64]
    contact: Ints
    values: Floats
    none_values: Floats
    fit: Floats


def compare_titles(table: ContactTable, titles: Sequence[CleanName]) -> Comparison:
    """Find the candidates of a batch of titles and compare them; memory grows with the batch."""
    titles = [table.unglue(title) for title in titles]
    words = table.read_words(titles)
    batch = TitleBatch.of(titles, words)
    alignment = align(table, words, batch, *table.block(titles, words))
    evidence = _Evidence.of(table, words, batch, alignment)
    fit = evidence.rough_fit()
    kept = _best_name_of_each_contact(table, alignment, fit)
    columns = (
        evidence.of_words() | evidence.of_coverage() | evidence.of_shape() | evidence.of_particles_and_kind()
    )
    values = np.empty((len(kept), N_CANDIDATE), dtype=np.float32)
    for column, name in enumerate(CANDIDATE_FEATURES):
        values[:, column] = columns[name][kept]
    title, kind, fit = alignment.title[kept], alignment.kind[kept], fit[kept]
    start = np.searchsorted(title, np.arange(len(titles) + 1))
    nobody = none_values(table, words, batch, start, title, kind, fit)
    return Comparison(start, table.owner[alignment.name[kept]], values, nobody, fit)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Arrays that the groups of features share: P pairs × title words, and P pairs × name words."""

    table: ContactTable
    title_words: TitleWords
    batch: TitleBatch
    alignment: Alignment
    counts: Bools  # the words of the title that may be part of a name
    information: Floats
    known: Floats
    one_letter: Bools
    kind: npt.NDArray[np.uint8]  # of the words that count
    used: Bools
    length: Ints
    last: Ints  # the last word of the name that is not Júnior, Filho or Neto
    generation: Bools

    @classmethod
    def of(cls, table: ContactTable, words: TitleWords, batch: TitleBatch, alignment: Alignment) -> _Evidence:
        word, weak = batch.word[alignment.title], batch.weak[alignment.title]
        name_words, length = table.words[alignment.name], table.length[alignment.name]
        generation = (name_words >= 0) & table.is_generation[name_words]
        ends_in_generation = generation[np.arange(len(length)), length - 1] & (length > 1)
        return cls(
            table,
            words,
            batch,
            alignment,
            (word >= 0) & ~weak,
            np.minimum(words.information[word], INFORMATION_CAP),
            words.known[word],
            words.initial[word],
            np.where(weak, 0, alignment.kind).astype(np.uint8),
            used_words(alignment, name_words.shape[1]),
            length,
            (length - 1 - ends_in_generation).astype(np.int32),
            generation,
        )

    @property
    def missed(self) -> Bools:
        return np.asarray(self.counts & (self.kind == 0), dtype=np.bool_)

    @property
    def inexact(self) -> Bools:
        return self.kind > Likeness.EXACT

    @property
    def all_title(self) -> Bools:
        """Flag pairs in which every word of the title matches one of the name."""
        return np.asarray(~self.missed.any(axis=1) & self.counts.any(axis=1), dtype=np.bool_)

    @property
    def lacking(self) -> Bools:
        """Flag the words of the name that the title does not have."""
        return np.asarray((np.arange(self.used.shape[1]) < self.length[:, None]) & ~self.used, dtype=np.bool_)

    @property
    def lacking_count(self) -> npt.NDArray[np.int64]:
        return np.asarray((self.lacking & ~self.generation).sum(axis=1), dtype=np.int64)

    def rough_fit(self) -> Floats:
        """Return a score of each pair without fitted weights.

        It decides which of a contact's two names is compared, and which contacts are near the best.
        """
        strength = np.array(STRENGTH, dtype=np.float32)[self.kind]
        missed_known = self.missed & (self.known > 0)
        fit = (self.information * (strength - 0.4 * missed_known)).sum(axis=1) - 0.3 * self.lacking_count
        return np.asarray(fit, dtype=np.float32)

    def of_words(self) -> Columns:
        """Return the features of the title's words."""
        exact, missed = self.kind == Likeness.EXACT, self.missed
        # A nickname or initial that is also a name is weak evidence against the match; a variant spelling
        # that is a name of its own is strong evidence.
        spelled = self.inexact & (self.kind != Likeness.INITIAL) & (self.kind != Likeness.NICKNAME)
        missed_known = missed & (self.known > 0) & ~self.one_letter
        surplus = (self.information * (self.kind > 0)).sum(axis=1) - self.table.log_size
        weak = self.batch.weak[self.alignment.title]
        return {name: (self.kind == kind).sum(axis=1) for name, kind in _KIND_FEATURES.items()} | {
            "exact_information": (self.information * exact).sum(axis=1),
            "inexact_information": (self.information * self.inexact).sum(axis=1),
            "inexact_but_known": (self.known * spelled).sum(axis=1),
            "missed_known_words": missed_known.sum(axis=1),
            "missed_known_information": (self.information * missed_known).sum(axis=1),
            "missed_new_words": (missed & (self.known == 0) & ~self.one_letter).sum(axis=1),
            "missed_initials": (missed & self.one_letter).sum(axis=1),
            "first_word_missed": missed[:, 0],
            "second_word_missed": missed[:, 1],
            "weak_words_same": (weak & (self.alignment.kind > 0)).sum(axis=1),
            "third_exact_word": np.maximum(exact.sum(axis=1) - 2, 0),
            "rarer_than_chance": np.clip(surplus, 0, 8),
            "commoner_than_chance": np.clip(surplus, -6, 0),
        }

    def of_coverage(self) -> Columns:
        """Return the features of the contact's name, by the words that the title has of it."""
        rows = np.arange(len(self.used))
        information = self.table.word_information[self.table.words[self.alignment.name]]
        position = self.alignment.position
        last_title = np.maximum((self.counts * np.arange(1, MAX_TITLE_WORDS + 1)).max(axis=1) - 1, 0)
        whole = self.lacking_count == 0
        all_exact = self.all_title & ~self.inexact.any(axis=1)
        return {
            "first_with_first": position[:, 0] == 0,
            "last_with_last": (position[rows, last_title] == self.last) & (self.last > 0),
            "name_first_missed": ~self.used[:, 0],
            "name_last_missed": ~self.used[rows, self.last],
            "name_words_missed": self.lacking_count,
            "name_information_missed": np.minimum((information * self.lacking).sum(axis=1), 30.0),
            "generation_missed": (self.lacking & self.generation).any(axis=1),
            "whole_name": whole,
            "whole_name_exact": whole & all_exact,
            "all_exact": all_exact,
            "order_breaks": order_breaks(self.alignment),
            "gender_differs": self.gender_differs(),
        }

    def gender_differs(self) -> Bools:
        """Return which pairs align a given name with the other gender's form of it: Fábia with Fábio."""
        found = np.zeros(len(self.used), dtype=np.bool_)
        family = self.table.family[self.alignment.name]
        texts = {number: text for text, number in self.title_words.number.items()}
        for column in range(self.kind.shape[1]):
            at = self.alignment.position[:, column]
            rows = np.flatnonzero(self.inexact[:, column] & (at >= 0) & (at < family))
            if not len(rows):
                continue
            title_word = self.batch.word[self.alignment.title[rows], column]
            name_word = self.table.words[self.alignment.name[rows], at[rows]]
            pairs, inverse = np.unique(np.stack([title_word, name_word]), axis=1, return_inverse=True)
            differs = np.array(
                [
                    differs_in_gender(texts[int(one)], self.table.vocabulary.words[int(other)])
                    for one, other in pairs.T
                ]
            )
            found[rows] |= differs[inverse.reshape(-1)]
        return found

    def of_shape(self) -> Columns:
        """Return the features of the pattern by which the title abbreviates a long name.

        People use few patterns.
        """
        rows = np.arange(len(self.used))
        used, all_title = self.used, self.all_title
        title_count = self.counts.sum(axis=1)
        two = all_title & (title_count == 2) & (self.last >= 2) & used[:, 0]
        family = self.table.family[self.alignment.name]
        family_used = (family < self.length) & used[rows, np.minimum(family, self.length - 1)]
        given_used = (used | (np.arange(used.shape[1]) >= family[:, None])).all(axis=1)
        several_given = family > 1
        pair = self.table.called_by_two[self.alignment.name] & used[:, 0]
        begins = np.cumprod(used, axis=1).sum(axis=1) == used.sum(axis=1)
        part = self.lacking_count > 0
        return {
            "first_and_last_only": two & used[rows, self.last],
            "first_and_second_only": two & used[:, 1],
            "first_and_family_only": two & family_used,
            "given_and_family": all_title & given_used & several_given & part,
            "given_name_missed": ~given_used & several_given & used[:, 0],
            "pair_broken": pair & ~used[:, 1],
            "pair_kept": pair & used[:, 1],
            "first_only": all_title & (title_count == 1) & used[:, 0] & (self.length > 1),
            "beginning_only": all_title & used[:, 0] & begins & (title_count >= 2) & part,
        }

    def of_particles_and_kind(self) -> Columns:
        """Return the features of particles, legal forms, and the kind of name."""
        same, changed, added, missed = particles(self.table, self.batch, self.alignment)
        legal, name_legal = self.batch.legal[self.alignment.title], self.table.legal[self.alignment.name]
        return {
            "particles_same": same,
            "particles_changed": changed,
            "particles_added": added,
            "particles_missed": missed,
            "legal_form_same": (legal > 0) & (legal == name_legal),
            "legal_form_other": (legal > 0) & (name_legal > 0) & (legal != name_legal),
            "legal_form_missed": (legal > 0) & (name_legal == 0),
            "trade_name": self.table.is_trade[self.alignment.name],
            "company": self.table.is_company[self.alignment.name],
        }


def _best_name_of_each_contact(
    table: ContactTable, alignment: Alignment, fit: Floats
) -> npt.NDArray[np.int64]:
    """Return the pairs with the better of each contact's two names; they stay sorted by title."""
    owner = table.owner[alignment.name]
    order = np.lexsort((-fit, owner, alignment.title))
    title, sorted_owner = alignment.title[order], owner[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (title[1:] != title[:-1]) | (sorted_owner[1:] != sorted_owner[:-1])
    return order[first]

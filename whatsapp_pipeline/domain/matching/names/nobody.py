"""Features of the answer "none of these": numbers for and against a title naming nobody in the table.

What belongs here: the rarity of the title's words, the expected number of people of that name, and the words
that the best candidate does not explain. What does not: features of candidates (features.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.names.alignment import TitleBatch
from whatsapp_pipeline.domain.matching.names.index import Bytes, ContactTable, Floats, Ints, TitleWords
from whatsapp_pipeline.domain.matching.names.similarity import Likeness

# Upper bound of the information of a word that is in no name, for tables of any size.
INFORMATION_CAP = 13.0
# Candidates whose rough score differs from the best one by at most this much count as near the best.
_NEAR = 0.7

NONE_FEATURES: dict[str, str] = {
    "constant": "nobody in the table",
    "title_information": "how rare the title's words are together ({v:.1f})",
    "title_first_information": "how rare its first word is as a first name ({v:.1f})",
    "namesakes": "expected number of people of this name in the table (log {v:.1f})",
    "no_namesakes": "that expected number is below one (log {v:.1f})",
    "title_words": "{v:.0f} word(s) to compare",
    "one_word": "only one word to compare",
    "two_words": "two words to compare",
    "new_words": "{v:.0f} word(s) that nobody in the table has",
    "title_initials": "{v:.0f} initial(s)",
    "uncovered": "share of the title that the best candidate does not explain ({v:.2f})",
    "uncovered_information": "words that the best candidate does not explain are this rare ({v:.1f})",
    "near_candidates": "number of candidates that fit about as well as the best (log {v:.1f})",
    "same": "somebody has all the words of the title",
    "same_namesakes": "… and several people of this name are expected (log {v:.1f})",
    "same_no_namesakes": "… and nobody else of this name is expected (log {v:.1f})",
    "same_near_candidates": "… and others have them too (log {v:.1f})",
    "same_two_words": "… and these are two",
    "best_inexact": "the best candidate is only alike, not the same ({v:.1f})",
    "company_title": "the title names a company",
    "same_company": "somebody has all the words of the title, and it names a company",
    "same_company_words": "… and these are {v:.0f} word(s)",
    "same_company_namesakes": "… and several of this name are expected (log {v:.1f})",
}


def none_values(
    table: ContactTable,
    words: TitleWords,
    batch: TitleBatch,
    start: npt.NDArray[np.int64],
    title: Ints,
    kind: Bytes,
    fit: Floats,
) -> Floats:
    """Return one row per title and one column per feature of NONE_FEATURES.

    `start`, `title`, `kind` and `fit` describe the pairs with candidates, sorted by title.
    """
    counts = batch.counts
    information = np.minimum(words.information[batch.word], INFORMATION_CAP) * counts
    total = information.sum(axis=1)
    n_words = counts.sum(axis=1)
    first = np.minimum(words.first_information[batch.word[:, 0]], INFORMATION_CAP) * counts[:, 0]
    # If words are independent: the names that begin with the first word and have the others.
    namesakes = table.log_size - (total - information[:, 0] + first)
    covered, near_count, inexact = _best_candidates(information, start, title, kind, fit)
    has = start[1:] > start[:-1]
    same = has & (total - covered < 0.01) & (inexact < 0.01)
    one_letter = words.initial[batch.word]
    columns = {
        "constant": np.ones(len(total)),
        "title_information": total,
        "title_first_information": first,
        "namesakes": np.clip(namesakes, 0, 8),
        "no_namesakes": np.clip(namesakes, -8, 0),
        "title_words": n_words,
        "one_word": n_words == 1,
        "two_words": n_words == 2,
        "new_words": ((words.known[batch.word] == 0) & counts & ~one_letter).sum(axis=1),
        "title_initials": (one_letter & counts).sum(axis=1),
        "uncovered": 1 - covered / np.maximum(total, 1e-3),
        "uncovered_information": total - covered,
        "near_candidates": near_count,
        "same": same,
        "same_namesakes": same * np.clip(namesakes, 0, 8),
        "same_no_namesakes": same * np.clip(namesakes, -8, 0),
        "same_near_candidates": same * near_count,
        "same_two_words": same * (n_words == 2),
        "best_inexact": inexact,
        "company_title": batch.company,
        "same_company": same * batch.company,
        "same_company_words": same * batch.company * n_words,
        "same_company_namesakes": same * batch.company * np.clip(namesakes, -8, 8),
    }
    return np.stack([columns[name] for name in NONE_FEATURES], axis=1).astype(np.float32)


def _best_candidates(
    information: Floats, start: npt.NDArray[np.int64], title: Ints, kind: Bytes, fit: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return three values per title about its best candidates, those whose rough score is near the best.

    They are the largest information that one of them explains, the log of their number, and the smallest
    information of words that are alike but not equal.
    """
    count = len(information)
    covered = np.zeros(count, dtype=np.float32)
    near_count, inexact, best = covered.copy(), covered.copy(), covered.copy()
    has = start[1:] > start[:-1]
    if not has.any():
        return covered, near_count, inexact
    at = start[:-1][has]
    best[has] = np.maximum.reduceat(fit, at)
    near = fit >= best[title] - _NEAR
    near_count[has] = np.log(np.add.reduceat(near.astype(np.float32), at))
    by_word = information[title]
    covered[has] = np.maximum.reduceat((by_word * (kind > 0)).sum(axis=1) * near, at)
    pair_inexact = (by_word * (kind > Likeness.EXACT)).sum(axis=1)
    inexact[has] = np.minimum.reduceat(np.where(near, pair_inexact, np.inf), at)
    return covered, near_count, inexact

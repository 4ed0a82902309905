"""Names of another world: six data sets of the package `autofj`, beside TF-IDF of 3-grams and rapidfuzz.

    pip install --no-deps --target DIR autofj
    python -m bench.link.autofj --data DIR/autofj/benchmark [--sets MemberOfParliament …]

Each set holds names of one kind from two places (`left.csv`, `right.csv`) and which belong together
(`gt.csv`). The left names are the contacts and the right ones the titles. The sets were chosen before any was
measured: three of people, three of organisations.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process
from scipy import sparse

from bench.link.names import Answer, figures
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, fit_name_model
from whatsapp_pipeline.domain.vocabulary import fold_ascii

SETS = ("MemberOfParliament", "ChristianBishop", "Wrestler", "GovernmentAgency", "Hospital", "Museum")


def read(folder: Path) -> tuple[list[ContactName], list[str], list[int | None]]:
    """Return the left names as contacts, the right names as titles, and the contact of each title."""
    contacts = [ContactName(int(row["id"]), row["title"], "") for row in _rows(folder / "left.csv")]
    titles = {int(row["id"]): row["title"] for row in _rows(folder / "right.csv")}
    truth = {int(row["id_r"]): int(row["id_l"]) for row in _rows(folder / "gt.csv")}
    return contacts, list(titles.values()), [truth.get(number) for number in titles]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_model(contacts: Sequence[ContactName], titles: Sequence[str]) -> list[Answer]:
    """The pipeline's name model, fitted on the contacts alone."""
    matches = NameIndex(contacts, fit_name_model(contacts, seed=1)).match(titles)
    return [
        (match.candidates[0].id_contato, match.candidates[0].posterior) if match.candidates else (None, 0.0)
        for match in matches
    ]


def by_trigrams(contacts: Sequence[ContactName], titles: Sequence[str]) -> list[Answer]:
    """The contact of the highest cosine of TF-IDF weighted character 3-grams."""
    numbers: dict[str, int] = {}
    counts = [_trigrams(contact.nome) for contact in contacts]
    for count in counts:
        for gram in count:
            numbers.setdefault(gram, len(numbers))
    holding = Counter(gram for count in counts for gram in count)
    weight = np.array([np.log((1 + len(contacts)) / (1 + holding[gram])) + 1 for gram in numbers])
    left, right = (
        _matrix(each, numbers, weight) for each in (counts, [_trigrams(title) for title in titles])
    )
    answers: list[Answer] = []
    for row in range(len(titles)):
        cosines = (left @ right[row].T).toarray().ravel()
        best = int(cosines.argmax())
        answers.append((contacts[best].id, float(cosines[best])))
    return answers


def _trigrams(text: str) -> Counter[str]:
    padded = f" {' '.join(fold_ascii(text).split())} "
    return Counter(padded[at : at + 3] for at in range(len(padded) - 2))


def _matrix(
    counts: Sequence[Counter[str]],
    numbers: dict[str, int],
    weight: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> sparse.csr_matrix:
    rows, columns, values = [], [], []
    for row, count in enumerate(counts):
        for gram, times in count.items():
            if gram in numbers:
                rows.append(row)
                columns.append(numbers[gram])
                values.append((1 + np.log(times)) * weight[numbers[gram]])
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(len(counts), len(numbers)))
    norm = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
    return sparse.diags(1 / np.maximum(norm, 1e-12)) @ matrix


def by_rapidfuzz(contacts: Sequence[ContactName], titles: Sequence[str]) -> list[Answer]:
    """The contact of rapidfuzz's highest token_sort_ratio."""
    names = [fold_ascii(contact.nome) for contact in contacts]
    answers: list[Answer] = []
    for title in titles:
        found = process.extractOne(fold_ascii(title), names, scorer=fuzz.token_sort_ratio)
        answers.append((contacts[found[2]].id, found[1] / 100) if found else (None, 0.0))
    return answers


CONTESTANTS = {
    "name model": by_model,
    "TF-IDF 3-grams": by_trigrams,
    "rapidfuzz token_sort_ratio": by_rapidfuzz,
}


def measure(folder: Path) -> list[Row]:
    """Measure every contestant on one set."""
    contacts, titles, truth = read(folder)
    rows = []
    for name, contestant in CONTESTANTS.items():
        got = figures(contestant(contacts, titles), truth)
        label = f"{folder.name}, {len(contacts):,} × {len(titles):,}: {name}, recall at precision .95"
        note = f"top-1 {got.top1:.3f}, {got.sure} at p ≥ .95 of which {got.sure_right:.3f} right"
        rows.append(measured(label, "%", [100 * got.recall_at_95], note=note))
        print(f"{label}: {100 * got.recall_at_95:.2f} % {note}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="The folder `benchmark` of the package.")
    parser.add_argument("--sets", nargs="+", default=SETS)
    arguments = parser.parse_args()
    rows = [row for name in arguments.sets for row in measure(arguments.data / name)]
    command = "python -m bench.link.autofj --data DIR"
    notes = [
        "Every right name belongs to a left one; the model reckons with one title in five that does not."
    ]
    print(write("link_autofj", "Names of other kinds", rows, command=command, notes=notes))


if __name__ == "__main__":
    main()

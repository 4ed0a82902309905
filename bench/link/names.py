"""Names: the pipeline's matcher beside its competitors on the same titles, and the ceiling.

    python -m bench.link.names [--contacts 50000] [--titles 4000] [--seed 11] [--competitors]
        [--splink PYTHON] [--reference DIR ...]

`--reference DIR` adds a task read from contacts.csv and truth.csv. Splink runs when `--splink PYTHON` names
an interpreter that has it. Every figure of a run comes from that run.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process

from bench.link import noise_a, noise_b, noise_shop
from bench.link.task import Task
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, fit_name_model
from whatsapp_pipeline.domain.vocabulary import fold_ascii

Answer = tuple[int | None, float]
DIFFLIB_TITLES = 20
RAPIDFUZZ_TITLES = 500


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of the titles whose contact is in the table; precisions and errors are of all titles."""

    top1: float
    best_f1: float
    recall_at_95: float
    calibration_error: float
    sure: int
    sure_right: float

    def note(self) -> str:
        return (
            f"best F1 {self.best_f1:.3f}, top-1 {self.top1:.3f}, "
            f"calibration error {self.calibration_error:.3f}, "
            f"{self.sure} at p ≥ .95 of which {self.sure_right:.3f} right"
        )


def figures(answers: Sequence[Answer], truth: Sequence[int | None]) -> Figures:
    score = np.array([answer[1] for answer in answers])
    right = np.array(
        [answer[0] is not None and answer[0] == real for answer, real in zip(answers, truth, strict=True)]
    )
    present = sum(real is not None for real in truth)
    # A threshold can't separate answers with equal scores, so precision is computed after the last of them.
    order = np.argsort(-score, kind="stable")
    hits, count = np.cumsum(right[order]), np.arange(1, len(order) + 1)
    last = np.append(score[order][1:] != score[order][:-1], True)
    precision, recall = (hits / count)[last], (hits / present)[last]
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-9)).max()
    good = recall[precision >= 0.95]
    band = np.minimum((score * 10).astype(int), 9)
    error = sum(
        abs(score[band == each].mean() - right[band == each].mean()) * (band == each).mean()
        for each in np.unique(band)
    )
    sure = score >= 0.95
    return Figures(
        float(right.sum() / present),
        float(f1),
        float(good.max()) if len(good) else 0.0,
        float(error),
        int(sure.sum()),
        float(right[sure].mean()) if sure.any() else 0.0,
    )


def ours(task: Task, seed: int) -> list[Row]:
    """Fit, match, and compare with the oracle that knows how the titles were made."""
    started = time.perf_counter()
    model = fit_name_model(task.contacts, seed=seed)
    fitted = time.perf_counter()
    index = NameIndex(task.contacts, model)
    matches = index.match(task.titles)
    matched = time.perf_counter()
    answers: list[Answer] = [
        (match.candidates[0].id_contato, match.candidates[0].posterior) if match.candidates else (None, 0.0)
        for match in matches
    ]
    result = figures(answers, task.truth)
    known = [i for i, real in enumerate(task.truth) if real is not None]
    top5 = sum(any(c.id_contato == task.truth[i] for c in matches[i].candidates) for i in known) / len(known)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    label = f"{task.name}, {len(task.contacts):,} × {len(task.titles):,}"
    rows = [
        measured(f"{label}: recall at precision .95", "%", [100 * result.recall_at_95], note=result.note()),
        measured(f"{label}: top-5", "%", [100 * top5]),
        measured(f"{label}: fit", "s", [fitted - started]),
        measured(f"{label}: index and match", "s", [matched - fitted], memory_mb=memory),
    ]
    if task.oracle:
        ceiling = figures(task.oracle, task.truth)
        rows.append(
            measured(
                f"{label}: oracle, recall at precision .95",
                "%",
                [100 * ceiling.recall_at_95],
                note=ceiling.note(),
            )
        )
    return rows


def _measure_competitor(name: str, task: Task, sample: int, answer: Callable[[str], Answer]) -> Row:
    started = time.perf_counter()
    answers = [answer(title) for title in task.titles[:sample]]
    seconds = time.perf_counter() - started
    result = figures(answers, task.truth[:sample])
    whole = seconds / sample * len(task.titles)
    note = f"best F1 {result.best_f1:.3f}, top-1 {result.top1:.3f}; {sample} titles, {whole:,.0f} s for all"
    return measured(
        f"{task.name}: {name}, recall at precision .95", "%", [100 * result.recall_at_95], note=note
    )


def competitors(task: Task) -> list[Row]:
    """difflib as the first plan had it, contact by contact, and rapidfuzz's best scorer for names."""
    names = [(contact.id, contact.fantasia or contact.nome) for contact in task.contacts]
    lowered = [name.lower() for _, name in names]
    folded = [fold_ascii(name) for _, name in names]

    def by_difflib(title: str) -> Answer:
        matcher = difflib.SequenceMatcher(b=title.lower())
        best, score = None, 0.0
        for (number, _), name in zip(names, lowered, strict=True):
            matcher.set_seq1(name)
            ratio = matcher.ratio()
            if ratio > max(score, 0.7):
                best, score = number, ratio
        return best, score

    def by_rapidfuzz(title: str) -> Answer:
        found = process.extractOne(fold_ascii(title), folded, scorer=fuzz.token_set_ratio)
        return (names[found[2]][0], found[1] / 100) if found else (None, 0.0)

    return [
        _measure_competitor("difflib > 0.7", task, DIFFLIB_TITLES, by_difflib),
        _measure_competitor("rapidfuzz token_set_ratio", task, RAPIDFUZZ_TITLES, by_rapidfuzz),
    ]


def splink(task: Task, python: str) -> Row:
    """Run Splink in an interpreter that has it; it reads and writes CSV."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with (path / "contacts.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("id", "nome"), *((c.id, c.fantasia or c.nome) for c in task.contacts)]
            )
        with (path / "titles.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "nome"), *enumerate(task.titles)])
        started = time.perf_counter()
        script = Path(__file__).with_name("splink_competitor.py")
        subprocess.run([python, str(script), folder], check=True, capture_output=True)
        seconds = time.perf_counter() - started
        answers: list[Answer] = [(None, 0.0)] * len(task.titles)
        with (path / "answers.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                answers[int(row["title"])] = (int(row["contact"]), float(row["probability"]))
    return measured(
        f"{task.name}: Splink, recall at precision .95",
        "%",
        [100 * figures(answers, task.truth).recall_at_95],
        note=f"{figures(answers, task.truth).note()}; {seconds:.0f} s",
    )


def reference(folder: Path) -> Task:
    """Read a task kept as contacts.csv (id, nome, fantasia) and truth.csv (title, id_contato)."""
    with (folder / "contacts.csv").open(encoding="utf-8") as file:
        contacts = [ContactName(int(r["id"]), r["nome"], r["fantasia"]) for r in csv.DictReader(file)]
    with (folder / "truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    truth = [int(row["id_contato"]) if row["id_contato"] else None for row in rows]
    return Task("reference task", contacts, [row["title"] for row in rows], truth, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, nargs="+", default=[500, 5000, 50000])
    parser.add_argument("--titles", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--competitors", action="store_true")
    parser.add_argument("--splink", metavar="PYTHON")
    parser.add_argument("--reference", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    tasks = [reference(folder) for folder in arguments.reference]
    tasks += [
        m.make(arguments.seed, n, arguments.titles)
        for n in arguments.contacts
        for m in (noise_a, noise_b, noise_shop)
    ]
    rows: list[Row] = []
    for task in tasks:
        rows.extend(ours(task, arguments.seed))
    if arguments.competitors:
        rows.extend(competitors(tasks[-3]))
    if arguments.splink:
        rows.append(splink(tasks[-3], arguments.splink))
    command = f"python -m bench.link.names --contacts {' '.join(map(str, arguments.contacts))}"
    notes = [
        "The oracle reads through every misspelling and knows the generator's own habits. One title in five "
        "names nobody in the table. Memory is the process's peak so far."
    ]
    flags = " --competitors" if arguments.competitors else ""
    flags += " --splink PYTHON" if arguments.splink else ""
    flags += " --reference DIR …" if arguments.reference else ""
    command = f"{command} --titles {arguments.titles} --seed {arguments.seed}{flags}"
    print(write("link_names", "Names", rows, command=command, notes=notes))


if __name__ == "__main__":
    main()

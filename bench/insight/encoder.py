"""Topics and moods by a small encoder, beside the rules, on sentences that neither saw in training.

    pip install wordllama        # MIT; 16 MB of weights inside the package
    python -m bench.insight.encoder whatsapp_pipeline_tests/domain/summaries/data [--test fourth]

Sentence vectors of the encoder go into a ridge regression for each class. It is trained on all sets of the
folder but `--test`; its regularisation and thresholds are chosen on a fifth of the training set.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline_tests.truth.insight_accuracy import (
    Accuracy,
    Measure,
    macro_f1,
    mood_accuracy,
    topics_accuracy,
)

Floats = npt.NDArray[np.float64]
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_THRESHOLDS = tuple(step / 20 for step in range(1, 17))


def _topics(folder: Path) -> list[tuple[str, frozenset[str]]]:
    path = folder / "topics.tsv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["text"], frozenset(filter(None, (row["topics"] or "").split(";")))) for row in rows]


def _moods(folder: Path) -> list[tuple[str, frozenset[str]]]:
    path = folder / "mood.jsonl"
    if not path.exists():
        return []
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        (
            " \n ".join(said["text"] for said in case["messages"] if said["side"] == "customer"),
            frozenset({"negative"} if case["mood"] == "negative" else ()),
        )
        for case in cases
    ]


class _Encoder(Protocol):
    def embed(self, texts: list[str], *, norm: bool) -> npt.NDArray[np.float32]: ...


def _encoder() -> _Encoder:
    """Return the encoder with the weights of its package; nothing is downloaded."""
    wordllama = importlib.import_module("wordllama")
    package = Path(wordllama.__file__ or "").parent
    loaded: _Encoder = wordllama.WordLlama.load(cache_dir=package, disable_download=True)
    return loaded


def _vectors(encoder: _Encoder, texts: Sequence[str]) -> Floats:
    found = np.asarray(encoder.embed(list(texts), norm=True), dtype=np.float64)
    return np.hstack([found, np.ones((len(texts), 1))])


def _solved(x: Floats, y: Floats, penalty: float) -> Floats:
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y), dtype=np.float64)


def _f1(wanted: Floats, found: npt.NDArray[np.bool_]) -> float:
    hits = float((wanted * found).sum())
    return 2 * hits / max(1.0, float(wanted.sum() + found.sum()))


def _trained(x: Floats, y: Floats) -> tuple[Floats, float]:
    """Return the weights and the threshold of one class, chosen on every fifth example."""
    held = np.arange(len(x)) % 5 == 0
    best = max(
        (
            (_f1(y[held], x[held] @ weights > threshold), penalty, threshold)
            for penalty in _PENALTIES
            for weights in (_solved(x[~held], y[~held], penalty),)
            for threshold in _THRESHOLDS
        ),
        key=lambda one: one[0],
    )
    return _solved(x, y, best[1]), best[2]


def _by_encoder(
    encoder: _Encoder, train: list[tuple[str, frozenset[str]]], test: list[tuple[str, frozenset[str]]]
) -> Accuracy:
    accuracy = Accuracy()
    x, unseen = _vectors(encoder, [text for text, _ in train]), _vectors(encoder, [text for text, _ in test])
    for name in sorted(frozenset[str]().union(*(names for _, names in train))):
        weights, threshold = _trained(x, np.array([float(name in names) for _, names in train]))
        found = unseen @ weights > threshold
        measure = accuracy.measures.setdefault(name, Measure())
        for (_, names), is_found in zip(test, found, strict=True):
            measure.hits += int(name in names and bool(is_found))
            measure.extra += int(name not in names and bool(is_found))
            measure.missed += int(name in names and not is_found)
    return accuracy


def main() -> None:
    """Print the figures of the encoder and of the rules."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--test", default="fourth", help="the set that is not trained on")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    sets = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    encoder = _encoder()
    test = folder / arguments.test
    train = [one for one in sets if one != test]
    topics = _by_encoder(encoder, [row for one in train for row in _topics(one)], _topics(test))
    rules = topics_accuracy(test / "topics.tsv")
    print(f"topics, macro-F1: encoder {macro_f1(topics):.3f}, rules {macro_f1(rules):.3f}")
    moods = _by_encoder(encoder, [row for one in train for row in _moods(one)], _moods(test))
    for name, accuracy in (("encoder", moods), ("rules", mood_accuracy(test / "mood.jsonl"))):
        negative = accuracy.measures["negative"]
        print(f"negative moods: {name} precision {negative.precision:.3f} recall {negative.recall:.3f}")
    texts = [text for text, _ in _topics(test)] * 20
    started = time.perf_counter()
    _vectors(encoder, texts)
    print(f"encoder: {len(texts) / (time.perf_counter() - started):,.0f} texts a second")


if __name__ == "__main__":
    main()

"""Precision and recall of commitments, moods, topics and search on a folder of labelled files.

    python -m bench.insight FOLDER [--errors]

The files are described in whatsapp_pipeline_tests/truth/insight_accuracy.py; a file that is missing is
left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from whatsapp_pipeline_tests.truth.insight_accuracy import (
    Accuracy,
    commitments_accuracy,
    intake_negatives,
    macro_f1,
    mood_accuracy,
    topics_accuracy,
)


def _print(title: str, accuracy: Accuracy, *, errors: bool) -> None:
    print(title)
    for name, one in sorted(accuracy.measures.items()):
        print(f"  {name:20} precision {one.precision:.3f} recall {one.recall:.3f} of {one.hits + one.missed}")
    for line in accuracy.errors if errors else ():
        print(f"    {line}")


def main() -> None:
    """Print the figures of each file that the folder has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--errors", action="store_true", help="print what was read wrongly")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if (path := folder / "commitments.tsv").exists():
        kinds, values = commitments_accuracy(path)
        _print("commitments, by kind", kinds, errors=arguments.errors)
        _print("commitments, with amount, date and length", values, errors=False)
    if (path := folder / "mood.jsonl").exists():
        _print("moods of conversations", mood_accuracy(path), errors=arguments.errors)
    if (path := folder / "intake.txt").exists():
        wrong = intake_negatives(path)
        print(f"plain requests read as negative: {len(wrong)}")
        for line in wrong if arguments.errors else ():
            print(f"    {line}")
    if (path := folder / "topics.tsv").exists():
        topics = topics_accuracy(path)
        _print(f"topics: macro-F1 {macro_f1(topics):.3f}", topics, errors=arguments.errors)


if __name__ == "__main__":
    main()

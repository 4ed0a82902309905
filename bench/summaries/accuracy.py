"""How well sentiment and topics read sentences that were written before the rules.

    python -m bench.summaries.accuracy [--errors] [--sentiment FILE] [--topics FILE]

A FILE is tab-separated, `pos|neg|neu<TAB>text` or `topic|topic<TAB>text`, for a fresh set of your own.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from whatsapp_pipeline.domain.summaries.sentiment import SentimentReader, label_of
from whatsapp_pipeline.domain.summaries.topics import TopicReader

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
_NAMES = {"pos": "positive", "neg": "negative", "neu": "neutral"}


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read `label<TAB>text` lines."""
    rows = (line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line)
    return [(label, text) for label, text in rows]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive text scores above a negative one; ties count half."""
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def sentiment_report(path: Path, *, errors: bool) -> dict[str, float]:
    """Score the file; print its errors if asked."""
    reader = SentimentReader()
    scored = [(label, reader.read(text), text) for label, text in read_pairs(path)]
    if errors:
        for label, sentiment, text in sorted(scored, key=lambda row: row[1].score):
            if label_of(sentiment.score) != _NAMES[label]:
                evidence = text[slice(sentiment.start, sentiment.end)] if sentiment.start is not None else ""
                print(f"{label} {sentiment.score:+.2f}  {text}   [{evidence}]")
    positive = [s.score for label, s, _ in scored if label == "pos"]
    negative = [s.score for label, s, _ in scored if label == "neg"]
    two_class = sum(s > 0 for s in positive) + sum(s <= 0 for s in negative)
    three = sum(label_of(s.score) == _NAMES[label] for label, s, _ in scored)
    return {
        "sentences": len(scored),
        "auc": round(auc(positive, negative), 3),
        "two_class_accuracy": round(two_class / (len(positive) + len(negative)), 3),
        "three_class_accuracy": round(three / len(scored), 3),
    }


def topics_report(path: Path, *, errors: bool) -> dict[str, object]:
    """F1 of each topic that the file has an example of, and their mean."""
    reader = TopicReader()
    hits: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for label, text in read_pairs(path):
        wanted, found = set(filter(None, label.split("|"))), set(reader.read(text).topics)
        hits.update(wanted & found)
        extra.update(found - wanted)
        missed.update(wanted - found)
        if errors and wanted != found:
            print(f"wanted {sorted(wanted)} found {sorted(found)}: {text}")
    names = [name for name in reader.taxonomy.topics if hits[name] + missed[name]]
    f1 = {t: round(2 * hits[t] / max(1, 2 * hits[t] + extra[t] + missed[t]), 3) for t in names}
    return {"macro_f1": round(sum(f1.values()) / len(f1), 3), **f1}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--sentiment", type=Path, default=HERE / "heldout_sentiment.tsv")
    parser.add_argument("--topics", type=Path, default=HERE / "heldout_topics.tsv")
    arguments = parser.parse_args()
    print("topics", topics_report(arguments.topics, errors=arguments.errors))
    print("sentiment", sentiment_report(arguments.sentiment, errors=arguments.errors))


if __name__ == "__main__":
    main()

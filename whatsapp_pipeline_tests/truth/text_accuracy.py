"""How well sentiment and topics read sentences that were written before the rules.

What belongs here: the sentences with their labels, and the measures. What does not: printing them (bench/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from whatsapp_pipeline.domain.summaries.sentiment import SentimentReader, sentiment_label
from whatsapp_pipeline.domain.summaries.topics import TopicReader

HELDOUT_SENTIMENT = Path(__file__).parent / "heldout_sentiment.tsv"
HELDOUT_TOPICS = Path(__file__).parent / "heldout_topics.tsv"
SENTIMENT_NAMES = {"pos": "positive", "neg": "negative", "neu": "neutral"}


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read `label<TAB>text` lines."""
    rows = (line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line)
    return [(label, text) for label, text in rows]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the chance that a positive text scores above a negative one; ties count half."""
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def sentiment_report(path: Path) -> dict[str, float]:
    """Score the sentences of a file: AUC, and accuracy with two classes and with three."""
    reader = SentimentReader()
    scored = [(label, reader.read(text).score) for label, text in read_pairs(path)]
    positive = [score for label, score in scored if label == "pos"]
    negative = [score for label, score in scored if label == "neg"]
    two_class = sum(score > 0 for score in positive) + sum(score <= 0 for score in negative)
    three = sum(sentiment_label(score) == SENTIMENT_NAMES[label] for label, score in scored)
    return {
        "sentences": len(scored),
        "auc": round(auc(positive, negative), 3),
        "two_class_accuracy": round(two_class / (len(positive) + len(negative)), 3),
        "three_class_accuracy": round(three / len(scored), 3),
    }


def topics_report(path: Path) -> dict[str, float]:
    """Return the F1 of each topic that the file has an example of, and their mean."""
    reader = TopicReader()
    hits: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for label, text in read_pairs(path):
        wanted, found = set(filter(None, label.split("|"))), set(reader.read(text).topics)
        hits.update(wanted & found)
        extra.update(found - wanted)
        missed.update(wanted - found)
    names = [name for name in reader.taxonomy.topics if hits[name] + missed[name]]
    f1 = {t: round(2 * hits[t] / max(1, 2 * hits[t] + extra[t] + missed[t]), 3) for t in names}
    return {"macro_f1": round(sum(f1.values()) / len(f1), 3), **f1}

"""Accuracy of sentiment and topics on sentences that were written before the rules.

    python -m bench.summaries.accuracy [--errors] [--sentiment FILE] [--topics FILE]

A FILE is tab-separated, `pos|neg|neu<TAB>text` or `topic|topic<TAB>text`, for a fresh set of your own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from whatsapp_pipeline.domain.summaries.sentiment import SentimentReader, sentiment_label
from whatsapp_pipeline.domain.summaries.topics import TopicReader
from whatsapp_pipeline_tests.truth.text_accuracy import (
    HELDOUT_SENTIMENT,
    HELDOUT_TOPICS,
    SENTIMENT_NAMES,
    read_pairs,
    sentiment_report,
    topics_report,
)


def sentiment_errors(path: Path) -> None:
    """Print the sentences that are read wrongly, with the words that decided."""
    reader = SentimentReader()
    scored = [(label, reader.read(text), text) for label, text in read_pairs(path)]
    for label, sentiment, text in sorted(scored, key=lambda row: row[1].score):
        if sentiment_label(sentiment.score) != SENTIMENT_NAMES[label]:
            evidence = text[slice(sentiment.start, sentiment.end)] if sentiment.start is not None else ""
            print(f"{label} {sentiment.score:+.2f}  {text}   [{evidence}]")


def topic_errors(path: Path) -> None:
    """Print the sentences whose topics are not those of their label."""
    reader = TopicReader()
    for label, text in read_pairs(path):
        wanted, found = set(filter(None, label.split("|"))), set(reader.read(text).topics)
        if wanted != found:
            print(f"wanted {sorted(wanted)} found {sorted(found)}: {text}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--sentiment", type=Path, default=HELDOUT_SENTIMENT)
    parser.add_argument("--topics", type=Path, default=HELDOUT_TOPICS)
    arguments = parser.parse_args()
    if arguments.errors:
        topic_errors(arguments.topics)
        sentiment_errors(arguments.sentiment)
    print("topics", topics_report(arguments.topics))
    print("sentiment", sentiment_report(arguments.sentiment))


if __name__ == "__main__":
    main()

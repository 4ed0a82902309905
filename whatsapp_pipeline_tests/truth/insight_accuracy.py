"""How well commitments, moods and topics are read in labelled sentences.

What belongs here: reading such a folder of files and measuring. What does not: printing (bench/insight),
and the sentences (the tests' data).

Files of a folder, each optional
- commitments.tsv: id, side, sent_at, text, label; a label is `kind=value;kind=value`, empty for none. Amounts
  with or without cents, and lengths in days, months (30 days) or years (365 days), are the same.
- mood.jsonl: {"messages": [{"side", "text"}], "mood", "problem_described", "urgent"}.
- intake.txt: a neutral request for repair in each line.
- topics.tsv: id, side, text, topics (`a;b`).
- search.tsv: query, must_find, must_not_find.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from whatsapp_pipeline.domain.commitments.mentions import EVIDENCE_KINDS, Mention
from whatsapp_pipeline.domain.commitments.rules import read_commitments
from whatsapp_pipeline.domain.commitments.status import national_holidays
from whatsapp_pipeline.domain.commitments.when import resolve_day
from whatsapp_pipeline.domain.summaries.sentiment import sentiment_label
from whatsapp_pipeline.domain.summaries.text_reading import MessageReader, Reading
from whatsapp_pipeline.store.chats.search import MessageSearch, SearchQuery, find_messages, search_messages
from whatsapp_pipeline.store.chats.search_words import add_new_words
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.summaries_data import Said, add_chat

_DATED = {"deadline_promised", "pickup_agreed"}


@dataclass
class Measure:
    """Counts of one class: found and right, found and wrong, missed."""

    hits: int = 0
    extra: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Share of what was found that is right."""
        return self.hits / max(1, self.hits + self.extra)

    @property
    def recall(self) -> float:
        """Share of what is right that was found."""
        return self.hits / max(1, self.hits + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.hits / max(1, 2 * self.hits + self.extra + self.missed)


@dataclass
class Accuracy:
    """Measures by class, and the lines that were read wrongly."""

    measures: dict[str, Measure] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def count(self, wanted: Counter[str], found: Counter[str]) -> None:
        """Count one example."""
        for name in wanted | found:
            measure = self.measures.setdefault(name, Measure())
            hits = min(wanted[name], found[name])
            measure.hits += hits
            measure.extra += found[name] - hits
            measure.missed += wanted[name] - hits


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def value_of(mention: Mention, sent_at: datetime) -> str:
    """Write a mention as the labels do: `price_quoted=350.00`, `deadline_promised=2024-09-12T18:00`."""
    if mention.amount is not None:
        return f"{mention.kind}={mention.amount:.2f}"
    if mention.length is not None:
        return f"{mention.kind}={mention.length}"
    if mention.due is None or mention.kind not in _DATED:
        return mention.kind
    day, time = resolve_day(mention.due, sent_at, national_holidays(None))
    if day is None:
        return mention.kind
    shown = f"T{time:%H:%M}" if time and mention.kind == "deadline_promised" else ""
    return f"{mention.kind}={day}{shown}"


_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def _canonical(label: str) -> str:
    """Write a label in one form: amounts with cents, lengths in days."""
    kind, _, value = label.partition("=")
    if kind == "price_quoted" and value:
        return f"{kind}={float(value):.2f}"
    if kind == "warranty_given" and value:
        return f"{kind}={int(value[:-1]) * _DAYS[value[-1]]}d"
    return label


def commitments_accuracy(path: Path) -> tuple[Accuracy, Accuracy]:
    """Measure commitments by kind alone, and by kind with amount, date or length."""
    kinds, values = Accuracy(), Accuracy()
    for row in _rows(path):
        wanted = [_canonical(label) for label in filter(None, (row["label"] or "").split(";"))]
        at = datetime.fromisoformat(row["sent_at"])
        found = [
            _canonical(value_of(mention, at))
            for mention in read_commitments(row["text"])
            if mention.side == row["side"] and mention.kind not in EVIDENCE_KINDS
        ]
        kinds.count(*(Counter(one.partition("=")[0] for one in many) for many in (wanted, found)))
        for name in {one.partition("=")[0] for one in (*wanted, *found)}:
            exact = Accuracy()
            exact.count(
                *(Counter(one for one in many if one.partition("=")[0] == name) for many in (wanted, found))
            )
            total = values.measures.setdefault(name, Measure())
            for measure in exact.measures.values():
                total.hits += measure.hits
                total.extra += measure.extra
                total.missed += measure.missed
        if sorted(wanted) != sorted(found):
            kinds.errors.append(f"wanted {wanted} found {found}: {row['side']}: {row['text']}")
    return kinds, values


def conversation_mood(readings: list[Reading]) -> str:
    """Return the mood of a conversation as the summaries' SQL adds it up."""
    opinions = [float(one.score * one.weight) for one in readings if sentiment_label(one.score) != "neutral"]
    weight = sum(one.weight for one in readings if sentiment_label(one.score) != "neutral")
    return sentiment_label(sum(opinions) / (weight + 0.5))


def mood_accuracy(path: Path) -> Accuracy:
    """Measure the moods of conversations, and whether a problem and urgency are seen."""
    reader, accuracy = MessageReader(), Accuracy()
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        texts = [message["text"] for message in case["messages"] if message["side"] == "customer"]
        readings = [reader.read(text) for text in texts]
        mood = conversation_mood(readings)
        wanted = Counter(
            {case["mood"]: 1, "problem": int(case["problem_described"]), "urgent": int(case["urgent"])}
        )
        found = Counter(
            {
                mood: 1,
                "problem": int(any(one.problem for one in readings)),
                "urgent": int(any(one.urgent for one in readings)),
            }
        )
        accuracy.count(+wanted, +found)
        if mood != case["mood"]:
            accuracy.errors.append(f"wanted {case['mood']} found {mood}: {' / '.join(texts)}")
    return accuracy


def intake_negatives(path: Path) -> list[str]:
    """Return the plain requests for repair that are read as negative."""
    reader = MessageReader()
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if sentiment_label(reader.read(line).score) == "negative"]


def topics_accuracy(path: Path) -> Accuracy:
    """Measure topics; what only customers say is not counted in the staff's messages, as in the summaries."""
    reader, accuracy = MessageReader(), Accuracy()
    for row in _rows(path):
        wanted = set(filter(None, (row["topics"] or "").split(";")))
        found = set(reader.read(row["text"]).topics)
        if row["side"] == "staff":
            found -= reader.taxonomy.customer_only
        accuracy.count(Counter(wanted), Counter(found))
        if wanted != found:
            accuracy.errors.append(f"wanted {sorted(wanted)} found {sorted(found)}: {row['text']}")
    return accuracy


def macro_f1(accuracy: Accuracy) -> float:
    """Return the mean F1 of the classes that have an example."""
    known = [one.f1 for one in accuracy.measures.values() if one.hits + one.missed]
    return sum(known) / max(1, len(known))


def search_misses(conn: Connection, path: Path) -> tuple[int, list[str]]:
    """Put the messages of a search file into a database; return how many queries it has, and those that fail.

    A query fails where its message is not found, or the one that it must not find is.
    """
    cases = list(_rows(path))
    texts = list(dict.fromkeys(row[name] for row in cases for name in ("must_find", "must_not_find")))
    said = [Said(minute, "from", text) for minute, text in enumerate(texts)]
    add_chat(conn, None, "search", said, status="unmatched")
    add_new_words(conn)
    numbers = dict(conn.execute("SELECT message_text, id FROM chat_messages").fetchall())
    failed = []
    for row in cases:
        by_command = {hit.message_id for hit in search_messages(conn, SearchQuery(row["query"], limit=200))}
        by_page = {hit.message_id for hit in find_messages(conn, MessageSearch(row["query"], limit=200))}
        wanted, other = numbers[row["must_find"]], numbers[row["must_not_find"]]
        if by_command != by_page:
            failed.append(f"{row['query']}: command and console differ")
        elif wanted not in by_command:
            failed.append(f"{row['query']}: not found: {row['must_find']}")
        elif other in by_command:
            failed.append(f"{row['query']}: found: {row['must_not_find']}")
    return len(cases), failed

"""All that the rules read in one message's text, in one pass over its words."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from whatsapp_pipeline.domain.summaries.patterns import place, tokenize
from whatsapp_pipeline.domain.summaries.sentiment import SentimentReader
from whatsapp_pipeline.domain.summaries.topics import TopicReader, load_taxonomy

# Raised when a rule in the code changes what is read: kept readings are then read again.
RULES_VERSION = "1"
# Longer texts are pasted documents: what the customer has to say stands at the beginning.
TEXT_LIMIT = 2000
_FAULT_WEIGHT = 0.25
_HAPPY = 0.5
_MARKS = frozenset(".,;!\n")


class Reading(NamedTuple):
    """What one text says. `start`, `end`: place of the phrase that decides the score, if any."""

    score: float
    weight: float
    start: int | None
    end: int | None
    closes: bool
    topics: tuple[str, ...]
    equipment: tuple[str, ...]
    parts: tuple[str, ...]


class MessageReader:
    """Reads texts with the packaged lexicon and one taxonomy."""

    def __init__(self, taxonomy: Path | None = None) -> None:
        self._sentiment = SentimentReader()
        self._topics = TopicReader(load_taxonomy(taxonomy))
        self.taxonomy = self._topics.taxonomy
        digests = (RULES_VERSION, self._sentiment.lexicon.digest, self.taxonomy.digest)
        self.rules = sha256("/".join(digests).encode()).hexdigest()[:16]

    def read(self, text: str) -> Reading:
        """Read one text; only its first TEXT_LIMIT characters count."""
        text = text[:TEXT_LIMIT]
        forms = tokenize(text)
        score, first, last = self._sentiment.read_forms(forms)
        start, end = (None, None) if first is None or last is None else place(text, first, last)
        topics, equipment, parts = self._topics.read_forms(forms)
        describes = (
            score < 0
            and not self.taxonomy.faults.isdisjoint(topics)
            and self.taxonomy.complaints.isdisjoint(topics)
        )
        closing = self._sentiment.lexicon.closing
        closes = bool(forms) and (
            all(form in closing or form in _MARKS for form in forms)
            or (score >= _HAPPY and self.taxonomy.praises.issuperset(topics) and "?" not in forms)
        )
        return Reading(
            score, _FAULT_WEIGHT if describes else 1.0, start, end, closes,
            topics, equipment, parts,
        )  # fmt: skip

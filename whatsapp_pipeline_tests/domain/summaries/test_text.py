"""The sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.summaries.text import Facts, compose, say_duration

FACTS = Facts(
    messages=3, customer=2, staff=1, conversations=1, first_at=datetime(2025, 1, 5, 10),
    last_at=datetime(2025, 1, 6, 9), first_ref="chat:1", last_ref="chat:3", last_speaker="customer",
    frequency="rare", topics=[], terms=[], sentiment="neutral", mood=None, mood_change=None, mood_ref=None,
    reply_median=None, reply_p90=None, reply_median_business=None, reply_refs=[], orders=[],
    waiting_since=None, waiting_ref=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "menos de 1 min"), (59, "menos de 1 min"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"),
        (12_000, "3 h 20 min"), (86_400, "1 dia"), (187_200, "2 dias e 4 h"),
    ],
)  # fmt: skip
def test_durations(seconds: int, words: str) -> None:
    assert say_duration(seconds) == words


optional = {
    "topics": [{"name": "prazo", "share": 0.5, "evidence": "chat:2"}],
    "mood": 0.4, "reply_median": 300, "waiting_since": datetime(2025, 1, 6, 9),
    "orders": [
        {
            "id": 7, "number": "30123", "status": "6", "equipment": None, "opened": "2025-01-05",
            "closed": None, "evidence": "chat:1", "open": True,
        }
    ],
}  # fmt: skip
evidence: dict[str, dict[str, Any]] = {
    "mood": {"mood_ref": "chat:2"},
    "reply_median": {"reply_p90": 900, "reply_median_business": 300, "reply_refs": ["chat:1", "chat:2"]},
    "waiting_since": {"waiting_ref": "chat:3"},
}


@given(st.sets(st.sampled_from(sorted(optional))))
def test_three_to_six_sentences_each_with_evidence(chosen: set[str]) -> None:
    values: dict[str, Any] = {name: optional[name] for name in chosen}
    for name in chosen:
        values |= evidence.get(name, {})
    claims = compose(FACTS._replace(**values))
    assert 3 <= len(claims) <= 6
    assert all(claim["messages"] or claim["orders"] for claim in claims)
    assert all(claim["text"].endswith(".") for claim in claims)
    assert ("Em aberto" in claims[-1]["text"]) == bool(chosen & {"waiting_since", "orders"})

"""Evidence: sessions are those of the sorted messages, however the file is ordered and cut into windows."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.chat_evidence import SESSION_SCHEMA, EvidenceCollector
from whatsapp_pipeline.domain.titles import find_order_numbers
from whatsapp_pipeline.domain.transcripts.chat_message import MESSAGE_SCHEMA
from whatsapp_pipeline.domain.vocabulary import find_devices, find_stages

START = datetime(2025, 1, 1)


class Session(NamedTuple):
    """A session as it comes."""

    number: int
    start: datetime
    end: datetime
    message_count: int
    order_numbers: list[str]
    devices: list[str]
    stages: list[str]


class Said(NamedTuple):
    """A message of a chat, so many hours after START."""

    chat: int
    hour: int
    text: str = ""
    direction: str | None = "from"


def frame_of(said: Sequence[Said], *, before: int = 0) -> pl.DataFrame:
    """The messages as the reader hands them on; `before` messages stood in earlier windows."""
    rows = [
        {
            "chat": message.chat,
            "ordinal": before + place,
            "direction": message.direction,
            "timestamp": START + timedelta(hours=message.hour),
            "text": message.text,
        }
        for place, message in enumerate(said, start=1)
    ]
    return pl.DataFrame(rows, schema=MESSAGE_SCHEMA)


def by_chat(sessions: pl.DataFrame) -> dict[int, list[Session]]:
    assert dict(sessions.schema) == SESSION_SCHEMA
    chats: dict[int, list[Session]] = {}
    for chat, *rest in sessions.iter_rows():
        chats.setdefault(chat, []).append(Session(*rest))
    return chats


def collect(said: Sequence[Said], *, cuts: Sequence[int] = ()) -> dict[int, list[Session]]:
    """The sessions of chats whose messages come in windows that end at `cuts`."""
    collector = EvidenceCollector()
    places = [0, *sorted(min(cut, len(said)) for cut in cuts)]
    for start, end in pairwise(places):
        assert collector.add(frame_of(said[start:end], before=start), []).is_empty()
    last = frame_of(said[places[-1] :], before=places[-1])
    return by_chat(collector.add(last, {message.chat for message in said}))


def expected(said: Sequence[Said]) -> dict[int, list[Session]]:
    """The same, message by message."""
    chats: dict[int, list[Session]] = {}
    for message in sorted(said, key=lambda message: message[:2]):  # a stable sort: else as they stand
        if message.direction == "notification":
            continue
        sessions = chats.setdefault(message.chat, [])
        at = START + timedelta(hours=message.hour)
        if not sessions or at - sessions[-1].end >= timedelta(hours=24):
            sessions.append(Session(len(sessions) + 1, at, at, 0, [], [], []))
        session = sessions[-1] = sessions[-1]._replace(end=at, message_count=sessions[-1].message_count + 1)
        for keys, found in (
            (session.order_numbers, find_order_numbers(message.text)),
            (session.devices, find_devices(message.text)),
            (session.stages, find_stages(message.text)),
        ):
            keys.extend(key for key in found if key not in keys)
    return chats


TEXTS = st.sampled_from(
    [
        "",
        "oi",
        "OS 30123",
        "a O.S. 30124 e a OS 30123",
        "notebook dell",
        "PRONTO",
        "orçamento, pronto",
        "tv_pronto",
        "tv\u0301 e nota fiscal\n\niphone11 ps4",
        "ＮＯＴＥＢＯＯＫ",
    ]
)
MESSAGES = st.lists(
    st.builds(Said, st.integers(0, 2), st.integers(0, 200), TEXTS, st.sampled_from(["from", "to", None])),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 25), max_size=4))
@pytest.mark.slow
def test_sessions_are_those_of_the_sorted_messages(said: list[Said], cuts: list[int]) -> None:
    assert collect(said, cuts=cuts) == expected(said)


def test_notifications_neither_open_nor_bridge_a_session() -> None:
    said = [
        Said(0, 0, "notebook pronto"),
        Said(0, 20, "tv", "notification"),
        Said(0, 40, "notebook pronto"),
        Said(0, 90, "tv", "notification"),
        Said(1, 0, "tv", "notification"),
    ]
    assert collect(said) == {
        0: [
            Session(1, START, START, 1, [], ["notebook"], ["closing"]),
            Session(
                2, START + timedelta(hours=40), START + timedelta(hours=40), 1, [], ["notebook"], ["closing"]
            ),
        ]
    }


def test_chats_that_are_over_are_forgotten() -> None:
    collector = EvidenceCollector()
    first = by_chat(collector.add(frame_of([Said(0, 0, "tv"), Said(1, 0, "tv"), Said(2, 0, "tv")]), [0, 2]))
    assert set(first) == {0, 2}
    second = by_chat(collector.add(frame_of([Said(1, 23, "OS 30123")], before=3), [1]))
    assert [(s.message_count, s.order_numbers, s.devices) for s in second[1]] == [(2, ["30123"], ["tv"])]
    assert collector.add(frame_of([]), [0, 1, 2]).is_empty()


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"])))
@pytest.mark.slow
def test_texts_are_searched_whatever_their_characters(text: str) -> None:
    """Unicode's later characters are left out: Python does not know them yet, the other engine may."""
    spread = "".join(f"{letter}\u200b" for letter in unicodedata.normalize("NFKD", "orçamento"))
    said = [Said(0, 0, f"{text} {spread} {text}, OS 30123; {text}")]
    assert collect(said) == expected(said)

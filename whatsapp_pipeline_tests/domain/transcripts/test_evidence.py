"""Evidence: sessions are those of the sorted messages, however the file is ordered and cut into batches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts import Message
from whatsapp_pipeline.domain.transcripts.evidence import Evidence, EvidenceCollector

from .helpers import Said, block, parse, write_block

START = datetime(2025, 1, 1)


def words(start: str) -> Callable[[str], list[str]]:
    return lambda text: [word for word in text.split() if word.startswith(start)]


def collect(batches: list[list[Message]]) -> Evidence:
    collector = EvidenceCollector(
        find_order_numbers=words("os"), find_devices=words("note"), find_stages=words("pronto")
    )
    for batch in batches:
        collector.add(batch)
    return collector.result()


def messages_at(hours: list[int]) -> list[Message]:
    return parse(write_block([Said(START + timedelta(hours=h), "Maria", f"os{h}") for h in hours])).messages


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(1, 7))
def test_sessions_are_those_of_the_sorted_times(hours: list[int], size: int) -> None:
    messages = messages_at(hours)
    evidence = collect([messages[at : at + size] for at in range(0, len(messages), size)])
    expected: list[list[int]] = []
    for hour in sorted(hours):
        if expected and hour - expected[-1][-1] < 24:
            expected[-1].append(hour)
        else:
            expected.append([hour])
    assert [(s.start, s.end, s.message_count) for s in evidence.sessions] == [
        (START + timedelta(hours=run[0]), START + timedelta(hours=run[-1]), len(run)) for run in expected
    ]
    assert [set(s.order_numbers) for s in evidence.sessions] == [
        {f"os{hour}" for hour in run} for run in expected
    ]
    assert [s.number for s in evidence.sessions] == list(range(1, len(expected) + 1))


def test_notifications_count_as_messages_but_open_and_bridge_no_session() -> None:
    text = "".join(
        block(f"{START + timedelta(hours=hour)} {who}", "notebook pronto")
        for hour, who in [
            (0, "from Ana - Lida"),
            (20, "notification"),
            (40, "from Ana - Lida"),
            (90, "notification"),
        ]
    )
    evidence = collect([parse(text).messages])
    assert [(s.message_count, s.devices, s.stages) for s in evidence.sessions] == [
        (1, ("notebook",), ("pronto",)), (1, ("notebook",), ("pronto",)),
    ]  # fmt: skip
    assert (evidence.message_count, evidence.last_time) == (4, START + timedelta(hours=90))


def test_phones_are_counted_and_the_readers_summary_adds_staffs_headers() -> None:
    result = parse(
        block("2025-01-01 10:00:00 from Ana (+554199990000) - Lida", "oi")
        + block("2025-01-01 10:00:00 to +55 41 99999-0000 - Lida", "oi")
    )
    collector = EvidenceCollector(
        find_order_numbers=words("x"), find_devices=words("x"), find_stages=words("x")
    )
    collector.add(result.messages)
    assert dict(collector.result().header_phones) == {"+554199990000": 1}
    assert len(collector.result(result.summaries[0]).header_phones) == 2


def test_a_chat_of_nothing_has_no_session() -> None:
    assert collect([[]]) == Evidence({}, None, None, 0, ())

"""What is done on whole columns equals what would be done one by one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts.chats import Journal
from whatsapp_pipeline.domain.transcripts.columns import ROW_SCHEMA, Clock, body_hashes, messages_of

START = datetime(2018, 11, 3)
keys = st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.integers(0, 1))


@settings(max_examples=400, deadline=None)
@given(st.lists(keys, min_size=1, max_size=40), st.integers(1, 9), st.booleans())
@pytest.mark.slow
def test_occurrences_are_those_of_a_plain_count(
    rows: list[tuple[int, str, int]], size: int, in_order: bool
) -> None:
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    seen: Counter[tuple[int, str, int]] = Counter()
    expected = []
    for row in rows:
        seen[row] += 1
        expected.append(seen[row])
    journal, found = Journal(), list[int]()
    chat = journal.open(0, 1, None, 1, "block")
    for at in range(0, len(rows), size):
        times, senders, texts = zip(*rows[at : at + size], strict=True)
        columns = {
            "chat": [chat.number] * len(times),
            "timestamp": [START + timedelta(minutes=time) for time in times],
            "identity": senders,
            "hashed": [str(text) for text in texts],
        }
        nothing = {name: [None] * len(times) for name in ROW_SCHEMA if name not in columns}
        window = pl.DataFrame({**columns, **nothing}, schema_overrides=dict(ROW_SCHEMA)).select(*ROW_SCHEMA)
        found += messages_of(window, journal, ZoneInfo("UTC"), identities=True)["occurrence"].to_list()
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.datetimes(), min_size=1, max_size=10),
    st.sampled_from(["America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
@pytest.mark.slow
def test_instants_are_the_zones_own(times: list[datetime], zone: str) -> None:
    clock = Clock(ZoneInfo(zone))
    found_times = clock.resolve(pl.Series(times, dtype=pl.Datetime("us")))
    for found, time in zip(found_times, times, strict=True):
        if 2 < time.year < 9999:
            assert found == time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_body_hashes_fit_the_database_and_tell_texts_apart() -> None:
    hashes = body_hashes(
        pl.Series([f"mensagem {number}" for number in range(50_000)] + ["", "é😀"])
    ).to_list()
    assert len(set(hashes)) == len(hashes)
    assert all(-(2**63) <= value < 2**63 for value in hashes)

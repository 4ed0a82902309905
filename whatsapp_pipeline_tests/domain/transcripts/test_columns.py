"""What is done on whole columns equals what would be done one by one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts.columns import Clock, Identities, body_hashes

START = datetime(2018, 11, 3)
keys = st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.integers(0, 1))


@settings(max_examples=400, deadline=None)
@given(st.lists(keys, min_size=1, max_size=40), st.integers(1, 9), st.booleans())
def test_occurrences_are_those_of_a_plain_count(
    rows: list[tuple[int, str, int]], size: int, in_order: bool
) -> None:
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    seen: Counter[tuple[int, str, int]] = Counter()
    expected = []
    for row in rows:
        seen[row] += 1
        expected.append(seen[row])
    identities, found = Identities(), list[int]()
    for at in range(0, len(rows), size):
        times, senders, hashes = zip(*rows[at : at + size], strict=True)
        found += identities.occurrences([START + timedelta(minutes=time) for time in times], senders, hashes)
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.datetimes(), min_size=1, max_size=10),
    st.sampled_from(["America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_instants_are_the_zones_own(times: list[datetime], zone: str) -> None:
    clock = Clock(ZoneInfo(zone))
    for found, time in zip(clock.resolve(times), times, strict=True):
        if 2 < time.year < 9999:
            assert found == time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_body_hashes_fit_the_database_and_tell_texts_apart() -> None:
    hashes = body_hashes([f"mensagem {number}" for number in range(50_000)] + ["", "é😀"])
    assert len(set(hashes)) == len(hashes)
    assert all(-(2**63) <= value < 2**63 for value in hashes)

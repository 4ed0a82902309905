"""What is found for many places of a text at once is what would be found one by one."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts.block.block_header import parse_header_time, times_at
from whatsapp_pipeline.domain.transcripts.block.block_labels import CUT, SEPARATOR, separators
from whatsapp_pipeline.domain.transcripts.lines import Lines

texts = st.lists(st.sampled_from(["\n", "\n\n", "a", "é ok", "😀", SEPARATOR, "-" * 51, "x" * 70])).map(
    "".join
)
times = st.one_of(
    st.datetimes().map(lambda time: f"{time:%H:%M:%S}").map("2024-02-29 {}".format),
    st.tuples(*(st.integers(0, most) for most in (9999, 13, 32, 25, 61, 61))).map(
        lambda fields: "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*fields)
    ),
    st.text("0129-: x", min_size=19, max_size=19),
)


def lines_of(text: str) -> Lines:
    data = text.encode()
    return Lines(data, len(data))


@settings(max_examples=200, deadline=None)
@given(texts)
def test_lines_are_those_of_the_text(text: str) -> None:
    lines, expected = lines_of(text), text.split("\n")
    numbers = np.arange(len(lines))
    assert lines.texts(lines.starts, lines.ends).to_list() == expected
    assert lines.line_of(lines.starts).tolist() == lines.line_of(lines.ends).tolist() == numbers.tolist()
    filled = [number for number, line in enumerate(expected) if line]
    behind = [min((at for at in filled if at >= number), default=-1) for number in range(len(lines) + 1)]
    before = [max((at for at in filled if at <= number), default=-1) for number in numbers.tolist()]
    assert lines.filled_from(np.arange(len(lines) + 1)).tolist() == behind
    assert lines.filled_to(numbers).tolist() == before


@settings(max_examples=200, deadline=None)
@given(texts, st.sampled_from(["a", "é ok", "\n\n", "-" * 8]))
def test_words_are_told_at_any_place(text: str, word: str) -> None:
    lines, data, sought = lines_of(text), text.encode(), word.encode()
    places = np.arange(len(data) + 1)
    expected = [data.startswith(sought, at) for at in places.tolist()]
    assert lines.begin_with(sought, places).tolist() == expected
    assert lines.places_of(sought[0]).tolist() == [at for at, byte in enumerate(data) if byte == sought[0]]


@settings(max_examples=300, deadline=None)
@given(texts)
@example(f"{SEPARATOR}\n{SEPARATOR}\n{SEPARATOR}\n{SEPARATOR}\nx")
@example(f"x\n{SEPARATOR}\n{SEPARATOR}\n{SEPARATOR}\n\n{SEPARATOR}")
def test_a_text_is_cut_where_its_separators_are(text: str) -> None:
    lines = lines_of(text)
    cuts = separators(lines).tolist()
    written, pieces = text.split("\n"), list[str]()
    for start, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(lines)], strict=True):
        pieces.append("\n".join(written[start:end]))
    assert pieces == text.split(CUT)


@settings(max_examples=300, deadline=None)
@given(st.lists(times, min_size=1))
@pytest.mark.slow
def test_times_are_those_read_one_by_one(written: list[str]) -> None:
    lines = lines_of("\n".join(written))
    found, are_times = times_at(lines, lines.starts)
    for text, microseconds, is_time in zip(written, found.tolist(), are_times.tolist(), strict=True):
        expected = parse_header_time(text) if text[10] == " " else None
        assert is_time == (expected is not None)
        if is_time:
            assert datetime(1970, 1, 1) + timedelta(microseconds=microseconds) == expected


def test_what_is_not_utf8_is_told() -> None:
    assert lines_of("é").is_utf8
    assert not Lines(b"\xe9", 1).is_utf8

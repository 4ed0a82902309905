"""Many transcripts read together are what each is alone, whatever becomes of their neighbours."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts import (
    ChatSummary,
    Finding,
    Message,
    ParseOptions,
    Source,
    Window,
    read_many,
)
from whatsapp_pipeline_tests.domain.transcripts.helpers import LABEL, block, parse
from whatsapp_pipeline_tests.domain.transcripts.test_properties import any_options, any_text

ANDROID = "05/01/2025 10:00 - Maria: oi\n05/01/2025 10:01 - Loja: bom dia\n"
IOS = "[05/01/2025, 10:00:00] Maria: oi\n"
BLOCK = block("2025-01-05 10:00:00 from Maria - Lida", "oi") + block("2025-01-05 10:00:01 notification", "x")


class Chats:
    """What a reading gave, by source: each chat's messages, findings and summary."""

    def __init__(self, windows: Iterator[Window]) -> None:
        self.messages: dict[int, list[Message]] = {}
        self.findings: dict[int, list[Finding]] = {}
        self.summaries: dict[int, ChatSummary] = {}
        self.sources: dict[int, list[int]] = {}
        self.failed: dict[int, Exception] = {}
        for window in windows:
            for opened in window.opened:
                self.sources.setdefault(opened.source, []).append(opened.chat)
                self.messages[opened.chat], self.findings[opened.chat] = [], []
            for chat, *fields in window.frame.iter_rows():
                self.messages[chat].append(Message._make(fields))
            for chat, finding in window.findings:
                self.findings[chat].append(finding)
            self.summaries.update(window.closed)
            self.failed.update(window.failed)

    def of(self, source: int) -> tuple[list[list[Message]], list[Finding], list[ChatSummary]]:
        """A source's chats, their findings sorted, and their summaries."""
        chats = self.sources[source]
        return (
            [self.messages[chat] for chat in chats],
            sorted(finding for chat in chats for finding in self.findings[chat]),
            [self.summaries[chat] for chat in chats],
        )


def read_all(texts: Sequence[str], options: Sequence[ParseOptions]) -> Chats:
    sources = (
        Source(io.BytesIO(text.encode("utf-8", "replace")), option)
        for text, option in zip(texts, options, strict=True)
    )
    return Chats(read_many(sources, identities=True))


any_file = st.one_of(any_text, any_text.map(BLOCK.__add__), any_text.map(ANDROID.__add__))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(any_file, any_options), min_size=1, max_size=6))
@pytest.mark.slow
def test_neighbours_change_nothing(files: list[tuple[str, ParseOptions]]) -> None:
    texts, options = zip(*files, strict=True)
    together = read_all(texts, options)
    for number, (text, option) in enumerate(files):
        alone = parse(text.encode("utf-8", "replace"), option)
        assert together.of(number) == (alone.chats, sorted(alone.findings), alone.summaries)


class Breaking(io.BytesIO):
    """A stream that gives so many bytes and then fails."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data)
        self._after = after

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._after:
            raise OSError("the disk is gone")
        return super().read(size)


def test_a_stream_that_fails_takes_no_other_with_it() -> None:
    large = (BLOCK * 40).encode()
    streams = [
        io.BytesIO(BLOCK.encode()),
        Breaking(b"", 0),
        io.BytesIO(ANDROID.encode()),
        Breaking(large, 6_000),
        io.BytesIO(IOS.encode()),
    ]
    chats = Chats(read_many((Source(s, ParseOptions()) for s in streams), window_bytes=1_000))
    assert {number: str(error) for number, error in chats.failed.items()} == dict.fromkeys(
        (1, 3), "the disk is gone"
    )
    assert [len(messages) for source in (0, 2, 4) for messages in chats.of(source)[0]] == [2, 2, 1]
    (broken,) = chats.sources[3]
    assert broken not in chats.summaries
    assert 0 < len(chats.messages[broken]) < 80


def test_a_source_is_asked_for_when_the_one_before_was_read() -> None:
    streams = [io.BytesIO((BLOCK * 30).encode()) for _ in range(3)]

    def sources() -> Iterator[Source]:
        for number, stream in enumerate(streams):
            assert all(before.read() == b"" for before in streams[:number])
            yield Source(stream, ParseOptions(default_title=LABEL))

    assert sum(len(window.frame) for window in read_many(sources(), window_bytes=1_500)) == 180


def test_files_of_several_zones_keep_their_own() -> None:
    zones = ["America/Sao_Paulo", "UTC", "America/Sao_Paulo", "Asia/Kathmandu"]
    chats = read_all([BLOCK, ANDROID, IOS, BLOCK], [ParseOptions(zone=zone) for zone in zones])
    first = [chats.of(number)[0][0][0] for number in range(4)]
    assert [message.timestamp_utc.isoformat() for message in first] == [
        "2025-01-05T13:00:00+00:00",
        "2025-01-05T10:00:00+00:00",
        "2025-01-05T13:00:00+00:00",
        "2025-01-05T04:15:00+00:00",
    ]

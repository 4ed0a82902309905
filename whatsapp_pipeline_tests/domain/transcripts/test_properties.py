"""What holds for any file: reading ends, never raises, loses no line; what was written is read."""

# ruff: noqa: E501  # tables of cases read best with a case a line

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts import ParseOptions
from whatsapp_pipeline_tests.domain.transcripts.helpers import (
    LABEL,
    RULE,
    Said,
    block,
    parse,
    write_android,
    write_block,
    write_ios,
)

pytestmark = pytest.mark.slow

FRAGMENTS = [
    RULE,
    "-" * 51,
    LABEL,
    "Maria",
    "2025-01-05 10:00:00 from Maria (+554199990000) - Lida",
    "\n",
    "\n\n",
    " ",
    "",
    "2025-01-05 10:00:01 to Maria - Lida",
    "2025-13-05 10:00:00 notification",
    "2025-01-05 10:00:00 notification",
    "➜ Respondendo para X, 2025-01-05 10:00:00: « oi »",
    "foto.jpg (Imagem)",
    "12.5 KB",
    "00:12",
    "\u2028",
    "\u200e",
    "05/01/2025 10:00 - ",
    "31/02/2025 10:00 - ",
    "[05/01/25, 10:00:00] ",
    "[10:00:00, 05/01/25] ",
    "Maria: ",
    "Loja: oi",
    "<anexado: 1.jpg>",
    "<Mensagem editada>",
    "\r\n",
    "\r",
    "\x00",
    "é",
    "😀",
    "1/13/25, 3:05\u202fPM - ",
    "As mensagens",
    f"\n{RULE}\n{LABEL}\n2025-01-05 10:00:00 from Maria - Lida\n\noi\n",
    f"\n{RULE}\nOutra\n2025-01-05 10:00:00 notification\n\n\n",
]
any_text = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=8)), max_size=40).map("".join)
any_options = st.builds(
    ParseOptions,
    format=st.sampled_from(["auto", "block", "android", "ios"]),
    date_order=st.sampled_from(["auto", "dmy", "mdy", "ymd"]),
    owner=st.sampled_from([(), ("Loja",), ("",), ("+55 41 99999-0000",)]),
    default_title=st.sampled_from([None, "", LABEL, "Maria", "844 sesiones de chat"]),
    zone=st.sampled_from(["America/Sao_Paulo", "UTC", "Asia/Kathmandu"]),
)


@settings(max_examples=400, deadline=None)
@given(any_text, any_options)
@example(f"{RULE}\n{RULE}\n{LABEL}\n2025-01-05 10:00:00 notification", ParseOptions())
def test_any_text_is_read_to_its_end(text: str, options: ParseOptions) -> None:
    parse(text.encode("utf-8", "replace"), options)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), any_options)
def test_any_bytes_are_read_to_their_end(data: bytes, options: ParseOptions) -> None:
    parse(data, options)


@settings(max_examples=300, deadline=None)
@given(any_text, st.integers(150, 600), st.sampled_from([None, LABEL]))
def test_where_chunks_are_cut_changes_nothing(text: str, chunk: int, title: str | None) -> None:
    text = block("2025-01-13 10:00:00 from Maria - Lida", "oi") + text
    options = ParseOptions(default_title=title)
    whole, cut = parse(text, options), parse(text, options, chunk=chunk)
    assert cut.messages == whole.messages
    assert cut.lines == whole.lines
    assert sorted(cut.findings) == sorted(whole.findings)


@settings(max_examples=200, deadline=None)
@given(any_text, st.integers(100, 600))
@example(
    f"2025-13-05 10:00:00 notificationMaria: \n{RULE}\n{LABEL}\n2025-01-05 10:00:00 from Maria - Lida\n\noi\n",
    100,
)
def test_where_chunks_are_cut_changes_nothing_in_native_exports(text: str, chunk: int) -> None:
    text = "25/01/2024 10:00 - Maria: oi\n" + text
    options = ParseOptions(format="android", date_order="dmy", owner=("Loja",))
    whole, cut = parse(text, options), parse(text, options, chunk=chunk)
    assert [message._replace(direction=None) for message in cut.messages] == [
        message._replace(direction=None) for message in whole.messages
    ]
    assert cut.lines == whole.lines


_line = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)
bodies = st.lists(_line, min_size=1, max_size=4).map("\n".join).map(lambda text: text.strip("\n"))
times = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1)).map(lambda time: time.replace(microsecond=0))
names = st.sampled_from(["Maria Silva", "João - Oficina", "Ana (mãe)", "Zé: da esquina", "+1 (555) loja"])


def chats(senders: st.SearchStrategy[str]) -> st.SearchStrategy[list[Said]]:
    return st.lists(st.builds(Said, times, senders, bodies), min_size=1, max_size=12)


def _is_plain(result_type: str, text: str) -> bool:
    return result_type == "text" and bool(text)


@settings(max_examples=200, deadline=None)
@given(chats(st.one_of(names, st.just(""))))
def test_a_written_block_chat_is_read_back(said: list[Said]) -> None:
    result = parse(write_block(said))
    assert len(result.messages) == len(said)
    for message, written in zip(result.messages, said, strict=True):
        assert message.timestamp == written.time
        assert message.direction == ("from" if written.sender else "to")
        assert message.sender_name == (written.sender or None)
        assert message.status == "Lida"
        if message.type == "text":
            assert message.text == written.text


native_names = st.sampled_from(["Maria Silva", "João - Oficina", "Ana (mãe)", "Loja"])


@settings(max_examples=200, deadline=None)
@given(
    chats(native_names),
    st.sampled_from(
        ["%d/%m/%Y %H:%M - ", "%m/%d/%y, %I:%M %p - ", "%Y-%m-%d, %H:%M - ", "%d.%m.%y, %H:%M - "]
    ),
)
def test_a_written_android_chat_is_read_back(said: list[Said], form: str) -> None:
    order = {"%d": "dmy", "%m": "mdy", "%Y": "ymd"}[form[:2]]
    result = parse(write_android(said, form), ParseOptions(date_order=order, owner=("Loja",)))  # type: ignore[arg-type]
    _assert_same(result.messages, said, timedelta(minutes=1))


@settings(max_examples=200, deadline=None)
@given(
    chats(native_names),
    st.sampled_from(
        ["[%d/%m/%Y, %H:%M:%S] ", "[%d/%m/%y %H:%M:%S] ", "[%H:%M:%S, %d/%m/%y] ", "[%d/%m/%y, %H.%M.%S] "]
    ),
)
def test_a_written_ios_chat_is_read_back(said: list[Said], form: str) -> None:
    result = parse(write_ios(said, form), ParseOptions(date_order="dmy", owner=("Loja",)))
    _assert_same(result.messages, said, timedelta(seconds=1))


def _assert_same(messages: list, said: list[Said], precision: timedelta) -> None:  # type: ignore[type-arg]
    assert len(messages) == len(said)
    for message, written in zip(messages, said, strict=True):
        assert timedelta(0) <= written.time - message.timestamp < precision
        assert message.sender_name == written.sender
        if message.type == "text":
            assert message.text.rstrip() == written.text.rstrip()


SAMPLE = (
    write_block(
        [Said(datetime(2025, 1, 13, 10, 0, n), "Maria" if n % 2 else "", f"olá {n} é") for n in range(6)]
    )
    + block("2025-01-13 10:00:09 notification", "Chamada de voz perdida")
).encode()
NATIVE = write_android(
    [Said(datetime(2025, 1, 13, 10, n), "Maria", f"olá {n}\né") for n in range(9)]
).encode()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([SAMPLE, NATIVE]), st.integers(0, 600), st.integers(0, 600), st.binary(max_size=6))
def test_cut_spliced_and_shuffled_bytes_lose_no_line(
    sample: bytes, start: int, end: int, junk: bytes
) -> None:
    assume(start < len(sample) and end < len(sample))
    for data in (
        sample[:start],
        sample[start:],
        sample[:start] + junk + sample[end:],
        sample[end:] + sample[:end],
    ):
        parse(data)

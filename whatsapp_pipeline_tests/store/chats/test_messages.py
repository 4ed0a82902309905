"""COPY of frames of messages: what a text can hold arrives as it is, and NULL stays apart from nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from psycopg.errors import CheckViolation

from whatsapp_pipeline.domain.transcripts.chat_message import MESSAGE_SCHEMA
from whatsapp_pipeline.store.chats import messages
from whatsapp_pipeline.store.connection import Connection

TEXTS = [
    None,
    "",
    " ",
    "NULL",
    "\\N",
    "\\.",
    "\\.\n",
    "\n\\.",
    "antes\n\\.\ndepois",
    "\\",
    "\\\\",
    "\\x41",
    '"',
    '""',
    'a"b',
    '"a","b"\n',
    "'",
    ",",
    ";",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "a\nb",
    "a\rb",
    "a\r\nb",
    " antes",
    "depois ",
    "a\u2028b",
    "a\u2029b",
    "a\x85b",
    "a\x0bb\x0cc",
    "\ufeff",
    "\x1a",
    "\x7f",
    "ç😀",
    "e\u0301",
    "0",
    "-1",
    "true",
    "é" * 200_000,
    "a" * 3_000_000,
]
TIMES = [
    datetime(1, 1, 1),
    datetime(1, 12, 31, 23, 59, 59),
    datetime(1899, 12, 31, 23),
    datetime(2025, 1, 5, 10),
    datetime(2025, 1, 5, 10, 0, 0, 5),
    datetime(9999, 12, 31, 20, 59, 59, 999_999),
]
NUMBERS = [-(2**63), -1, 0, 2**63 - 1]


@pytest.fixture
def file_id(conn: Connection) -> int:
    conn.execute("DELETE FROM chat_files")
    row = conn.execute(
        "INSERT INTO chat_files (filename, file_path, month) VALUES ('a', 'a', '2025-01') RETURNING id"
    ).fetchone()
    assert row is not None
    return int(row[0])


def every(values: list[Any], at: int) -> Any:
    return values[at % len(values)]


def frame_of(file_id: int) -> pl.DataFrame:
    """A message for each text, the other columns taken in turns from what is hard in theirs."""
    rows = [
        {
            "chat": 0,
            "ordinal": at + 1,
            "timestamp": every(TIMES, at),
            "timestamp_utc": every(TIMES, at).replace(tzinfo=UTC),
            "direction": every(["from", "to", "notification", None], at),
            "sender_name": every(TEXTS[:-2], at + 1),
            "sender_phone": every(TEXTS[:-2], at + 2),
            "type": "text",
            "text": text,
            "attachment_name": every(TEXTS[:-2], at + 3),
            "attachment_kind": every(TEXTS[:-2], at + 4),
            "attachment_size": every([*NUMBERS, None], at),
            "attachment_duration": every([2**31 - 1, -(2**31), None], at),
            "reply_timestamp": every([*TIMES, None], at),
            "reply_quote": every(TEXTS[:-2], at + 5),
            "reply_ordinal": every([1, None], at),
            "status": every(TEXTS[:-2], at + 6),
            "line": 2**31 - 1,
            "body_hash": every(NUMBERS, at),
            "occurrence": 1,
        }
        for at, text in enumerate(TEXTS)
    ]
    return pl.DataFrame(rows, schema=dict(MESSAGE_SCHEMA)).with_columns(
        id=pl.col("ordinal") + 1000, id_chat_file=pl.lit(file_id), reply_to_id=pl.col("reply_ordinal") + 1000
    )


COLUMNS = (
    "ordinal, message_timestamp, timestamp_utc, direction, sender_name, sender_phone, type, message_text,"
    " attachment_name, attachment_kind, attachment_size, attachment_duration, reply_timestamp, responding_to,"
    " delivery_status, line, body_hash, occurrence"
)
EXPECTED = [name for name in MESSAGE_SCHEMA if name not in ("chat", "reply_ordinal")]


# The session's zone and encoding are the user's; what is read must not depend on them.
@pytest.mark.parametrize(("zone", "encoding"), [("America/Sao_Paulo", "UTF8"), ("Asia/Kolkata", "LATIN1")])
def test_whatever_a_message_holds_arrives_as_it_is(
    conn: Connection, file_id: int, zone: str, encoding: str
) -> None:
    frame = frame_of(file_id)
    conn.execute(f"SET TimeZone = '{zone}'; SET client_encoding = '{encoding}'")
    with messages.copy_new(conn) as write:
        write(frame[:7])
        write(frame[7:])
    conn.execute("SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'")
    rows = conn.execute(f"SELECT {COLUMNS} FROM chat_messages ORDER BY ordinal").fetchall()
    for row, expected in zip(rows, frame.select(EXPECTED).iter_rows(), strict=True):
        assert row == expected
    replies = conn.execute("SELECT id, reply_to_id FROM chat_messages ORDER BY ordinal").fetchall()
    assert replies == frame.select("id", "reply_to_id").rows()


def test_what_is_merged_arrives_as_it_is(conn: Connection, file_id: int) -> None:
    frame = frame_of(file_id)
    with conn.transaction():
        with messages.copy_changed(conn) as write:
            write(frame)
        conn.execute("SET LOCAL TimeZone = 'UTC'")
        rows = conn.execute(
            f"SELECT {COLUMNS}, id_chat_file, reply_ordinal FROM incoming_messages ORDER BY ordinal"
        ).fetchall()
    expected = frame.select(*EXPECTED, "id_chat_file", "reply_ordinal").rows()
    assert rows == expected


def test_a_copy_that_fails_says_so_and_leaves_nothing(conn: Connection, file_id: int) -> None:
    def copy(frame: pl.DataFrame, error: Exception | None = None) -> None:
        with messages.copy_new(conn) as write:
            for at in range(3):
                write(frame.with_columns(id=pl.col("id") + 100 * at, ordinal=pl.col("ordinal") + 100 * at))
            if error is not None:
                raise error

    frame = frame_of(file_id)
    with pytest.raises(ZeroDivisionError):
        copy(frame, ZeroDivisionError())
    with pytest.raises(CheckViolation):
        copy(frame.with_columns(direction=pl.lit("sideways")))
    assert conn.execute("SELECT count(*) FROM chat_messages").fetchone() == (0,)

"""A file that is read again: which message keeps its id, which is new, and what each replies to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import polars as pl
import pytest

from whatsapp_pipeline.domain.transcripts.chat_message import MESSAGE_SCHEMA
from whatsapp_pipeline.store.chats import messages
from whatsapp_pipeline.store.chats.messages import MergeCounts
from whatsapp_pipeline.store.connection import Connection, connect

DAY = datetime(2025, 1, 5, 10)
OURS, BESIDE, LATER, OTHER = 1, 2, 3, 4  # BESIDE is read again with OURS; LATER is of the same chat as OURS


@pytest.fixture(scope="module")
def files(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        for id_, key in ((OURS, "a"), (BESIDE, "b"), (LATER, "a"), (OTHER, "c")):
            conn.execute(
                "INSERT INTO chat_files (id, filename, file_path, month, chat_key) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, %s, %s, '2025-01', %s)",
                (id_, f"{id_}", f"{id_}", key),
            )
        yield conn


def parsed(text: str) -> list[dict[str, Any]]:
    """Read `minute side words [@sender] [>place of the message that it replies to]; …`."""
    rows = []
    for number, part in enumerate(filter(None, text.split("; ")), 1):
        minute, side, words, *more = part.split(" ")
        marks = {word[0]: word[1:] for word in more}
        rows.append(
            dict.fromkeys(MESSAGE_SCHEMA)
            | {
                "chat": 0,
                "ordinal": number,
                "timestamp": DAY + timedelta(minutes=int(minute)),
                "timestamp_utc": (DAY + timedelta(minutes=int(minute))).replace(tzinfo=UTC),
                "direction": None if side == "?" else side,
                "sender_name": marks.get("@"),
                "type": "text",
                "text": words,
                "reply_timestamp": DAY if ">" in marks else None,
                "reply_ordinal": int(marks[">"]) if marks.get(">") else None,
                "line": number,
                "body_hash": crc32(words.encode()),
                "occurrence": 1,
            }
        )
    return rows


def frame(text: str, file_id: int) -> pl.DataFrame:
    """Return the messages of a file as they are read."""
    return pl.DataFrame(parsed(text), schema=dict(MESSAGE_SCHEMA)).with_columns(id_chat_file=pl.lit(file_id))


def store(conn: Connection, text: str, file_id: int) -> None:
    """Store messages; the id of the nth is 100 times its file and n."""
    first = file_id * 100
    rows = frame(text, file_id).with_columns(
        id=pl.col("ordinal") + first, reply_to_id=pl.col("reply_ordinal") + first
    )
    with messages.copy_new(conn) as write:
        write(rows)


def merge(conn: Connection, texts: dict[int, str]) -> MergeCounts:
    with messages.copy_changed(conn) as write:
        for file_id, text in texts.items():
            write(frame(text, file_id))
    return messages.merge_changed(conn, list(texts))


def stored(conn: Connection, file_id: int) -> list[tuple[Any, ...]]:
    """Return (id, minute, side, words, id of the message replied to), in the order of the file."""
    return conn.execute(
        "SELECT CASE WHEN id < 1000 THEN id END, extract(epoch FROM message_timestamp - %s)::int / 60,"
        " coalesce(direction, '?'), message_text, CASE WHEN reply_to_id < 1000 THEN reply_to_id ELSE -1 END"
        " FROM chat_messages WHERE id_chat_file = %s ORDER BY ordinal",
        (DAY, file_id),
    ).fetchall()


def expected(text: str, ids: list[int | None]) -> list[tuple[Any, ...]]:
    rows = parsed(text)
    return [
        (
            id_,
            (row["timestamp"] - DAY).seconds // 60,
            row["direction"] or "?",
            row["text"],
            -1 if row["reply_ordinal"] is None else ids[row["reply_ordinal"] - 1] or -1,
        )
        for row, id_ in zip(rows, ids, strict=True)
    ]


# Before, after, the ids of the messages after (None: new), how many are inserted, updated and gone.
CASES: dict[str, tuple[str, str, list[int | None], int, int, int]] = {
    "unchanged": ("0 from a; 1 to b", "0 from a; 1 to b", [101, 102], 0, 0, 0),
    "longer": ("0 from a; 1 to b", "0 from a; 1 to b; 2 to c", [101, 102, None], 1, 0, 0),
    "one before": ("1 from a; 2 to b", "0 to c; 1 from a; 2 to b", [None, 101, 102], 1, 2, 0),
    "one between": ("0 from a; 2 to b", "0 from a; 1 to c; 2 to b", [101, None, 102], 1, 1, 0),
    "one less": ("0 from a; 1 to b; 2 to c", "0 from a; 2 to c", [101, 103], 0, 1, 1),
    "none of them": ("0 from a; 1 to b", "5 from c; 6 to d", [None, None], 2, 0, 2),
    "other times": ("0 from a; 1 to b", "60 from a; 61 to b", [101, 102], 0, 2, 0),
    "other sides": ("0 from a; 1 to b", "0 to a; 1 from b", [101, 102], 0, 2, 0),
    "a side that is known now": ("0 ? a; 1 ? b", "0 from a; 1 ? b", [101, 102], 0, 1, 0),
    "other times and places": ("0 from a; 1 to b", "60 to b; 61 from a", [None, None], 2, 0, 2),
    "another place at the same time": ("0 from a; 0 to b", "0 to b; 0 from a", [102, 101], 0, 2, 0),
    "other words": ("0 from a; 1 to b", "0 from a; 1 to c", [101, None], 1, 0, 1),
    "other times of one of equal ones": (
        "0 from a; 1 from a; 2 from a",
        "0 from a; 9 from a; 2 from a",
        [101, 102, 103],
        0,
        1,
        0,
    ),
    "one of equal ones less": ("0 from a; 0 from a; 0 from a", "0 from a; 0 from a", [101, 102], 0, 0, 1),
    "one of equal ones more": (
        "0 from a; 1 from a",
        "0 from a; 0 from a; 1 from a",
        [101, None, 102],
        1,
        1,
        0,
    ),
    "a reply": ("0 from a; 1 to b", "0 from a; 1 to b >1", [101, 102], 0, 1, 0),
    "a reply to another": (
        "0 from a; 1 to b; 2 to c >1",
        "0 from a; 1 to b; 2 to c >2",
        [101, 102, 103],
        0,
        1,
        0,
    ),
    "a reply stays": ("0 from a; 1 to b >1", "0 from a; 1 to b >1", [101, 102], 0, 0, 0),
    "a reply moves with its original": (
        "1 from a; 2 to b >1",
        "0 to c; 1 from a; 2 to b >2",
        [None, 101, 102],
        1,
        2,
        0,
    ),
    "a new reply": ("0 from a", "0 from a; 1 to b >1", [101, None], 1, 0, 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_messages_keep_their_ids(
    files: Connection, case: tuple[str, str, list[int | None], int, int, int]
) -> None:
    before, after, ids, inserted, updated, gone = case
    # The same messages in a file that is read again with ours, and in one that is not.
    with files.transaction(force_rollback=True):
        files.execute("ALTER SEQUENCE chat_messages_id_seq RESTART WITH 5000")
        for file_id in (OURS, BESIDE, OTHER):
            store(files, before, file_id)
        counts = merge(files, {OURS: after, BESIDE: before})
        assert stored(files, OURS) == expected(after, ids)
        count = len(parsed(before))
        assert stored(files, BESIDE) == expected(before, [201 + at for at in range(count)])
        assert stored(files, OTHER) == expected(before, [401 + at for at in range(count)])
    assert counts == MergeCounts(inserted, updated, {OURS: gone} if gone else {})


def test_in_a_group_equal_words_are_told_apart_by_their_senders(files: Connection) -> None:
    before, after = "0 from ok @ana; 0 from ok @bia; 0 from ok", "0 from ok; 0 from ok @bia; 0 from ok @ana"
    for is_group, ids in ((True, [103, 102, 101]), (False, [101, 102, 103])):
        with files.transaction(force_rollback=True):
            files.execute("UPDATE chat_files SET is_group = %s", (is_group,))
            store(files, before, OURS)
            merge(files, {OURS: after})
            assert [row[0] for row in stored(files, OURS)] == ids


def test_a_reply_to_a_message_of_another_file_stays_while_its_time_does(files: Connection) -> None:
    with files.transaction(force_rollback=True):
        store(files, "0 from a", LATER)
        store(files, "1 to b >; 2 to c >", OURS)
        files.execute("UPDATE chat_messages SET reply_to_id = 301 WHERE id IN (101, 102)")
        merge(files, {OURS: "1 from b >; 2 from c"})  # both are written, because their sides differ
        assert [row[4] for row in stored(files, OURS)] == [301, -1]


def test_replies_to_a_message_that_is_gone_are_forgotten_in_all_files_of_its_chat(files: Connection) -> None:
    with files.transaction(force_rollback=True):
        store(files, "0 from a; 1 to b", OURS)
        store(files, "2 to c >; 3 to d >", LATER)
        store(files, "2 to c >", OTHER)
        files.execute("UPDATE chat_messages SET reply_to_id = 101 WHERE id IN (301, 401)")
        files.execute("UPDATE chat_messages SET reply_to_id = 102 WHERE id = 302")
        merge(files, {OURS: "1 to b"})
        assert [row[4] for row in stored(files, LATER)] == [-1, 102]
        assert [row[4] for row in stored(files, OTHER)] == [101]  # no file of the chat, so nobody looks there

"""The index of chats: what a file that is read again changes in the rows of its chats, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
import pytest

from whatsapp_pipeline.store.chats import chat_files
from whatsapp_pipeline.store.chats.chat_files import PHONE_SCHEMA, SESSION_SCHEMA, ChatRow, IndexCounts
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.webhook.deliveries import one, rows

AT = datetime(2025, 1, 5, 10, 0)
BASE = ChatRow(
    filename="a.txt",
    file_path="2025/01/a.txt",
    chat_number=1,
    month="2025-01",
    file_date=date(2025, 1, 5),
    file_time=time(10, 0),
    title="Ana",
    phone_number="+55 41 99999-0001",
    phone_key="4199990001",
    customer_name="Ana",
    reference_os="30001",
    devices=["tv"],
    chat_key="k1",
    is_group=False,
    content_hash=b"c",
    indexed_hash=b"i",
    size_bytes=10,
    modified_at=datetime(2025, 1, 6, tzinfo=UTC),
    format="block",
    parse_options='{"owner": "x"}',
    first_message_at=AT,
    last_message_at=AT,
    line_count=9,
    message_count=3,
    processing_status="pending",
)


@pytest.fixture(autouse=True)
def _empty(conn: Connection) -> Iterator[None]:
    yield
    conn.execute("DELETE FROM chat_files")


def session(number: int = 1, chat: ChatRow = BASE, **more: Any) -> dict[str, Any]:
    return {
        "file_path": chat.file_path,
        "chat_number": chat.chat_number,
        "number": number,
        "started_at": AT,
        "ended_at": AT,
        "message_count": 3,
        "order_numbers": ["30001"],
        "devices": ["tv"],
        "stages": [],
        **more,
    }


def phone(raw: str = "+55 41", chat: ChatRow = BASE, **more: Any) -> dict[str, Any]:
    found = {"raw": raw, "key": "4199990001", "kind": "mobile", "occurrences": 2, **more}
    return {"file_path": chat.file_path, "chat_number": chat.chat_number, **found}


def write(
    conn: Connection,
    *chats: ChatRow,
    sessions: Sequence[dict[str, Any]] = (),
    phones: Sequence[dict[str, Any]] = (),
) -> IndexCounts:
    with conn.transaction():
        return chat_files.write_index(
            conn,
            chats,
            pl.DataFrame(sessions, schema=dict(SESSION_SCHEMA)),
            pl.DataFrame(phones, schema=dict(PHONE_SCHEMA)),
        )


def loaded(conn: Connection) -> None:
    """Have all chats loaded, and forget when they were written."""
    conn.execute(
        "UPDATE chat_files SET processing_status = 'loaded', loaded_hash = 'l', updated_at = '2000-01-01'"
    )


CHANGES: list[tuple[str, Any, bool, list[str]]] = [
    # A field, its new value, whether the chat waits for linking again, keys whose duplicates may change.
    ("filename", "b.txt", False, ["k1"]),
    ("month", "2025-02", False, ["k1"]),
    ("file_date", date(2025, 1, 6), True, []),
    ("file_time", time(11, 0), False, []),
    ("title", "Bia", True, []),
    ("phone_number", "+55 41 99999-0002", False, []),
    ("phone_key", "4199990002", True, []),
    ("customer_name", "Bia", False, []),
    ("reference_os", None, False, []),
    ("devices", [], False, []),
    ("chat_key", "k2", True, ["k1", "k2"]),
    ("chat_key", None, True, ["k1"]),
    ("is_group", True, True, ["k1"]),
    ("content_hash", b"d", True, []),
    ("indexed_hash", b"j", True, []),
    ("size_bytes", 11, False, []),
    ("modified_at", datetime(2025, 1, 7, tzinfo=UTC), False, []),
    ("format", "native", False, []),
    ("first_message_at", None, False, []),
    ("last_message_at", datetime(2025, 1, 9), False, []),
    ("line_count", 10, False, []),
    ("message_count", 4, False, []),
]


@pytest.mark.parametrize(("field", "value", "waits", "keys"), CHANGES)
def test_what_changed_is_written_and_what_links_read_is_linked_again(
    conn: Connection, field: str, value: Any, waits: bool, keys: list[str]
) -> None:
    assert write(conn, BASE) == (1, 0, [])
    before = rows(conn, "SELECT * FROM chat_files")
    assert write(conn, BASE) == (0, 0, [])
    assert rows(conn, "SELECT * FROM chat_files") == before
    loaded(conn)
    inserted, updated, changed = write(conn, BASE._replace(**{field: value}))
    assert (inserted, updated, sorted(changed)) == (0, 1, keys)
    found = one(conn, f"SELECT {field}, processing_status, updated_at > '2000-01-02' FROM chat_files")
    assert found == (value, "pending" if waits else "loaded", True)
    untouched = [
        name for name in ChatRow._fields if name not in (field, "parse_options", "processing_status")
    ]
    assert one(conn, f"SELECT {', '.join(untouched)} FROM chat_files") == tuple(
        getattr(BASE, name) for name in untouched
    )


def test_a_chat_that_is_not_loaded_has_no_duplicates_to_flag(conn: Connection) -> None:
    write(conn, BASE)
    assert write(conn, BASE._replace(chat_key="k2", month="2025-02")) == (0, 1, [])


def test_options_of_reading_are_those_of_the_first_time(conn: Connection) -> None:
    write(conn, BASE)
    write(conn, BASE._replace(parse_options="{}", title="Bia"))
    assert one(conn, "SELECT parse_options FROM chat_files") == {"owner": "x"}


@pytest.mark.parametrize(
    ("was", "comes", "expected", "updated"),
    [
        ("vanished", "pending", "pending", 1),
        ("failed", "pending", "pending", 1),
        ("loaded", "failed", "failed", 1),
        ("failed", "failed", "failed", 0),
        ("linked", "pending", "linked", 0),
    ],
)
def test_the_status_of_a_chat_that_is_as_it_was(
    conn: Connection, was: str, comes: str, expected: str, updated: int
) -> None:
    write(conn, BASE)
    conn.execute("UPDATE chat_files SET processing_status = %s, loaded_hash = 'l'", (was,))
    found = write(conn, BASE._replace(processing_status=comes))
    assert found == (0, updated, ["k1"] if was == "vanished" else [])
    assert one(conn, "SELECT processing_status FROM chat_files") == expected


def test_a_file_that_cannot_be_read_keeps_what_was_known_of_its_chats(conn: Connection) -> None:
    second = BASE._replace(chat_number=2, chat_key="k2")
    other = BASE._replace(file_path="2025/01/b.txt")
    write(conn, BASE, second, other, sessions=[session()], phones=[phone()])
    loaded(conn)
    unread = BASE._replace(content_hash=None, size_bytes=99, title=None, processing_status="failed")
    assert write(conn, unread) == (0, 2, [])
    kept = "SELECT title, content_hash, size_bytes, processing_status FROM chat_files ORDER BY id"
    assert rows(conn, kept) == [
        ("Ana", None, 99, "failed"),
        ("Ana", None, 99, "failed"),
        ("Ana", b"c", 10, "loaded"),
    ]
    assert one(conn, "SELECT (SELECT count(*) FROM chat_sessions), (SELECT count(*) FROM chat_phones)") == (
        1,
        1,
    )
    assert write(conn, unread) == (0, 0, [])
    assert write(conn, unread._replace(size_bytes=98)) == (0, 2, [])
    assert write(conn, unread._replace(size_bytes=98, modified_at=datetime(2025, 2, 1, tzinfo=UTC))) == (
        0,
        2,
        [],
    )
    # A new file that can't be read is in the index, too.
    assert write(conn, unread._replace(file_path="2025/01/c.txt")) == (1, 0, [])


@pytest.mark.parametrize(
    ("field", "value", "differs"),
    [
        ("started_at", datetime(2025, 1, 4), True),
        ("ended_at", datetime(2025, 1, 6), True),
        ("message_count", 4, True),
        ("order_numbers", [], True),
        ("devices", ["tv", "lg"], True),
        ("stages", ["opening"], True),
        ("number", 1, False),
    ],
)
def test_a_session_that_changed_waits_for_its_order_again(
    conn: Connection, field: str, value: Any, differs: bool
) -> None:
    for decided, after in (("linked", "pending" if differs else "linked"), ("manual", "manual")):
        write(conn, BASE, sessions=[session(), session(2)])
        conn.execute("UPDATE chat_sessions SET order_match_status = %s", (decided,))
        kept = one(conn, "SELECT id FROM chat_sessions WHERE number = 1")
        write(conn, BASE, sessions=[session(**{field: value}), session(2)])
        found = rows(conn, f"SELECT id, {field}, order_match_status FROM chat_sessions ORDER BY number")
        assert found[0] == (kept, value, after)
        assert found[1][2] == decided


def test_sessions_and_phones_of_a_chat_are_those_that_were_read_last(conn: Connection) -> None:
    other = BASE._replace(file_path="2025/01/b.txt")
    write(
        conn,
        BASE,
        other,
        sessions=[session(1), session(2), session(1, other)],
        phones=[phone("a"), phone("b"), phone("a", other)],
    )
    write(conn, BASE, sessions=[session(1), session(3)], phones=[phone("a"), phone("c")])
    numbers = (
        "SELECT file_path, number FROM chat_sessions JOIN chat_files f ON f.id = id_chat_file ORDER BY 1, 2"
    )
    assert rows(conn, numbers) == [(BASE.file_path, 1), (BASE.file_path, 3), (other.file_path, 1)]
    raws = "SELECT file_path, raw FROM chat_phones JOIN chat_files f ON f.id = id_chat_file ORDER BY 1, 2"
    assert rows(conn, raws) == [(BASE.file_path, "a"), (BASE.file_path, "c"), (other.file_path, "a")]
    for change in ({"key": None}, {"kind": "fixed"}, {"occurrences": 7}):
        before = one(conn, "SELECT xmin::text FROM chat_phones WHERE raw = 'c'")
        write(conn, BASE, phones=[phone("a", **change), phone("c")])
        ((name, value),) = change.items()
        assert (
            one(conn, f"SELECT {name} FROM chat_phones WHERE raw = 'a' ORDER BY id_chat_file LIMIT 1")
            == value
        )
        assert one(conn, "SELECT xmin::text FROM chat_phones WHERE raw = 'c'") == before


def test_a_chat_of_a_combined_file_is_known_by_its_key_wherever_it_stands(conn: Connection) -> None:
    chats = [BASE._replace(chat_number=n, chat_key=key) for n, key in enumerate(("a", "b", "a", "c"), 1)]
    write(conn, *chats, sessions=[session(1, chats[1])])
    ids = dict(rows(conn, "SELECT chat_number, id FROM chat_files"))
    again = [BASE._replace(chat_number=n, chat_key=key) for n, key in enumerate(("b", "a", "d", "a"), 1)]
    write(conn, *again, sessions=[session(1, again[0])])
    found = rows(
        conn, "SELECT chat_number, chat_key, id, processing_status FROM chat_files ORDER BY chat_number"
    )
    assert found[:4] == [
        (1, "b", ids[2], "pending"),
        (2, "a", ids[1], "pending"),
        (3, "d", found[2][2], "pending"),
        (4, "a", ids[3], "pending"),
    ]
    assert found[2][2] not in ids.values()
    # The chat that left the file keeps its row, out of the way of the others.
    assert [(key, id_, status) for _, key, id_, status in found[4:]] == [("c", ids[4], "vanished")]
    assert found[4][0] > 1_000_000
    assert one(conn, "SELECT id_chat_file FROM chat_sessions") == ids[2]
    # The order is the same again: nothing moves.
    assert write(conn, *again, sessions=[session(1, again[0])]) == (0, 0, [])
    # Fewer chats than before: the last ones are gone, and come back into their rows.
    assert write(conn, *again[:2]).updated == 2
    gone = "SELECT chat_number FROM chat_files WHERE processing_status = 'vanished' ORDER BY 1"
    assert [number for (number,) in rows(conn, gone)][:2] == [3, 4]


def test_a_file_is_found_by_its_month_or_path(conn: Connection) -> None:
    moved = BASE._replace(file_path="2025/02/b.txt", month="2025-02", content_hash=b"d", size_bytes=20)
    write(conn, BASE, moved, BASE._replace(file_path="2025/03/c.txt", month="2025-03"))
    found = chat_files.known_files(conn, "2025-01", ["2025/02/b.txt"])
    assert set(found) == {BASE.file_path, "2025/02/b.txt"}
    assert found["2025/02/b.txt"] == (
        "2025/02/b.txt",
        "2025-02",
        20,
        BASE.modified_at,
        b"d",
        b"i",
        {"owner": "x"},
        "pending",
    )
    assert chat_files.paths_with_content(conn, [b"c", b"x"]) == [
        (b"c", BASE.file_path),
        (b"c", "2025/03/c.txt"),
    ]
    # Of a combined file, the first chat that is still there counts.
    write(conn, BASE, BASE._replace(chat_number=2, chat_key="k2", size_bytes=77))
    conn.execute(
        "UPDATE chat_files SET processing_status = 'vanished' WHERE chat_number = 1 AND size_bytes = 10"
    )
    assert chat_files.known_files(conn, "2025-01", [])[BASE.file_path].size_bytes == 77
    chat_files.move(conn, [])
    chat_files.move(conn, [(BASE.file_path, "2025/01/neu.txt"), ("2025/03/c.txt", "2025/03/d.txt")])
    paths = [path for (path,) in rows(conn, "SELECT file_path FROM chat_files ORDER BY 1")]
    assert paths == ["2025/01/neu.txt", "2025/01/neu.txt", "2025/02/b.txt", "2025/03/d.txt"]


def test_files_that_are_missing_vanish_once(conn: Connection) -> None:
    names = ("a", "b", "c")
    chats = [BASE._replace(file_path=name, chat_key=f"k{name}") for name in names]
    write(conn, *chats, BASE._replace(file_path="d", month="2025-02"))
    conn.execute(
        "UPDATE chat_files SET loaded_hash = 'l', processing_status = 'loaded' WHERE file_path <> 'b'"
    )
    assert chat_files.mark_vanished(conn, "2025-01", ["a", "b", "d"]) == ["ka"]
    status = "SELECT file_path, processing_status FROM chat_files ORDER BY 1"
    assert rows(conn, status) == [("a", "vanished"), ("b", "vanished"), ("c", "loaded"), ("d", "loaded")]
    assert chat_files.mark_vanished(conn, "2025-01", ["a"]) == []
    chat_files.mark_failed(conn, ["a", "c"])
    assert rows(conn, status) == [("a", "vanished"), ("b", "vanished"), ("c", "failed"), ("d", "loaded")]


@pytest.mark.parametrize(
    ("columns", "is_loaded"),
    [
        ("title = 'x'", True),
        ("month = '2025-02'", False),
        ("content_hash = NULL", False),
        ("processing_status = 'vanished'", False),
        ("processing_status = 'failed'", True),
        ("message_count = 0", False),
        ("message_count = NULL", False),
        ("message_count = 1, size_bytes = NULL", True),
    ],
)
def test_the_readable_chats_of_a_month_are_loaded(conn: Connection, columns: str, is_loaded: bool) -> None:
    write(conn, BASE, BASE._replace(file_path="2025/01/0.txt", size_bytes=4))
    conn.execute(f"UPDATE chat_files SET {columns} WHERE file_path = %s".encode(), (BASE.file_path,))
    found = chat_files.to_load(conn, "2025-01")
    assert [row.file_path for row in found] == ["2025/01/0.txt", *[BASE.file_path] * is_loaded]
    assert found[0][1:] == (
        "2025/01/0.txt",
        1,
        "Ana",
        "k1",
        b"c",
        None,
        {"owner": "x"},
        3,
        4,
        "pending",
        b"i",
    )
    if is_loaded:
        assert found[1].size_bytes in (10, 0)
    assert chat_files.existing(conn, [found[0].id, 10**9]) == {found[0].id}


@pytest.mark.parametrize(
    ("status", "hash_", "expected", "is_written"),
    [
        ("linked", None, "loaded", True),
        ("loaded", b"l", "loaded", False),
        ("loaded", b"k", "loaded", True),
        ("failed", b"l", "loaded", True),
        ("vanished", b"k", "vanished", True),
        ("vanished", b"l", "vanished", False),
    ],
)
def test_a_loaded_chat_notes_what_was_loaded(
    conn: Connection, status: str, hash_: bytes | None, expected: str, is_written: bool
) -> None:
    write(conn, BASE, BASE._replace(file_path="b"))
    conn.execute(
        "UPDATE chat_files SET processing_status = %s, loaded_hash = %s, updated_at = '2000-01-01'",
        (status, hash_),
    )
    chat_files.mark_loaded(conn, [(one(conn, "SELECT id FROM chat_files WHERE file_path <> 'b'"), b"l")])
    found = (
        "SELECT loaded_hash, processing_status, updated_at > '2000-01-02' FROM chat_files ORDER BY file_path"
    )
    assert rows(conn, found) == [(b"l", expected, is_written), (hash_, status, False)]

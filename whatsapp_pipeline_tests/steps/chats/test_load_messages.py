from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, LoadReport, MessageLoading, load_month
from whatsapp_pipeline.steps.chats.load_plan import writers_for
from whatsapp_pipeline.steps.chats.load_reading import FileToLoad
from whatsapp_pipeline.store.chats.chat_files import LoadRow
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.locks import hold_as_writer
from whatsapp_pipeline.store.operations import suppression
from whatsapp_pipeline_tests.block_files import Said, block, talk, write_chat
from whatsapp_pipeline_tests.tables import content, everything

LOG = logging.getLogger("test")
JANUARY = "2025-01"


@pytest.fixture
def db(fresh_database_url: str) -> Any:
    with connect(fresh_database_url) as conn:
        yield conn


def index(conn: Connection, root: Path, month: str = JANUARY) -> None:
    index_month(conn, ChatArchive(str(root)), month, IndexOptions(), log=LOG)


def load(conn: Connection, root: Path, month: str = JANUARY, **options: Any) -> LoadReport:
    return load_month(conn, ChatArchive(str(root)), month, LoadOptions(**options), log=LOG)


def both(conn: Connection, root: Path, month: str = JANUARY) -> LoadReport:
    index(conn, root, month)
    return load(conn, root, month)


def ids(conn: Connection) -> dict[str, int]:
    return dict(conn.execute("SELECT message_text, id FROM chat_messages").fetchall())


def test_every_message_arrives_as_read(db: Connection, tmp_path: Path) -> None:
    said = [
        Said(0, "from", "bom dia\ttab \\ barra\nlinha\u2028dois"),
        Said(1, "to", "➜ Respondendo para aB3xYz09GIAA=, 2025-01-05 10:00:00: « bom dia\ttab »\n\nbom dia!"),
        Said(2, "notification", "Chamada de voz perdida à(s) 10:02"),
        Said(3, "from", ""),
        Said(3, "from", ""),
    ]
    write_chat(tmp_path, block(said))
    report = both(db, tmp_path)
    assert (report.loaded, report.messages_inserted) == (1, 5)
    rows = db.execute(
        "SELECT ordinal, direction, is_from_customer, message_text, message_timestamp::text,"
        " occurrence, timestamp_utc AT TIME ZONE 'UTC' - message_timestamp = interval '3 h'"
        " FROM chat_messages ORDER BY ordinal"
    ).fetchall()
    assert rows == [
        (1, "from", True, "bom dia\ttab \\ barra\nlinha\u2028dois", "2025-01-05 10:00:00", 1, True),
        (2, "to", False, "bom dia!", "2025-01-05 10:01:00", 1, True),
        (3, "notification", None, "Chamada de voz perdida à(s) 10:02", "2025-01-05 10:02:00", 1, True),
        (4, "from", True, "", "2025-01-05 10:03:00", 1, True),
        (5, "from", True, "", "2025-01-05 10:03:00", 2, True),
    ]
    reply = db.execute(
        "SELECT o.ordinal FROM chat_messages m JOIN chat_messages o ON o.id = m.reply_to_id"
        " WHERE m.ordinal = 2"
    ).fetchone()
    assert reply == (1,)
    assert db.execute("SELECT processing_status FROM chat_files").fetchone() == ("loaded",)


def test_ids_given_at_copy_do_not_meet_those_of_others(db: Connection, tmp_path: Path) -> None:
    for number in range(3):
        write_chat(tmp_path, block(talk(4)), title=f"Cliente {number}")
    both(db, tmp_path)
    file_id = db.execute("SELECT min(id) FROM chat_files").fetchone()
    assert file_id is not None
    db.execute(
        """INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, type, line, body_hash)
           VALUES (%s, 99, now(), 'text', 1, 1)""",
        file_id,
    )
    assert db.execute("SELECT count(DISTINCT id), max(id) FROM chat_messages").fetchone() == (13, 13)


def test_loading_twice_changes_nothing(db: Connection, tmp_path: Path) -> None:
    for number in range(7):
        write_chat(tmp_path, block(talk(number + 1)), title=f"Cliente {number}")
    both(db, tmp_path)
    before = everything(db)
    report = both(db, tmp_path)
    assert (report.loaded, report.unchanged, report.batches) == (0, 7, 0)
    assert everything(db) == before


def test_a_file_is_read_again_when_its_neighbours_change_the_order_of_its_dates(
    db: Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "2025/01"
    folder.mkdir(parents=True)
    (folder / "Rita.txt").write_text("01/02/2025 10:00 - Rita: oi\n", encoding="utf-8")
    (folder / "Ana.txt").write_text("25/01/2025 10:00 - Ana: bom dia\n", encoding="utf-8")

    def day() -> str:
        statement = "SELECT message_timestamp::date::text FROM chat_messages WHERE message_text = 'oi'"
        return str(db.execute(statement).fetchone()[0])  # type: ignore[index]

    both(db, tmp_path)
    assert day() == "2025-02-01"
    before = everything(db)
    assert both(db, tmp_path).loaded == 0
    assert everything(db) == before
    (folder / "Ana.txt").write_text("01/25/2025 10:00 - Ana: bom dia\n", encoding="utf-8")
    assert both(db, tmp_path).loaded == 2
    assert day() == "2025-01-02"
    # A file whose own dates decide does not depend on its neighbours.
    (folder / "Rita.txt").unlink()
    (folder / "Bia.txt").write_text("26/01/2025 10:00 - Bia: olá\n", encoding="utf-8")
    assert both(db, tmp_path).loaded == 1


def test_a_longer_export_keeps_the_ids(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(6)))
    both(db, tmp_path)
    before = ids(db)
    earlier = [Said(-60, "from", "antes de tudo")]
    changed = [*talk(6)[:5], Said(5, "to", talk(6)[5].text, "Entregue")]
    write_chat(tmp_path, block([*earlier, *changed, Said(90, "from", "depois")]))
    report = both(db, tmp_path)
    assert (report.messages_inserted, report.messages_updated, report.messages_gone) == (2, 6, 0)
    after = ids(db)
    assert {text: after[text] for text in before} == before
    rows = db.execute(
        "SELECT ordinal, message_text, delivery_status FROM chat_messages ORDER BY ordinal"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(1, 9))
    assert rows[0][1] == "antes de tudo"
    assert rows[6][2] == "Entregue"
    fresh = content(db)["chat_messages"]
    db.execute("TRUNCATE chat_messages; UPDATE chat_files SET loaded_hash = NULL")
    load(db, tmp_path)
    assert content(db)["chat_messages"] == fresh


def test_only_messages_that_differ_are_written(db: Connection, tmp_path: Path) -> None:
    def versions() -> list[tuple[int, str]]:
        return db.execute("SELECT ordinal, xmin::text FROM chat_messages ORDER BY ordinal").fetchall()

    write_chat(tmp_path, block(talk(6)))
    both(db, tmp_path)
    before = versions()
    write_chat(tmp_path, block([*talk(6), Said(90, "from", "depois")]))
    report = both(db, tmp_path)
    assert (report.messages_inserted, report.messages_updated, report.messages_gone) == (1, 0, 0)
    assert versions()[:6] == before
    read = [*talk(5), Said(5, "to", talk(6)[5].text, "Entregue"), Said(90, "from", "depois")]
    write_chat(tmp_path, block(read))
    report = both(db, tmp_path)
    assert (report.messages_inserted, report.messages_updated, report.messages_gone) == (0, 1, 0)
    assert versions()[:5] == before[:5]


def test_messages_that_are_gone_are_removed_and_counted(db: Connection, tmp_path: Path) -> None:
    quote = "➜ Respondendo para você, 2025-01-05 10:01:00: « mensagem de teste 1 »\n\nisso"
    write_chat(tmp_path, block([*talk(4), Said(9, "from", quote)]))
    both(db, tmp_path)
    before = ids(db)
    write_chat(tmp_path, block([talk(4)[0], *talk(4)[2:], Said(9, "from", quote)]))
    report = both(db, tmp_path)
    assert (report.messages_gone, report.messages_inserted) == (1, 0)
    after = ids(db)
    assert after == {text: id_ for text, id_ in before.items() if not text.startswith("mensagem de teste 1")}
    assert db.execute("SELECT kind, detail FROM exceptions").fetchall() == [
        (
            "messages_gone",
            "1 messages that were loaded earlier are no longer in the file, so they were deleted",
        )
    ]
    assert db.execute("SELECT count(reply_to_id) FROM chat_messages").fetchone() == (0,)


def test_a_reply_to_another_files_message_is_found(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(3)))
    quote = "➜ Respondendo para você, 2025-01-05 10:01:00: « mensagem de teste 1 »\n\nisso"
    write_chat(tmp_path, block([Said(500, "from", quote)]), time="2025-01-05 20 00 00")
    assert both(db, tmp_path).replies_resolved == 1
    found = db.execute(
        "SELECT o.message_text LIKE 'mensagem de teste 1%' FROM chat_messages m"
        " JOIN chat_messages o ON o.id = m.reply_to_id"
    ).fetchall()
    assert found == [(True,)]


def test_a_reply_to_a_message_that_is_loaded_later_is_found(db: Connection, tmp_path: Path) -> None:
    quote = "➜ Respondendo para você, 2025-01-05 10:01:00: « mensagem de teste 1 »\n\nisso"
    write_chat(tmp_path, block([Said(500, "from", quote)]), time="2025-01-05 20 00 00")
    assert both(db, tmp_path).replies_resolved == 0
    write_chat(tmp_path, block(talk(3)), month="2025/02", time="2025-02-01 10 00 00")
    assert both(db, tmp_path, "2025-02").replies_resolved == 1
    # The message goes, and comes back.
    write_chat(tmp_path, block(talk(1)), month="2025/02", time="2025-02-01 10 00 00")
    assert both(db, tmp_path, "2025-02").messages_gone == 2
    assert db.execute("SELECT count(reply_to_id) FROM chat_messages").fetchone() == (0,)
    write_chat(tmp_path, block(talk(3)), month="2025/02", time="2025-02-01 10 00 00")
    assert both(db, tmp_path, "2025-02").replies_resolved == 1


@pytest.mark.parametrize("last", [JANUARY, "2025-02", "2025-03"])
def test_what_is_replied_to_does_not_hang_on_the_order_of_months(
    db: Connection, tmp_path: Path, last: str
) -> None:
    """Two files hold what a third one replies to: it is the first file's."""
    quote = "➜ Respondendo para você, 2025-01-05 10:03:00: « mensagem de teste 3 »\n\nisso"
    for month, said in (
        ("2025/01", talk(5)),
        ("2025/02", talk(7)[2:]),
        ("2025/03", [*talk(7)[4:], Said(500, "from", quote)]),
    ):
        write_chat(tmp_path, block(said), month=month, time=f"{month.replace('/', '-')}-05 10 00 00")
    for month in sorted((JANUARY, "2025-02", "2025-03"), key=lambda month: month == last):
        both(db, tmp_path, month)
    found = db.execute(
        "SELECT f.month, o.ordinal FROM chat_messages m JOIN chat_messages o ON o.id = m.reply_to_id"
        " JOIN chat_files f ON f.id = o.id_chat_file"
    ).fetchall()
    assert found == [(JANUARY, 4)]


def test_the_same_chat_in_two_files_is_marked_once_and_unmarked(db: Connection, tmp_path: Path) -> None:
    first = write_chat(tmp_path, block(talk(4)))
    both(db, tmp_path)
    write_chat(
        tmp_path, block(talk(6)[2:], label="Ana"), title="Ana", month="2025/02", time="2025-02-01 10 00 00"
    )
    assert both(db, tmp_path, "2025-02").duplicates_marked == 2
    marked = "SELECT count(*) FROM chat_messages WHERE duplicate_of IS NOT NULL"
    assert db.execute(marked).fetchone() == (2,)
    assert db.execute("SELECT duplicate_count, duplicate_of FROM chat_files ORDER BY id").fetchall() == [
        (0, None),
        (2, None),
    ]
    # The first grows: now it holds all of the second.
    write_chat(tmp_path, block(talk(6)))
    both(db, tmp_path)
    rows = db.execute("SELECT id, duplicate_count, duplicate_of FROM chat_files ORDER BY id").fetchall()
    assert rows[1][1:] == (4, rows[0][0])
    assert db.execute("SELECT count(*) FROM chat_messages WHERE duplicate_of IS NULL").fetchone() == (6,)
    before = everything(db)
    both(db, tmp_path, "2025-02")
    assert everything(db) == before
    # The first shrinks to what the second has not.
    write_chat(tmp_path, block(talk(2)))
    both(db, tmp_path)
    assert db.execute(marked).fetchone() == (0,)
    assert db.execute("SELECT sum(duplicate_count), count(duplicate_of) FROM chat_files").fetchone() == (0, 0)
    # And when it is gone, what is left is what counts.
    write_chat(tmp_path, block(talk(6)))
    both(db, tmp_path)
    first.unlink()
    index(db, tmp_path)
    rows = db.execute("SELECT processing_status, duplicate_count FROM chat_files ORDER BY id").fetchall()
    assert rows == [("vanished", 4), ("loaded", 0)]


def test_the_same_words_of_two_members_of_a_group_are_two_messages(db: Connection, tmp_path: Path) -> None:
    ana, bia = "+554199990000", "+554188880000"

    def turma(*said: tuple[str, int, str]) -> str:
        return "".join(block([Said(at, "from", words)], label="Turma", phone=who) for who, at, words in said)

    write_chat(tmp_path, turma((ana, 0, "ok"), (bia, 0, "ok"), (bia, 1, "ok")), title="Turma")
    both(db, tmp_path)
    later = turma((bia, 0, "ok"), (bia, 0, "ok"), (ana, 1, "ok"), (ana, 5, "depois"))
    write_chat(tmp_path, later, title="Turma", month="2025/02", time="2025-02-01 10 00 00")
    both(db, tmp_path, "2025-02")
    same = db.execute(
        "SELECT m.ordinal, o.ordinal, o.sender_phone = m.sender_phone FROM chat_messages m"
        " LEFT JOIN chat_messages o ON o.id = m.duplicate_of JOIN chat_files f ON f.id = m.id_chat_file"
        " WHERE f.month = '2025-02' ORDER BY 1"
    ).fetchall()
    # Only the first "ok" of Bia was said before, and it was the second of three.
    assert same == [(1, 2, True), (2, None, None), (3, None, None), (4, None, None)]


def test_a_vanished_file_comes_back_loaded(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(4)))
    both(db, tmp_path)
    before = ids(db)
    data = path.read_bytes()
    path.unlink()
    both(db, tmp_path)
    assert db.execute("SELECT processing_status FROM chat_files").fetchone() == ("vanished",)
    path.write_bytes(data)
    report = both(db, tmp_path)
    assert (report.loaded, report.unchanged) == (0, 1)
    assert db.execute("SELECT processing_status FROM chat_files").fetchone() == ("loaded",)
    assert ids(db) == before


def test_a_file_that_changes_after_the_index_waits(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(3)), title="Ana")
    write_chat(tmp_path, block(talk(3)), title="Bia")
    index(db, tmp_path)
    for grown in (talk(5), talk(2), [*talk(2), Said(2, "from", "outra coisa")]):
        write_chat(tmp_path, block(grown), title="Ana")
        load(db, tmp_path)
        statuses = db.execute("SELECT title, processing_status FROM chat_files ORDER BY title").fetchall()
        assert statuses == [("Ana", "pending"), ("Bia", "loaded")]
        assert db.execute("SELECT kind, severity FROM exceptions").fetchall() == [
            ("changed_since_indexed", "warning")
        ]
    both(db, tmp_path)
    assert db.execute("SELECT count(*) FROM exceptions").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM chat_messages").fetchone() == (6,)


def test_a_large_file_that_changes_after_the_index_leaves_nothing(db: Connection, tmp_path: Path) -> None:
    """That shows when some of it is at the server already: the batch is loaded again without it."""
    large = write_chat(tmp_path, block(talk(30_000)), title="Bia")
    for title in ("Ana", "Caio"):
        write_chat(tmp_path, block(talk(3)), title=title)
    index(db, tmp_path)
    data = large.read_text(encoding="utf-8")
    large.write_text(data + block(talk(1, first=40_000)), encoding="utf-8")
    report = load(db, tmp_path)
    assert (report.loaded, report.failed, report.messages_inserted) == (2, 1, 6)
    assert db.execute("SELECT kind FROM exceptions").fetchall() == [("changed_since_indexed",)]
    rows = db.execute(
        "SELECT f.title, count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file GROUP BY 1"
        " ORDER BY 1"
    ).fetchall()
    assert rows == [("Ana", 3), ("Caio", 3)]
    large.write_text(data, encoding="utf-8")
    assert load(db, tmp_path).messages_inserted == 30_000


def _meanwhile(statement: str) -> Callable[[Connection], bool]:
    """What changes the database once the month's files are chosen."""

    def should_stop(conn: Connection) -> bool:
        conn.execute(statement.encode())
        return False

    return should_stop


def test_a_file_that_vanishes_while_it_is_loaded_comes_back_loaded(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(4)))
    index(db, tmp_path)
    load(db, tmp_path, should_stop=_meanwhile("UPDATE chat_files SET processing_status = 'vanished'"))
    status = "SELECT processing_status, loaded_hash IS NULL FROM chat_files"
    assert db.execute(status).fetchone() == ("vanished", False)
    assert both(db, tmp_path).messages_inserted == 0
    assert db.execute(status).fetchone() == ("loaded", False)
    write_chat(tmp_path, block(talk(5)))
    assert path.exists()
    assert both(db, tmp_path).messages_inserted == 1


def test_a_chat_that_is_erased_while_its_batch_is_loaded_is_left_out(db: Connection, tmp_path: Path) -> None:
    for title in ("Ana", "Bia"):
        write_chat(tmp_path, block(talk(3)), title=title)
    index(db, tmp_path)
    report = load(db, tmp_path, should_stop=_meanwhile("DELETE FROM chat_files WHERE title = 'Ana'"))
    assert (report.loaded, report.messages_inserted) == (1, 3)
    assert db.execute("SELECT title, processing_status FROM chat_files").fetchall() == [("Bia", "loaded")]


def test_the_rest_of_a_combined_file_is_loaded_without_an_erased_chat(
    db: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path / "local"))
    root = tmp_path / "chats"
    path = root / "2025/01/WhatsApp - 3 sesiones de chat.txt"
    path.parent.mkdir(parents=True)
    phones = {"Ana": "+554199990001", "Bia": "+554199990002", "Caio": "+554199990003"}
    path.write_text("".join(block(talk(3), label=name, phone=phone) for name, phone in phones.items()))
    with db.transaction():
        suppression.add_entries(db, [("phone", "4199990002"), ("identity", "wa:554199990002")])
    report = both(db, root)
    assert (report.failed, report.messages_inserted) == (0, 6)
    rows = db.execute("SELECT chat_number, title, processing_status FROM chat_files ORDER BY 1").fetchall()
    assert rows == [(1, "Ana", "loaded"), (3, "Caio", "loaded")]
    assert db.execute("SELECT count(*) FROM exceptions").fetchone() == (0,)
    # A chat more makes it another file, which waits for the index.
    with path.open("a") as file:
        file.write(block(talk(2), label="Davi", phone="+554199990004"))
    assert load(db, root).messages_inserted == 0
    assert both(db, root).messages_inserted == 2


def test_a_changed_file_that_is_gone_keeps_what_was_loaded(db: Connection, tmp_path: Path) -> None:
    paths = [write_chat(tmp_path, block(talk(3)), title=title) for title in ("Ana", "Bia")]
    both(db, tmp_path)
    for path in paths:
        path.write_text(block(talk(5)))
    index(db, tmp_path)
    paths[0].unlink()
    report = load(db, tmp_path)
    assert (report.loaded, report.failed, report.messages_inserted, report.messages_gone) == (1, 1, 2, 0)
    assert db.execute("SELECT count(*) FROM chat_messages").fetchone() == (8,)


def test_a_file_that_is_gone_at_loading_fails_alone(db: Connection, tmp_path: Path) -> None:
    bad = write_chat(tmp_path, block(talk(3)), title="Ana")
    write_chat(tmp_path, block(talk(3)), title="Bia")
    index(db, tmp_path)
    data = bad.read_bytes()
    bad.unlink()
    report = load(db, tmp_path)
    assert (report.loaded, report.failed) == (1, 1)
    statuses = db.execute("SELECT title, processing_status FROM chat_files ORDER BY title").fetchall()
    assert statuses == [("Ana", "failed"), ("Bia", "loaded")]
    bad.write_bytes(data)
    assert load(db, tmp_path).loaded == 1
    assert db.execute("SELECT count(*) FROM exceptions").fetchone() == (0,)


def test_combined_files_and_zips(db: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "2025/01"
    folder.mkdir(parents=True)
    both_chats = block(talk(3), label="Ana") + block(talk(4), label="Bia", phone="+554188880000")
    (folder / "WhatsApp - 2 sesiones de chat.txt").write_text(both_chats)
    with zipfile.ZipFile(folder / "export.zip", "w") as packed:
        packed.writestr("WhatsApp Chat with Caio.txt", block(talk(5), label="Caio", phone="+554177770000"))
        packed.writestr("WhatsApp Chat with Davi.txt", block(talk(6), label="Davi", phone="+554166660000"))
    assert both(db, tmp_path).messages_inserted == 18
    rows = db.execute(
        "SELECT f.title, count(*), min(ordinal), max(ordinal) FROM chat_messages m JOIN chat_files f"
        " ON f.id = m.id_chat_file GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert rows == [("Ana", 3, 1, 3), ("Bia", 4, 1, 4), ("Caio", 5, 1, 5), ("Davi", 6, 1, 6)]


def test_a_stop_is_heeded_between_batches(db: Connection, tmp_path: Path) -> None:
    for number in range(6):
        write_chat(tmp_path, block(talk(2)), title=f"Cliente {number}")
    index(db, tmp_path)
    asked: list[int] = []

    def stop_after_two(_: Connection) -> bool:
        asked.append(1)
        return len(asked) > 2

    report = load(db, tmp_path, batch_size=2, should_stop=stop_after_two)
    assert (report.loaded, report.stopped) == (4, 1)
    assert load(db, tmp_path).loaded == 2


def test_a_dry_run_leaves_nothing(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(3)))
    both(db, tmp_path)
    write_chat(tmp_path, block(talk(5)))
    write_chat(tmp_path, block(talk(2)), title="Ana")
    before = everything(db)
    with db.transaction(force_rollback=True):
        assert both(db, tmp_path).messages_inserted == 4
        assert both(db, tmp_path).messages_inserted == 0
    assert everything(db) == before


def _write_many(root: Path, day: int = 5, month: str = "2025/01", more: str = "") -> None:
    """Enough for two writers: 20 files of 600 messages, each with `more` text."""
    time = f"{month.replace('/', '-')}-{day:02d} 10 00 00"
    chat = block([said._replace(text=said.text + more) for said in talk(600)])
    for number in range(20):
        write_chat(root, chat, title=f"Cliente {number}", month=month, time=time)


def test_several_writers_end_as_one_does(db: Connection, tmp_path: Path) -> None:
    _write_many(tmp_path)
    index(db, tmp_path)
    report = load(db, tmp_path, writers=2)
    assert (report.loaded, report.messages_inserted, report.batches, report.stopped) == (20, 12_000, 2, 0)
    fresh = content(db)
    db.execute("TRUNCATE chat_messages; UPDATE chat_files SET loaded_hash = NULL")
    assert load(db, tmp_path, writers=1).batches == 1
    assert content(db) == fresh


def _loading(root: Path) -> MessageLoading:
    return MessageLoading(ChatArchive(str(root)), [JANUARY, "2025-02"], LoadOptions(), log=LOG)


@pytest.fixture
def two_months(db: Connection, tmp_path: Path) -> Path:
    for month in ("2025/01", "2025/02"):
        _write_many(tmp_path, month=month)
        index(db, tmp_path, month.replace("/", "-"))
    return tmp_path


def test_months_read_ahead_end_as_each_by_itself(db: Connection, two_months: Path) -> None:
    with _loading(two_months) as loading:
        reports = [loading.load(db, month) for month in (JANUARY, "2025-02")]
    assert [report.messages_inserted for report in reports] == [12_000, 12_000]
    together = content(db)
    db.execute("TRUNCATE chat_messages; UPDATE chat_files SET loaded_hash = NULL")
    for month in (JANUARY, "2025-02"):
        load(db, two_months, month)
    assert content(db) == together


def test_the_planner_knows_the_messages_after_a_load(db: Connection, two_months: Path) -> None:
    """Not only after autovacuum's next look: until then every join reads all messages once per message."""
    db.execute("ALTER TABLE chat_messages SET (autovacuum_enabled = false)")
    load(db, two_months, JANUARY)
    known = db.execute("SELECT reltuples FROM pg_class WHERE oid = 'chat_messages'::regclass").fetchone()
    assert known == (12_000,)


def test_a_month_that_changed_since_it_was_read_ahead_is_read_again(db: Connection, two_months: Path) -> None:
    with _loading(two_months) as loading:
        loading.load(db, JANUARY)
        write_chat(
            two_months, block(talk(700)), title="Cliente 0", month="2025/02", time="2025-02-05 10 00 00"
        )
        write_chat(two_months, block(talk(3)), title="Davi", month="2025/02", time="2025-02-05 10 00 00")
        index(db, two_months, "2025-02")
        report = loading.load(db, "2025-02")
    assert (report.loaded, report.failed, report.messages_inserted) == (21, 0, 12_103)


def test_a_month_that_is_not_asked_for_is_read_no_further(db: Connection, two_months: Path) -> None:
    for day in (6, 7, 8):  # more than is read ahead
        _write_many(two_months, day, month="2025/02")
    index(db, two_months, "2025-02")
    with _loading(two_months) as loading:
        loading.load(db, JANUARY)
        assert "read-ahead" in {thread.name for thread in threading.enumerate()}
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}
    assert load(db, two_months, "2025-02").messages_inserted == 48_000


def test_a_dry_run_of_many_messages_leaves_nothing(db: Connection, tmp_path: Path) -> None:
    _write_many(tmp_path)
    before = everything(db)
    with db.transaction(force_rollback=True):
        assert both(db, tmp_path).messages_inserted == 12_000
    assert everything(db) == before


def test_a_writer_that_fails_ends_the_others(db: Connection, tmp_path: Path) -> None:
    """The first one waits for what somebody holds: it must not any more, once the second one is refused.

    Nor does what reads for the first one, which has more than it reads ahead.
    """
    for day in range(5, 11):
        _write_many(tmp_path, day, more=" e mais" * 70)
    index(db, tmp_path)
    last = "Cliente 19"
    db.execute(
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT title FROM chat_files WHERE id = NEW.id_chat_file) = '{last}' THEN
                    RAISE check_violation USING MESSAGE = 'refused';
                END IF;
                IF (SELECT min(id) FROM chat_files) = NEW.id_chat_file THEN
                    PERFORM pg_advisory_xact_lock(4711);
                END IF;
                RETURN NEW;
            END $$"""
    )
    db.execute("CREATE TRIGGER refuse BEFORE INSERT ON chat_messages FOR EACH ROW EXECUTE FUNCTION refuse()")
    with connect(db.info.dsn) as holder:
        holder.execute("SELECT pg_advisory_lock(4711)")
        with pytest.raises(PipelineError, match="refused messages of 2025-01: refused"):
            load(db, tmp_path)
    assert db.execute("SELECT count(*) FROM chat_messages").fetchone() == (0,)
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def few_connections(db: Connection) -> Iterator[tuple[str, str]]:
    """A role that may load, and the database's URL for it."""
    role = f"loader_{uuid4().hex[:8]}"
    db.execute(
        f"CREATE ROLE {role} LOGIN;"
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
    )
    yield role, make_conninfo(db.info.dsn, user=role)
    db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(("limit", "number"), [(1, 1), (2, 1), (3, 2)])
def test_with_fewer_connections_than_wished_for_it_loads_over_those(
    db: Connection,
    tmp_path: Path,
    few_connections: tuple[str, str],
    limit: int,
    number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    role, url = few_connections
    db.execute(f"ALTER ROLE {role} CONNECTION LIMIT {limit}")
    for day in (5, 6):
        _write_many(tmp_path, day)
    index(db, tmp_path)
    with connect(url) as conn:
        report = load(conn, tmp_path, writers=3)
    assert (report.messages_inserted, report.batches) == (24_000, 3)
    assert f"2025-01 is loaded over {number} connection(s) instead of 3" in caplog.text
    assert f'too many connections for role "{role}"' in caplog.text


def test_what_uses_the_runs_connection_meanwhile_is_no_transaction(db: Connection) -> None:
    """Writers ask through it whether to stop while the next month is planned."""
    chat = LoadRow(1, "a.txt", 1, None, None, b"", None, {}, 20_000, 1, "pending")
    file = FileToLoad("a.txt", [chat], b"")
    with connect(db.info.dsn) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT pg_advisory_lock(4711)")
        asking = pool.submit(db.execute, "SELECT pg_advisory_lock(4711)")
        while db.info.transaction_status is not TransactionStatus.ACTIVE:
            assert not asking.done()
        number = writers_for(db, [file], LoadOptions())
        holder.execute("SELECT pg_advisory_unlock(4711)")
    assert number == 2
    with db.transaction():
        assert writers_for(db, [file], LoadOptions()) == 1


def test_a_run_waits_for_the_writers_of_a_killed_one(
    db: Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    write_chat(tmp_path, block(talk(3)))
    index(db, tmp_path)
    done = threading.Event()

    def run() -> None:
        with connect(db.info.dsn) as conn:
            load(conn, tmp_path)
        done.set()

    with connect(db.info.dsn) as left_behind:
        hold_as_writer(left_behind, "chat_messages", JANUARY)
        thread = threading.Thread(target=run)
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while db.execute(waiting).fetchone() == (0,):
            assert thread.is_alive()
        assert not done.is_set()
    thread.join()
    assert (
        "waiting for the server, which still executes a statement of a killed run of 2025-01" in caplog.text
    )
    assert db.execute("SELECT count(*) FROM chat_messages").fetchone() == (3,)


_KILLED = """
import logging, os, psycopg, signal, sys
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import connect

url, root, after, where = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
seen = 0

def strike(*_):
    global seen
    seen += 1
    if seen > after:
        os.kill(os.getpid(), signal.SIGKILL)
    return False

class Deadly(psycopg.Cursor):
    def copy(self, *arguments, **options):
        strike()
        return super().copy(*arguments, **options)

with connect(url) as conn:
    conn.cursor_factory = Deadly if where == "inside" else psycopg.Cursor
    stop = strike if where == "between" else (lambda _: False)
    options = LoadOptions(batch_size=3, should_stop=stop)
    load_month(conn, ChatArchive(root), "2025-01", options, log=logging.getLogger())
"""


@pytest.mark.parametrize(("where", "after"), [("between", 2), ("inside", 1), ("inside", 2)])
def test_killed_and_run_again_it_ends_the_same(
    fresh_database_url: str, tmp_path: Path, where: str, after: int
) -> None:
    for number in range(10):
        write_chat(tmp_path, block(talk(number + 2)), title=f"Cliente {number}")
    with connect(fresh_database_url) as conn:
        index(conn, tmp_path)
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, fresh_database_url, str(tmp_path), str(after), where], check=False
        )
        assert killed.returncode == -signal.SIGKILL
        loaded = conn.execute("SELECT count(*) FROM chat_files WHERE loaded_hash IS NOT NULL").fetchone()
        assert loaded in {(3,), (6,)}
        _load_rest_and_compare(conn, tmp_path)


def _load_rest_and_compare(conn: Connection, root: Path) -> None:
    load(conn, root)
    resumed = content(conn)
    conn.execute(
        "TRUNCATE chat_messages; UPDATE chat_files SET loaded_hash = NULL, processing_status = 'pending'"
    )
    load(conn, root)
    assert content(conn) == resumed


@pytest.mark.parametrize("after", [2, 5])
def test_several_writers_killed_and_run_again_end_the_same(
    fresh_database_url: str, tmp_path: Path, after: int
) -> None:
    _write_many(tmp_path)
    _write_many(tmp_path, day=6)  # the same chats, exported again
    with connect(fresh_database_url) as conn:
        index(conn, tmp_path)
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, fresh_database_url, str(tmp_path), str(after), "between"],
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL
        assert conn.execute("SELECT count(*) FROM chat_files WHERE loaded_hash IS NULL").fetchone() != (0,)
        _load_rest_and_compare(conn, tmp_path)


def _at_once(url: str, root: Path, months: list[str]) -> None:
    errors: list[BaseException] = []

    def run(month: str) -> None:
        try:
            with connect(url) as conn:
                both(conn, root, month)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(month,)) for month in months]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_two_runs_of_one_month_at_once(fresh_database_url: str, tmp_path: Path) -> None:
    for number in range(30):
        write_chat(tmp_path, block(talk(number + 2)), title=f"Cliente {number}")
    _at_once(fresh_database_url, tmp_path, [JANUARY, JANUARY, JANUARY])
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM chat_messages").fetchone() == (sum(range(2, 32)),)
        before = everything(conn)
        both(conn, tmp_path)
        assert everything(conn) == before


def test_two_months_that_share_chats_at_once(fresh_database_url: str, tmp_path: Path) -> None:
    for number in range(20):
        phone = f"+55 41 9{9000 + number}-0000"
        for month, count in (("2025/01", 5), ("2025/02", 9)):
            chat = block(talk(count), label=phone, phone=f"+5541{9000 + number}0000")
            write_chat(
                tmp_path, chat, title=phone, month=month, time=f"{month.replace('/', '-')}-05 10 00 00"
            )
    _at_once(fresh_database_url, tmp_path, [JANUARY, "2025-02"])
    with connect(fresh_database_url) as conn:
        rows = conn.execute(
            "SELECT f.month, count(*), count(m.duplicate_of) FROM chat_messages m"
            " JOIN chat_files f ON f.id = m.id_chat_file GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [(JANUARY, 100, 0), ("2025-02", 180, 100)]


class _Counting(psycopg.Cursor[Any]):
    """A cursor that counts what goes to the server."""

    statements = 0

    def execute(self, *arguments: Any, **options: Any) -> _Counting:
        type(self).statements += 1
        return super().execute(*arguments, **options)

    def copy(self, *arguments: Any, **options: Any) -> Any:
        type(self).statements += 1
        return super().copy(*arguments, **options)


def test_statements_do_not_grow_with_the_files(fresh_database_url: str, tmp_path: Path) -> None:
    counted = []
    with connect(fresh_database_url) as conn:
        conn.cursor_factory = _Counting
        for month, files in (("2025/01", 5), ("2025/02", 75)):
            for number in range(files):
                write_chat(tmp_path, block(talk(3)), title=f"Cliente {month} {number}", month=month)
            before = _Counting.statements
            both(conn, tmp_path, month.replace("/", "-"))
            counted.append(_Counting.statements - before)
    assert abs(counted[0] - counted[1]) <= 1  # a table that has grown by a fifth is analyzed
    assert counted[0] < 64


def test_memory_does_not_grow_with_a_file(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, "")
    with path.open("w") as file:
        for part in range(20):
            file.write(block(talk(1000, first=part * 1000)))
    code = (
        "import logging,resource,sys\n"
        "from whatsapp_pipeline_tests.steps.chats.test_load_messages import both\n"
        "from whatsapp_pipeline.store.connection import connect\n"
        "from pathlib import Path\n"
        "with connect(sys.argv[1]) as conn:\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    assert both(conn, Path(sys.argv[2])).messages_inserted == 20000\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, db.info.dsn, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert int(run.stdout) < 60_000  # kB above what the imports take

from __future__ import annotations

import logging
import os
import random
import shutil
import string
import zipfile
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, IndexReport, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.chats.missing_files import MissingFilesError, refuse_wrong_archive
from whatsapp_pipeline.store.chats import chat_files
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.block_files import Said, block, talk, write_chat
from whatsapp_pipeline_tests.tables import everything

LOG = logging.getLogger("test")
JANUARY = "2025-01"


@pytest.fixture
def db(fresh_database_url: str) -> Any:
    with connect(fresh_database_url) as conn:
        yield conn


def index(conn: Connection, root: Path, month: str = JANUARY, **options: Any) -> IndexReport:
    return index_month(conn, ChatArchive(str(root)), month, IndexOptions(**options), log=LOG)


def chats(conn: Connection, columns: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT {columns} FROM chat_files ORDER BY file_path, chat_number").fetchall()


def kinds(conn: Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT kind FROM exceptions ORDER BY kind")]


def test_a_chat_and_its_evidence(db: Connection, tmp_path: Path) -> None:
    said = [
        Said(
            0,
            "notification",
            "As mensagens são protegidas com a criptografia de ponta a ponta.",
        ),
        Said(0, "from", "bom dia, meu notebook não liga. é a OS 30123"),
        Said(3, "to", "pode trazer"),
        Said(3 * 24 * 60, "from", "ficou pronto?"),
    ]
    write_chat(tmp_path, block(said))
    report = index(db, tmp_path)
    assert (report.files, report.new, report.chats_written, report.findings) == (1, 1, 1, 0)
    [row] = chats(
        db,
        "month, title, phone_key, chat_key, format, message_count, line_count,"
        " processing_status, match_status, first_message_at::text, last_message_at::text,"
        " file_date::text || ' ' || file_time::text, octet_length(content_hash)",
    )
    assert row == (
        JANUARY,
        "+55 41 99999-0000",
        "4199990000",
        "4199990000",
        "block",
        4,
        24,
        "pending",
        "pending",
        "2025-01-05 10:00:00",
        "2025-01-08 10:00:00",
        "2025-01-05 10:00:00",
        20,
    )
    sessions = db.execute(
        "SELECT number, started_at::text, message_count, order_numbers, devices"
        " FROM chat_sessions ORDER BY number"
    ).fetchall()
    assert sessions == [
        (1, "2025-01-05 10:00:00", 2, ["30123"], ["notebook"]),
        (2, "2025-01-08 10:00:00", 1, [], []),
    ]
    phones = db.execute("SELECT key, kind, occurrences FROM chat_phones ORDER BY occurrences").fetchall()
    assert {key for key, _, _ in phones} == {"4199990000"}


def test_running_twice_changes_nothing(db: Connection, tmp_path: Path) -> None:
    for number in range(5):
        write_chat(tmp_path, block(talk(3)), title=f"Cliente {number} OS 3000{number}")
    (tmp_path / "2025/01/strange.txt").write_text("nothing of the kind\n")
    index(db, tmp_path)
    before = everything(db)
    report = index(db, tmp_path)
    assert (report.unchanged, report.new, report.chats_written, report.bytes_read) == (6, 0, 0, 0)
    assert everything(db) == before
    report = index(db, tmp_path, verify_hashes=True)
    assert report.bytes_read > 0
    assert everything(db) == before


def test_a_touched_file_is_read_and_stays_as_it_was(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(3)))
    index(db, tmp_path)
    db.execute("UPDATE chat_files SET processing_status = 'loaded'")
    os.utime(path, (1, 1))
    report = index(db, tmp_path)
    assert (report.unchanged, report.changed) == (1, 0)
    assert chats(db, "processing_status, extract(epoch FROM modified_at)::int") == [("loaded", 1)]


def test_a_changed_file_is_pending_again_and_keeps_its_row(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(3)))
    index(db, tmp_path)
    db.execute("UPDATE chat_files SET processing_status = 'loaded'")
    db.execute("UPDATE chat_sessions SET order_match_status = 'unmatched'")
    [(id_,)] = chats(db, "id")
    write_chat(tmp_path, block(talk(5)))
    report = index(db, tmp_path)
    assert (report.changed, report.unchanged) == (1, 0)
    assert chats(db, "id, processing_status, message_count") == [(id_, "pending", 5)]
    assert db.execute("SELECT order_match_status FROM chat_sessions").fetchall() == [("pending",)]


def test_a_file_that_vanishes_is_marked_and_comes_back(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(3)))
    write_chat(tmp_path, block(talk(2)), title="Ana")
    index(db, tmp_path)
    [(id_, _), _] = chats(db, "id, title")
    data = path.read_bytes()
    path.unlink()
    assert index(db, tmp_path).vanished == 1
    assert chats(db, "id, processing_status")[0] == (id_, "vanished")
    assert kinds(db) == ["vanished"]
    before = everything(db)
    assert index(db, tmp_path).vanished == 0
    assert everything(db) == before
    path.write_bytes(data)
    assert index(db, tmp_path).returned == 1
    assert chats(db, "id, processing_status")[0] == (id_, "pending")
    assert kinds(db) == []


def test_a_renamed_file_keeps_its_row(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(3)), title="Ana Souza")
    index(db, tmp_path)
    [(id_,)] = chats(db, "id")
    path.rename(path.with_name("WhatsApp - 2025-01-05 10 00 00 - Ana Souza OS 30415.txt"))
    report = index(db, tmp_path)
    assert (report.moved, report.new, report.vanished) == (1, 0, 0)
    assert chats(db, "id, reference_os, processing_status") == [(id_, "30415", "pending")]


def test_a_file_moved_to_another_month_takes_its_row_along(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(3)))
    index(db, tmp_path)
    (tmp_path / "2025/02").mkdir()
    path.rename(tmp_path / "2025/02" / path.name)
    assert index(db, tmp_path, "2025-02").moved == 1
    assert index(db, tmp_path).vanished == 0
    assert chats(db, "month, processing_status") == [("2025-02", "pending")]
    assert kinds(db) == ["month_messages_differ", "month_name_differs"]


def test_a_copy_is_a_row_of_its_own(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(3)))
    index(db, tmp_path)
    write_chat(tmp_path, block(talk(3)), time="2025-01-06 10 00 00")
    report = index(db, tmp_path)
    assert (report.new, report.moved) == (1, 0)
    assert len(chats(db, "id")) == 2


def test_a_copy_in_another_month_leaves_the_first_where_it_is(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(3)))
    index(db, tmp_path)
    [(id_,)] = chats(db, "id")
    (tmp_path / "2025/02").mkdir()
    shutil.copy2(path, tmp_path / "2025/02" / path.name)
    report = index(db, tmp_path, "2025-02")
    assert (report.new, report.moved) == (1, 0)
    first, second = sorted(chats(db, "id, month, file_path"))
    assert first == (id_, "2025-01", f"2025/01/{path.name}")
    assert second[1:] == ("2025-02", f"2025/02/{path.name}")


def test_one_bad_file_among_good_ones(db: Connection, tmp_path: Path) -> None:
    good = [write_chat(tmp_path, block(talk(2)), title=f"Cliente {n}") for n in range(3)]
    folder = good[0].parent
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    (folder / "noise.txt").write_bytes(os.urandom(5000))
    (folder / "empty.txt").write_bytes(b"")
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    report = index(db, tmp_path)
    assert report.new == 3
    assert report.failed == report.files - 3
    statuses = dict(db.execute("SELECT filename, processing_status FROM chat_files").fetchall())
    assert {name for name, status in statuses.items() if status == "pending"} == {path.name for path in good}
    assert {"no_messages", "zip_damaged"} <= set(kinds(db))
    # What is mended is read again, though nothing of its size or time need have changed.
    with zipfile.ZipFile(folder / "broken.zip", "w") as packed:
        packed.writestr("_chat.txt", block(talk(4)))
    assert index(db, tmp_path).changed == 1
    assert "zip_damaged" not in kinds(db)


def test_an_unreadable_file_keeps_what_was_known(db: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "2025/01"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "Conversa do WhatsApp com Ana.zip", "w") as packed:
        packed.writestr("_chat.txt", block(talk(4)))
    index(db, tmp_path)
    whole = (folder / "Conversa do WhatsApp com Ana.zip").read_bytes()
    (folder / "Conversa do WhatsApp com Ana.zip").write_bytes(whole[:50])
    assert index(db, tmp_path).failed == 1
    assert chats(db, "title, message_count, processing_status, content_hash") == [("Ana", 4, "failed", None)]
    (folder / "Conversa do WhatsApp com Ana.zip").write_bytes(whole)
    index(db, tmp_path)
    assert chats(db, "message_count, processing_status") == [(4, "pending")]


def combined(*labels: str) -> str:
    return "".join(block(talk(3), label=label, phone="+5541" + f"{n:08d}") for n, label in enumerate(labels))


def test_a_combined_file_has_a_row_a_chat_and_they_move_with_their_chats(
    db: Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "2025/01"
    folder.mkdir(parents=True)
    path = folder / "WhatsApp - 3 sesiones de chat.txt"
    path.write_text(combined("Ana", "Bia", "Caio"))
    assert index(db, tmp_path).chats_written == 3
    ids = dict(chats(db, "title, id"))
    assert set(ids) == {"Ana", "Bia", "Caio"}
    path.write_text(combined("Zoe", "Ana", "Caio"))
    index(db, tmp_path)
    rows = db.execute("SELECT title, id, chat_number, processing_status FROM chat_files").fetchall()
    found = {title: rest for title, *rest in rows}
    assert [found[name][:2] for name in ("Ana", "Caio")] == [[ids["Ana"], 2], [ids["Caio"], 3]]
    assert found["Zoe"][1] == 1
    assert found["Bia"][2] == "vanished"
    path.write_text(combined("Ana", "Bia", "Caio"))
    index(db, tmp_path)
    rows = db.execute("SELECT title, id FROM chat_files WHERE processing_status <> 'vanished'").fetchall()
    assert dict(rows) == ids


def test_a_zip_of_chats(db: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "2025/01"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "export.zip", "w") as packed:
        packed.writestr("WhatsApp Chat with Ana.txt", block(talk(3), label="Ana"))
        packed.writestr("WhatsApp Chat with Bia.txt", block(talk(4), label="Bia", phone="+554188880000"))
        packed.writestr("foto.jpg", b"x")
    index(db, tmp_path)
    assert chats(db, "chat_number, title, message_count") == [(1, "Ana", 3), (2, "Bia", 4)]
    assert kinds(db) == ["zip_media"]


def test_files_outside_all_months(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(2)))
    write_chat(tmp_path, block(talk(2)), month=".", title="Ana")
    (tmp_path / "lost.txt").write_text("nothing\n")
    report = index(db, tmp_path)
    assert report.new == 2
    assert kinds(db) == ["no_month", "outside_months"]
    (tmp_path / "lost.txt").unlink()
    index(db, tmp_path)
    assert kinds(db) == ["outside_months"]


def test_names_that_cannot_be_kept_and_files_that_are_no_chats(db: Connection, tmp_path: Path) -> None:
    path = write_chat(tmp_path, block(talk(2)))
    with open(os.fsencode(path.parent) + b"/conversa \xe3.txt", "wb") as file:
        file.write(b"x")
    (path.parent / "foto.jpg").write_bytes(b"x")
    index(db, tmp_path)
    before = everything(db)
    assert kinds(db) == ["name_unreadable", "other_files"]
    index(db, tmp_path)
    assert everything(db) == before


def test_a_path_that_is_too_long_is_named_and_the_others_are_indexed(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(2)))
    rng = random.Random(1)
    folder = tmp_path / "2025/01"
    for _ in range(12):  # of names that no compression makes short
        folder /= "".join(rng.choices(string.ascii_letters + string.digits, k=200))
    folder.mkdir(parents=True)
    longest = chat_files.LONGEST_PATH - len(str(folder.relative_to(tmp_path))) - len("/.txt")
    (folder / f"{'a' * longest}.txt").write_bytes(block(talk(3)).encode())
    too_long = folder / f"{'b' * (longest + 1)}.txt"
    too_long.write_bytes(block(talk(4)).encode())
    report = index(db, tmp_path)
    assert (report.files, report.new, report.failed) == (3, 2, 1)
    assert len(chats(db, "file_path")) == 2
    [found] = db.execute(
        "SELECT file_path, severity, detail FROM exceptions WHERE kind = 'path_too_long'"
    ).fetchall()
    assert found[:2] == (str(too_long.relative_to(tmp_path)), "error")
    assert "has 2,601 bytes, but at most 2,600 can be stored" in found[2]
    before = everything(db)
    assert index(db, tmp_path).unchanged == 2
    assert everything(db) == before
    load_month(db, ChatArchive(str(tmp_path)), JANUARY, LoadOptions(), log=LOG)
    too_long.rename(folder / "b.txt")
    report = index(db, tmp_path)
    assert (report.new, report.failed) == (1, 0)
    assert "path_too_long" not in kinds(db)


def test_a_sample_is_stratified_and_the_same_for_a_seed(db: Connection, tmp_path: Path) -> None:
    for number in range(40):
        write_chat(tmp_path, block(talk(2)), title=f"+55 41 9{9000 + number}-0000")
    for number in range(4):
        write_chat(tmp_path, block(talk(2)), title=f"Pessoa {'abcd'[number]}")
    write_chat(tmp_path, block(talk(2)), title="Ana OS 30415")
    report = index(db, tmp_path, sample=6, seed=3)
    assert (report.files, report.new) == (6, 6)
    first = chats(db, "file_path")
    assert db.execute("SELECT count(reference_os), count(customer_name) FROM chat_files").fetchone() == (1, 2)
    assert index(db, tmp_path, sample=6, seed=3).unchanged == 6
    assert chats(db, "file_path") == first
    assert index(db, tmp_path, sample=6, seed=4).new > 0
    assert index(db, tmp_path).vanished == 0


def test_other_options_make_another_index(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(2)), title="99999-0000")
    index(db, tmp_path)
    assert chats(db, "phone_key") == [("xx99990000",)]
    assert index(db, tmp_path, default_area_code="41").changed == 1
    assert chats(db, "phone_key") == [("4199990000",)]


def test_a_saved_name_is_the_chat_of_its_number(db: Connection, tmp_path: Path) -> None:
    write_chat(tmp_path, block(talk(2)))
    write_chat(tmp_path, block(talk(4), label="Ana"), title="Ana")
    index(db, tmp_path)
    assert chats(db, "chat_key") == [("4199990000",), ("4199990000",)]


def test_what_the_sessions_encoding_is_does_not_matter(db: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "2025" / "01"
    folder.mkdir(parents=True)
    name = "WhatsApp - 2025-01-05 10 00 00 - João Conceição.txt"
    (folder / name).write_text(block([Said(0, "from", "oi")]), encoding="utf-8")
    db.execute("SET client_encoding = 'LATIN1'")
    index(db, tmp_path)
    db.execute("SET client_encoding = 'UTF8'")
    assert chats(db, "title") == [("João Conceição",)]


def test_links_that_lead_out_of_the_archive_are_not_followed(db: Connection, tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "archive", tmp_path / "elsewhere"
    inside = write_chat(root, block(talk(2)))
    outside = write_chat(elsewhere, block(talk(3)), time="2025-01-06 10 00 00")
    folder = inside.parent
    (folder / "to-file.txt").symlink_to(outside)
    (folder / "to-folder").symlink_to(outside.parent)
    (folder / "within.txt").symlink_to(inside.name)
    (root / "2025/02").symlink_to(outside.parent)
    report = index(db, root)
    assert report.files == 2
    paths = {path.rsplit("/", 1)[-1] for (path,) in chats(db, "file_path")}
    assert paths == {inside.name, "within.txt"}
    found = db.execute("SELECT file_path, month, severity FROM exceptions WHERE kind = 'link_outside'")
    assert sorted(found, key=str) == [
        ("2025/01/to-file.txt", JANUARY, "warning"),
        ("2025/01/to-folder", JANUARY, "warning"),
        ("2025/02", None, "warning"),
    ]
    assert index(db, root, "2025-02").files == 0
    (root / "2025/02").unlink()
    (folder / "to-file.txt").unlink()
    index(db, root)
    found = db.execute("SELECT file_path FROM exceptions WHERE kind = 'link_outside'")
    assert list(found) == [("2025/01/to-folder",)]


def test_a_file_that_becomes_a_link_out_is_not_read(db: Connection, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    file = write_chat(root, block(talk(2)))
    secret = write_chat(tmp_path / "elsewhere", block([Said(0, "from", "segredo")]))
    index(db, root)
    file.unlink()
    file.symlink_to(secret)
    load_month(db, ChatArchive(str(root)), JANUARY, LoadOptions(), log=LOG)
    assert db.execute("SELECT count(*) FROM chat_messages").fetchone() == (0,)
    assert "unreadable" in " ".join(kinds(db))


def test_a_run_on_a_wrong_archive_stops_before_it_writes(db: Connection, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for number in range(4):
        write_chat(right, block(talk(2 + number)), title=f"Ana {number}")
    write_chat(wrong, block(talk(20)), title="Other shop")
    index(db, right)
    before = everything(db)

    def refused(root: Path, share: float = 0.5) -> str:
        try:
            refuse_wrong_archive(db, ChatArchive(str(root)), ["2024-12", JANUARY], max_missing_share=share)
        except MissingFilesError as error:
            return str(error)
        return ""

    assert "4 of 4 known files of 2025-01" in refused(wrong)
    assert "--accept-missing" in refused(wrong)
    assert refused(wrong, share=1.0) == ""
    assert refused(right) == ""
    files = sorted(right.rglob("*.txt"))
    for file in files:  # renamed, not missing
        file.rename(file.with_name(file.name.replace("Ana", "Bia")))
    assert refused(right) == ""
    sorted(right.rglob("*.txt"))[0].unlink()
    sorted(right.rglob("*.txt"))[0].unlink()
    assert refused(right) == ""  # a half is not more than a half
    sorted(right.rglob("*.txt"))[0].unlink()
    assert "3 of 4" in refused(right)
    assert everything(db) == before

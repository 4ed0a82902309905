"""What the scans of files and their messages keep of an erased person: nothing, and all of everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.domain.redaction import ERASED
from whatsapp_pipeline.steps.chats.chat_reading import ReadingOptions
from whatsapp_pipeline.steps.chats.erased_chats import (
    path_test,
    without_erased_chats,
    without_erased_people,
)
from whatsapp_pipeline.steps.chats.scan import ScanJob, ScanOptions, Scans, scan_files
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.exceptions import ExceptionRow
from whatsapp_pipeline.store.operations import suppression
from whatsapp_pipeline_tests.block_files import block, talk, write_chat

HERS, HER_KEY, HER_NAME = "+55 41 99999-0001", "4199990001", "wa:554199990001"
BIAS, CAIOS = "+554188880002", "+554188880003"


@pytest.fixture
def db(fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path / "local"))
    with connect(fresh_database_url) as conn:
        yield conn


def erase_her(conn: Connection) -> None:
    with conn.transaction():
        suppression.add_entries(conn, [("phone", HER_KEY), ("identity", HER_NAME)])


def scan(root: Path, *paths: Path) -> Scans:
    """Scan files in this order."""
    archive = ChatArchive(str(root))
    files = {root / file.path: file for file in archive.listing("2025-01").files}
    jobs = [ScanJob(files[path], "2025-01", {}) for path in paths]
    return Scans.joined(list(scan_files(archive, jobs, ScanOptions(ReadingOptions()))))


def chat_of(phone: str, label: str) -> str:
    return block(talk(2), label=label, phone=phone)


def finding(path: str, chat_number: int | None) -> ExceptionRow:
    return ExceptionRow("chat_file_index", path, chat_number, "2025-01", None, "k", "info", f"{chat_number}")


def places(rows: pl.DataFrame) -> list[tuple[str, int]]:
    return sorted(set(rows.select("file_path", "chat_number").rows()))


def test_the_chats_of_an_erased_person_leave_the_scans(db: Connection, tmp_path: Path) -> None:
    erase_her(db)
    own = write_chat(tmp_path, chat_of("+554199990001", "Ana"), title="Ana")
    named = write_chat(tmp_path, chat_of(BIAS, "Zoe"), title="Zoe e 41 98888-0002 e 41 99999-0001")
    combined = tmp_path / "2025/01/WhatsApp - 3 sesiones de chat.txt"
    combined.write_text(
        chat_of(BIAS, "Bia") + chat_of("+554199990001", "Ana") + chat_of(CAIOS, "Caio"), encoding="utf-8"
    )
    others = write_chat(tmp_path, chat_of(CAIOS, "Caio"), title="Caio")
    scans = scan(tmp_path, own, named, combined, others)
    paths = [file.path for file in scans.files]
    for file in scans.files:
        file.findings = [finding(file.path, number) for number in (None, 1, 2)]

    kept, count = without_erased_chats(db, scans)

    assert count == 3
    assert [(file.path, [chat.chat_number for chat in file.chats]) for file in kept.files] == [
        (paths[2], [1, 3]),
        (paths[3], [1]),
    ]
    assert [[row.chat_number for row in file.findings] for file in kept.files] == [[None, 1], [None, 1, 2]]
    left = [(paths[2], 1), (paths[2], 3), (paths[3], 1)]
    assert places(kept.sessions) == sorted(left)
    assert places(kept.phones) == sorted(left)
    # Loading the rest of the combined file skips her chat by its place.
    is_erased = suppression.erased_file_chats(db)
    listed = [(at, number) for at in range(4) for number in (1, 2, 3) if is_erased(paths[at], number)]
    assert listed == [(0, 1), (1, 1), (2, 2)]


def test_a_group_keeps_its_chat_without_her(db: Connection, tmp_path: Path) -> None:
    text = "".join(chat_of(phone, "Turma") for phone in ("+554199990001", BIAS, CAIOS))
    group = write_chat(tmp_path, text, title="Turma")
    before = scan(tmp_path, group)
    assert without_erased_chats(db, before) == (before, 0)  # nobody is erased yet
    erase_her(db)
    scans = scan(tmp_path, group)
    [file] = scans.files
    unread = scans.phones.head(1).with_columns(raw=pl.lit("ramal 12"), key=pl.lit(None, pl.String))
    scans = replace(scans, phones=pl.concat([scans.phones, unread]))
    file.chats = [file.chats[0]._replace(title=f"Turma de {HERS}", chat_key=f"group:turma de {HERS}")]
    kept, count = without_erased_chats(db, scans)
    assert count == 0
    assert_frame_equal(kept.sessions, before.sessions)
    assert sorted(kept.phones["raw"]) == [BIAS, CAIOS, "ramal 12"]
    [chat] = kept.files[0].chats
    assert chat == before.files[0].chats[0]._replace(
        title=f"Turma de {ERASED}", customer_name="Turma de", chat_key="group:turma de [apagado]"
    )


def test_a_path_names_her_by_one_of_its_numbers(db: Connection) -> None:
    assert not path_test(db)(f"2025/01/{HERS}.jpg")
    erase_her(db)
    names_her = path_test(db)
    assert names_her(f"2025/01/{HERS}.jpg")
    assert names_her("2025/01/41 98888-0002 e 41 99999-0001/foto.jpg")
    assert not names_her("2025/01/41 98888-0002 e 41 99999-0003/foto.jpg")
    assert not names_her("2025/01/foto.jpg")


TEXTS = ("text", "reply_quote", "sender_name", "sender_phone", "attachment_name")
OTHERS = "+55 41 99999-0002"
WRITTEN_BY_HER: dict[str, str | None] = {"text": ERASED, "reply_quote": None, "attachment_name": ERASED}


@pytest.mark.parametrize(
    ("column", "left"),
    [
        ("text", {"text": f"de {ERASED}"}),
        ("reply_quote", {"reply_quote": f"de {ERASED}"}),
        ("attachment_name", {"attachment_name": f"de {ERASED}"}),
        # What she wrote is removed as a whole. A phone beside her name stays.
        ("sender_name", WRITTEN_BY_HER | {"sender_name": None}),
        ("sender_phone", WRITTEN_BY_HER | {"sender_name": None, "sender_phone": None}),
    ],
)
@pytest.mark.parametrize("written", [HERS, "41999990001", "(41) 9.9999 – 0001", "99999-0001"])
def test_her_number_goes_from_a_message_wherever_it_is(
    column: str, left: dict[str, str | None], written: str
) -> None:
    """The rows beside hers name nobody, or another person, and stay as they are."""
    plain: dict[str, object] = dict.fromkeys(TEXTS, "sem número") | {"ordinal": 1, "body_hash": 7}
    rows = [
        plain,
        plain | {column: f"de {written}", "ordinal": 2},
        plain | {column: f"de {OTHERS}", "ordinal": 3},
        plain | dict.fromkeys(TEXTS) | {"ordinal": 4},
    ]
    expected = [rows[0], plain | left | {"ordinal": 2}, *rows[2:]]
    names = {HER_NAME, "wa:xx99990001"}
    found = without_erased_people(pl.DataFrame(rows), names.__contains__)
    assert found.rows(named=True) == expected


@pytest.mark.parametrize("text", ["sem número", f"de {OTHERS}", None])
def test_messages_that_do_not_name_her_stay_as_they_are(text: str | None) -> None:
    messages = pl.DataFrame({name: [text, "x"] for name in TEXTS}, schema=dict.fromkeys(TEXTS, pl.String))
    assert without_erased_people(messages, HER_NAME.__eq__) is messages

"""From windows to rows: what belongs to a file lands with it, whichever windows it came in."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.chat_reading import ReadingOptions
from whatsapp_pipeline.steps.chats.scan import ScanJob, ScanOptions, Scans, scan_files
from whatsapp_pipeline_tests.block_files import START, block, talk, write_chat

LARGE = 40_000  # messages, a minute apart: several windows, one session


def scan(root: Path) -> Scans:
    archive = ChatArchive(str(root))
    jobs = [ScanJob(file, "2025-01", {}) for file in archive.listing("2025-01").files]
    return Scans.joined(list(scan_files(archive, jobs, ScanOptions(ReadingOptions()))))


def write_zip(root: Path, texts: dict[str, str]) -> Path:
    path = root / "2025" / "01" / "chats.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in texts.items():
            packed.writestr(f"Conversa do WhatsApp com {name}.txt", text)
    return path


@pytest.fixture
def beside(tmp_path: Path) -> list[Path]:
    """Small files before and after the others, in the order of names."""
    return [write_chat(tmp_path, block(talk(3)), title=title) for title in ("A", "Z")]


def test_a_session_of_a_large_file_is_one_whatever_windows_it_came_in(
    tmp_path: Path, beside: list[Path]
) -> None:
    write_chat(tmp_path, block(talk(LARGE)), title="Grande")
    scans = scan(tmp_path)
    assert [file.chats[0].title for file in scans.files] == ["A", "Grande", "Z"]
    assert [file.chats[0].message_count for file in scans.files] == [3, LARGE, 3]
    columns = ("chat_number", "number", "started_at", "ended_at", "message_count")
    assert scans.sessions.select(columns).rows() == [
        (1, 1, START, START + timedelta(minutes=count - 1), count) for count in (3, LARGE, 3)
    ]
    assert scans.phones["occurrences"].to_list() == [2, 1, LARGE // 2, LARGE // 2, 2, 1]


@pytest.mark.slow
def test_the_chats_of_a_zip_land_together(tmp_path: Path, beside: list[Path]) -> None:
    write_zip(tmp_path, {"Ana": block(talk(LARGE)), "Bia": block(talk(5)), "Caio": block(talk(LARGE))})
    scans = scan(tmp_path)
    assert [[chat.message_count for chat in file.chats] for file in scans.files] == [
        [3],
        [3],
        [LARGE, 5, LARGE],
    ]
    zipped = scans.sessions.filter(scans.sessions["file_path"] == "2025/01/chats.zip")
    assert zipped.select("chat_number", "message_count").rows() == [(1, LARGE), (2, 5), (3, LARGE)]


def test_nothing_is_kept_of_a_file_that_breaks_off(tmp_path: Path, beside: list[Path]) -> None:
    path = write_zip(tmp_path, {"Ana": block(talk(LARGE)), "Bia": block(talk(LARGE))})
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 0xFF  # in Bia's text
    path.write_bytes(data)
    scans = scan(tmp_path)
    assert [(file.chats[0].processing_status, len(file.chats)) for file in scans.files] == [
        ("pending", 1),
        ("pending", 1),
        ("failed", 1),
    ]
    assert scans.sessions["message_count"].to_list() == [3, 3]
    assert scans.phones["file_path"].n_unique() == 2


def test_one_phone_in_the_headers_names_a_chat_and_two_make_a_group(tmp_path: Path) -> None:
    own, other = block(talk(2), label="Ana"), block(talk(2), label="Ana", phone="+554188880000")
    for title, content in (("Ana", own), ("Bia", own + other), ("+55 41 97777-0000", own)):
        write_chat(tmp_path, content, title=title)
    found = {
        file.chats[0].title: (file.chats[0].chat_key, file.chats[0].is_group) for file in scan(tmp_path).files
    }
    assert found == {
        "Ana": ("4199990000", False),
        "Bia": ("group:bia", True),
        "+55 41 97777-0000": ("4177770000", False),  # what the title says comes first
    }

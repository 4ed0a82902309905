from __future__ import annotations

import os
from pathlib import Path

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.archive.sources import UnreadableFileError
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.chats.chat_reading import FileRequest, ReadingOptions, read_files
from whatsapp_pipeline_tests.block_files import block, talk, write_chat


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_chat(tmp_path, block(talk(2)))
    write_chat(
        tmp_path, block(talk(2)), month="2025/02/2025-02-01 - Ana", time="2025-02-01 09 00 00", title="Ana"
    )
    return tmp_path


def test_months_are_folders_and_what_lies_outside_them(root: Path) -> None:
    write_chat(root, block(talk(2)), month=".", time="2024-11-03 08 00 00")
    (root / "2025" / "avulso.txt").write_text(block(talk(2)))
    (root / "nada.txt").write_text("no chat at all")
    archive = ChatArchive(str(root))
    assert archive.months() == ["2024-11", "2025-01", "2025-02"]
    assert [file.path for file in archive.listing("2025-01").files] == [
        "2025/01/WhatsApp - 2025-01-05 10 00 00 - +55 41 99999-0000.txt",
        "2025/avulso.txt",
    ]
    assert [file.path for file in archive.outside() if archive.month_of(file) is None] == ["nada.txt"]


def test_a_wrapping_folder_belongs_to_its_month(root: Path) -> None:
    listing = ChatArchive(str(root)).listing("2025-02")
    assert [(file.name, file.folder_month) for file in listing.files] == [
        ("WhatsApp - 2025-02-01 09 00 00 - Ana.txt", "2025-02")
    ]


def test_what_is_no_chat_is_counted_not_listed(root: Path) -> None:
    folder = root / "2025" / "01"
    for name in ("a.jpg", "b.jpg", "c.opus", ".DS_Store", "._x.txt"):
        (folder / name).write_bytes(b"x")
    listing = ChatArchive(str(root)).listing("2025-01")
    assert len(listing.files) == 1
    assert listing.other_suffixes == {".jpg": 2, ".opus": 1}


def test_a_name_that_is_not_utf8_is_reported(root: Path) -> None:
    raw = os.fsencode(root / "2025" / "01") + b"/conversa \xe3.txt"
    with open(raw, "wb") as file:
        file.write(b"x")
    listing = ChatArchive(str(root)).listing("2025-01")
    assert listing.unreadable_names == ["2025/01/conversa \\xe3.txt"]
    assert len(listing.files) == 1


def test_an_absent_month_is_empty_and_an_absent_archive_an_error(root: Path) -> None:
    assert ChatArchive(str(root)).listing("2030-12").files == []
    with pytest.raises(PipelineError, match="no chat archive"):
        ChatArchive(str(root / "nowhere")).months()


def test_a_relative_root_and_a_memory_url_work(root: Path) -> None:
    relative = os.path.relpath(root)
    assert ChatArchive(relative).months() == ["2025-01", "2025-02"]
    archive = ChatArchive("memory://chats")
    (archive.root / "2025/03").mkdir(parents=True)
    (archive.root / "2025/03/a.txt").write_bytes(block(talk(2)).encode())
    [file] = archive.listing("2025-03").files
    with archive.open(file.path) as source:
        [(_, stream)] = source.streams()
        assert stream.closed or file.size > 0
    assert archive.months() == ["2025-03"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only POSIX has named pipes")
def test_a_named_pipe_is_unreadable_and_never_waited_for(root: Path) -> None:
    os.mkfifo(root / "2025" / "01" / "cano.txt")
    archive = ChatArchive(str(root))
    [file] = [file for file in archive.listing("2025-01").files if file.name == "cano.txt"]
    with archive.open(file.path) as source, pytest.raises(UnreadableFileError, match="a pipe or a device"):
        list(source.streams())


def test_the_order_of_dates_is_that_of_the_files_that_decide_one(tmp_path: Path) -> None:
    folder = tmp_path / "2025" / "01"
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"m{number}.txt").write_text("1/25/25, 3:05 pm - Ana: oi\n", encoding="utf-8")
    (folder / "a.txt").write_text("1/2/25, 3:05 pm - Ana: oi\n", encoding="utf-8")
    archive = ChatArchive(str(tmp_path))
    assert archive.date_order_near("2025/01/a.txt") == "mdy"
    (found,) = read_files(archive, [FileRequest("2025/01/a.txt", {})], ReadingOptions())
    assert found.frame["timestamp"].dt.month().to_list() == [1]
    for number in range(5):  # files that do not agree decide nothing
        (folder / f"d{number}.txt").write_text("25/1/25, 3:05 pm - Ana: oi\n", encoding="utf-8")
    assert ChatArchive(str(tmp_path)).date_order_near("2025/01/a.txt") is None


def test_the_files_nearest_in_time_decide_the_order_of_dates(tmp_path: Path) -> None:
    """The business changed its phone in March: the months before and after it have different orders."""
    written = {"2025/01": "25/1/25, 3:05 pm", "2025/03": "3/25/25, 3:05 PM", "2025/06": "6/25/25, 3:05 PM"}
    for month, header in written.items():
        (tmp_path / month).mkdir(parents=True)
        for number in range(5):
            (tmp_path / month / f"n{number}.txt").write_text(f"{header} - Ana: oi\n", encoding="utf-8")
    for month in ("2025/02", "2025/05", "2025/01", "2025/03"):
        (tmp_path / month).mkdir(exist_ok=True)
        (tmp_path / month / "a.txt").write_text("1/2/25, 3:05 pm - Ana: oi\n", encoding="utf-8")
    archive = ChatArchive(str(tmp_path))
    near = {month: archive.date_order_near(f"{month}/a.txt") for month in ("2025/01", "2025/03", "2025/05")}
    assert near == {"2025/01": "dmy", "2025/03": "mdy", "2025/05": "mdy"}
    assert archive.date_order_near("2025/02/a.txt") is None  # as far from both
    assert archive.date_order_near("avulso.txt") == "mdy"  # a file of no month: the newest decide

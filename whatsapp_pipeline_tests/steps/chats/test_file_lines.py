"""Lines of an archive's file for people: around a finding, and at both ends."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.file_lines import first_and_last_lines, lines_around
from whatsapp_pipeline_tests.block_files import block, talk


@pytest.fixture
def archive(tmp_path: Path) -> ChatArchive:
    (tmp_path / "a.txt").write_text("1\n2\n3\n4\n5\n6\n7", encoding="utf-8")
    (tmp_path / "b.txt").write_text("1\n\n2\n  \n3\n4\n5\n\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as packed:
        packed.writestr("WhatsApp Chat with Ana.txt", block(talk(1), label="Ana"))
        packed.writestr("WhatsApp Chat with Bia.txt", block(talk(1), label="Bia"))
    return ChatArchive(str(tmp_path))


@pytest.mark.parametrize(
    ("line", "context", "shown"),
    [
        (4, 1, "345"),
        (4, 0, "4"),
        (1, 2, "123"),
        (7, 2, "567"),
        (6, 2, "4567"),
        (9, 2, "7"),
        (10, 2, ""),
    ],
)
def test_a_line_is_shown_with_its_neighbours(
    archive: ChatArchive, line: int, context: int, shown: str
) -> None:
    found = lines_around(archive, "a.txt", None, line, context=context)
    assert found == [(int(text), text) for text in shown]


def test_two_lines_either_side_are_shown_unless_told(archive: ChatArchive) -> None:
    assert [number for number, _ in lines_around(archive, "a.txt", None, 4)] == [2, 3, 4, 5, 6]


def test_the_chat_s_own_transcript_of_a_zip_is_shown(archive: ChatArchive) -> None:
    assert [lines_around(archive, "c.zip", chat, 2, context=0) for chat in (1, 2)] == [
        [(2, "Ana")],
        [(2, "Bia")],
    ]
    firsts = [first_and_last_lines(archive, "c.zip", chat, count=2)[0][1] for chat in (1, 2)]
    assert firsts == ["Ana", "Bia"]


@pytest.mark.parametrize(
    ("count", "first", "last"), [(2, "12", "45"), (3, "123", "45"), (5, "12345", ""), (9, "12345", "")]
)
def test_both_ends_leave_out_empty_lines(archive: ChatArchive, count: int, first: str, last: str) -> None:
    found = first_and_last_lines(archive, "b.txt", None, count=count)
    assert found == (list(first), list(last))


def test_a_file_that_is_gone_has_no_lines(archive: ChatArchive) -> None:
    assert lines_around(archive, "gone.txt", None, 1) == []
    assert first_and_last_lines(archive, "gone.zip", 1, count=2) == ([], [])

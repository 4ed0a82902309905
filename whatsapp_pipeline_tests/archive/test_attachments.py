"""Finding the files that customers sent, and nothing else."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import pytest

from whatsapp_pipeline.archive.attachments import AttachmentFiles


def content(files: AttachmentFiles, chat: str, name: str) -> bytes | None:
    """Return what a download would hold; what a page says of the file must fit."""
    found = files.open(chat, name)
    assert files.may_have(chat, name) == (found is not None)
    if found is None:
        return None
    data = b"".join(found.chunks())
    assert len(data) == found.size
    assert found.stream.closed
    return data


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    month = tmp_path / "archive" / "2025" / "01"
    month.mkdir(parents=True)
    (month / "Ana.txt").write_text("the chat")
    (month / "Rui.txt").write_text("another customer's chat")
    (month / "foto.jpg").write_bytes(b"\xff\xd8" * 300_000)
    (month / "Orçamento 1.pdf").write_bytes(b"%PDF")
    with zipfile.ZipFile(month / "Rui.zip", "w") as packed:
        packed.writestr("_chat.txt", "the chat")
        packed.writestr("fotos/foto.jpg", b"of the zip")
        packed.writestr("a/twice.jpg", b"1")
        packed.writestr("b/twice.jpg", b"2")
        packed.writestr("../up.jpg", b"refused")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return tmp_path / "archive"


def test_a_file_beside_the_chat_is_found(archive: Path) -> None:
    files = AttachmentFiles(str(archive))
    assert content(files, "2025/01/Ana.txt", "foto.jpg") == b"\xff\xd8" * 300_000
    assert content(files, "2025/01/Ana.txt", "Orçamento 1.pdf") == b"%PDF"
    assert content(files, "2025/01/Ana.txt", "missing.jpg") is None
    assert content(files, "2025/02/Ana.txt", "foto.jpg") is None
    assert content(AttachmentFiles(archive.as_uri()), "2025/01/Ana.txt", "Orçamento 1.pdf") == b"%PDF"


def test_a_file_in_the_chats_zip_is_found(archive: Path) -> None:
    files = AttachmentFiles(str(archive))
    assert content(files, "2025/01/Rui.zip", "foto.jpg") == b"of the zip"
    for name in ("twice.jpg", "up.jpg", "Orçamento 1.pdf", "_chat.txt"):
        assert content(files, "2025/01/Rui.zip", name) is None, name
    (archive / "2025/01/broken.zip").write_bytes(b"no zip")
    assert content(files, "2025/01/broken.zip", "foto.jpg") is None


def test_a_zip_that_changes_is_read_again(archive: Path) -> None:
    files = AttachmentFiles(str(archive))
    assert content(files, "2025/01/Rui.zip", "new.jpg") is None
    with zipfile.ZipFile(archive / "2025/01/Rui.zip", "a") as packed:
        packed.writestr("new.jpg", b"new")
    assert content(files, "2025/01/Rui.zip", "new.jpg") == b"new"


@pytest.mark.parametrize(
    "name",
    [
        "../../../secret.jpg",
        "/etc/hostname",
        "..",
        ".",
        "",
        "a/foto.jpg",
        "..\\foto.jpg",
        "foto.jpg\x00",
        ".foto.jpg",
        "C:foto.jpg",
        "x" * 300,
        "Rui.txt",
        "RUI.TXT",
        "Rui.zip",
    ],
)
def test_a_name_leads_nowhere_else(archive: Path, name: str) -> None:
    (archive / "2025/01/.foto.jpg").write_bytes(b"hidden")
    assert content(AttachmentFiles(str(archive)), "2025/01/Ana.txt", name) is None


def test_links_out_and_pipes_are_not_served(archive: Path) -> None:
    month = archive / "2025/01"
    (month / "link.jpg").symlink_to(archive.parent / "secret.jpg")
    (month / "inside.jpg").symlink_to(month / "Orçamento 1.pdf")
    (archive / "2025/02").symlink_to(archive.parent)
    os.mkfifo(month / "pipe.jpg")
    (month / "folder.jpg").mkdir()
    files = AttachmentFiles(str(archive))
    for name in ("link.jpg", "pipe.jpg", "folder.jpg"):
        assert content(files, "2025/01/Ana.txt", name) is None, name
    assert content(files, "2025/02/Ana.txt", "secret.jpg") is None
    assert content(files, "2025/01/Ana.txt", "inside.jpg") == b"%PDF"


def test_a_bomb_is_not_unpacked(archive: Path) -> None:
    with zipfile.ZipFile(archive / "2025/01/bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.jpg", bytes(20 << 20))
    assert content(AttachmentFiles(str(archive)), "2025/01/bomb.zip", "bomb.jpg") is None


def test_a_bucket_is_asked_when_somebody_downloads() -> None:
    from upath import UPath

    bucket = UPath("memory://attachments-of-a-test")
    (bucket / "2025/01").mkdir(parents=True, exist_ok=True)
    (bucket / "2025/01/foto.jpg").write_bytes(b"remote")
    files = AttachmentFiles(str(bucket))
    found = files.open("2025/01/Ana.txt", "foto.jpg")
    assert found is not None
    assert (found.size, b"".join(found.chunks())) == (6, b"remote")
    assert files.may_have("2025/01/Ana.txt", "missing.jpg")
    assert files.open("2025/01/Ana.txt", "missing.jpg") is None


def test_without_an_archive_there_is_no_file() -> None:
    assert content(AttachmentFiles(None), "2025/01/Ana.txt", "foto.jpg") is None


def test_files_are_closed_when_nothing_is_found(archive: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        assert content(AttachmentFiles(str(archive)), "2025/01/Rui.zip", "twice.jpg") is None

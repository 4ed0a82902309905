from __future__ import annotations

import io
import zipfile
from hashlib import blake2b
from pathlib import Path

import pytest

from whatsapp_pipeline.archive import ChatArchive, UnreadableFileError


def read_all(root: Path, name: str) -> tuple[dict[str, bytes], list[str], bytes]:
    with ChatArchive(str(root)).open(name) as source:
        texts = {member.name: stream.read(10) + stream.read() for member, stream in source.streams()}
        return texts, [finding.kind for finding in source.findings], source.content_hash()


def pack(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, data in members.items():
            packed.writestr(name, data)


@pytest.mark.parametrize("size", [0, 5, 262_143, 262_144, 262_145, 3_000_000])
def test_the_hash_is_of_the_whole_text(tmp_path: Path, size: int) -> None:
    data = b"abcdefg\n" * (size // 8) + b"x" * (size % 8)
    (tmp_path / "a.txt").write_bytes(data)
    texts, _, digest = read_all(tmp_path, "a.txt")
    assert texts == {"a.txt": data}
    assert digest == blake2b(data, digest_size=20).digest()
    with ChatArchive(str(tmp_path)).open("a.txt") as source:
        for _, stream in source.streams():
            stream.read(3)  # what is not wanted counts all the same
        assert source.content_hash() == digest


def test_a_zip_gives_its_chat_and_leaves_its_media(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"_chat.txt": b"chat", "00000012-nota.txt": b"a document", "f.jpg": b"x"})
    texts, kinds, digest = read_all(tmp_path, "a.zip")
    assert texts == {"_chat.txt": b"chat"}
    assert kinds == ["zip_media"]
    # Packed again with other media it is the same chat.
    pack(tmp_path / "b.zip", {"g.jpg": b"yy", "_chat.txt": b"chat"}, zipfile.ZIP_STORED)
    assert read_all(tmp_path, "b.zip")[2] == digest


def test_a_zip_of_many_chats_gives_them_by_name(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"x/WhatsApp Chat with B.txt": b"2", "x/WhatsApp Chat with A.txt": b"1"})
    texts, _, _ = read_all(tmp_path, "a.zip")
    assert list(texts.items()) == [("WhatsApp Chat with A.txt", b"1"), ("WhatsApp Chat with B.txt", b"2")]


@pytest.mark.parametrize(
    "name", ["../chat.txt", "/etc/chat.txt", "a/../../chat.txt", "C:chat.txt", "..\\chat.txt"]
)
def test_path_tricks_are_refused(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "a.zip", {name: b"evil", "ok.txt": b"fine"})
    texts, kinds, _ = read_all(tmp_path, "a.zip")
    assert texts == {"ok.txt": b"fine"}
    assert kinds == ["zip_member_refused"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.txt")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(UnreadableFileError, match="symbolic link") as caught:
        read_all(tmp_path, "a.zip")
    assert caught.value.kind == "zip_without_chat"


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"_chat.txt": b"0" * (40 << 20)})
    with pytest.raises(UnreadableFileError) as caught:
        read_all(tmp_path, "a.zip")
    assert caught.value.kind == "zip_without_chat"
    pack(tmp_path / "b.zip", {f"{n}.txt": b"0" * (8 << 20) for n in range(5)})
    with pytest.raises(UnreadableFileError) as caught:
        read_all(tmp_path, "b.zip")
    assert caught.value.kind == "zip_refused"


def test_damage_is_told_and_never_another_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("_chat.txt", bytes(range(256)) * 400)
    whole = buffer.getvalue()
    for at in range(0, len(whole), 37):
        for broken in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            (tmp_path / "a.zip").write_bytes(broken)
            try:
                read_all(tmp_path, "a.zip")
            except UnreadableFileError as error:
                assert str(error)  # noqa: PT017  # either it reads, or it says so


def test_a_file_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_all(tmp_path, "gone.txt")
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_all(tmp_path, "gone.zip")

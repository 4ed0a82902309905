"""Reading files at once: which chats are whose, when a file is over, and that a file fails alone."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from whatsapp_pipeline.archive import ChatArchive, ChatSource
from whatsapp_pipeline.archive.sources import Member
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.chats.chat_reading import (
    FileRequest,
    FileWindow,
    ReadingOptions,
    read_files,
    reading_hash,
)
from whatsapp_pipeline_tests.block_files import block, talk, write_chat

LARGE = 40_000  # messages: several windows


def requests(paths: Sequence[str]) -> list[FileRequest]:
    return [FileRequest(path, {}) for path in paths]


def write(root: Path, messages: int, title: str = "Cliente") -> str:
    """Write a chat of so many messages; return its path in the archive."""
    return str(write_chat(root, block(talk(messages)), title=title).relative_to(root))


def write_zip(root: Path, name: str, texts: dict[str, str]) -> str:
    path = root / "2025" / "01" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for inner, text in texts.items():
            packed.writestr(inner, text)
    return f"2025/01/{name}"


def chats_of(windows: Sequence[FileWindow]) -> dict[tuple[int, int], int]:
    """Rows of each chat by (file, chat number)."""
    named = {chat.chat: (chat.file, chat.chat_number) for window in windows for chat in window.chats}
    rows = dict.fromkeys(named.values(), 0)
    for window in windows:
        for number in window.frame["chat"].to_list():
            rows[named[number]] += 1
    return rows


def over(windows: Sequence[FileWindow]) -> list[int]:
    """Files in the order they were over; each once, and with all its rows and summaries by then."""
    files: list[int] = []
    whose: dict[int, int] = {}
    for window in windows:
        whose.update({chat.chat: chat.file for chat in window.chats})
        touched = {whose[chat] for chat in window.frame["chat"].to_list()}
        touched |= {whose[chat] for chat, _ in (*window.findings, *window.closed)}
        assert not touched & set(files)
        files += [item.file for item in window.read] + [file for file, _ in window.failed]
    return files


@pytest.fixture
def archive(tmp_path: Path) -> ChatArchive:
    return ChatArchive(str(tmp_path))


def test_every_file_is_over_once_with_all_that_it_holds(tmp_path: Path, archive: ChatArchive) -> None:
    paths = [write(tmp_path, n + 1, f"Cliente {n}") for n in range(5)]
    paths.insert(2, write(tmp_path, LARGE, "Grande"))
    zipped = {f"Conversa do WhatsApp com {name}.txt": block(talk(3)) for name in ("Ana", "Bia")}
    paths.insert(4, write_zip(tmp_path, "dois.zip", zipped))
    paths.insert(5, "2025/01/gone.txt")
    windows = list(read_files(archive, requests(paths), ReadingOptions()))
    assert sorted(over(windows)) == list(range(8))
    assert chats_of(windows) == {
        (0, 1): 1,
        (1, 1): 2,
        (2, 1): LARGE,
        (3, 1): 3,
        (4, 1): 3,
        (4, 2): 3,
        (6, 1): 4,
        (7, 1): 5,
    }
    assert [(file, error.kind) for window in windows for file, error in window.failed] == [
        (5, "file_unreadable")
    ]
    names = [chat.name.title for window in windows for chat in window.chats if chat.file == 4]
    assert names == ["Ana", "Bia"]


def test_chats_of_transcripts_read_together_are_numbered_in_the_files_order(
    tmp_path: Path, archive: ChatArchive
) -> None:
    def combined(*labels: str) -> str:
        return "".join(block(talk(2), label=label) for label in labels)

    zipped = {"WhatsApp - 2 sesiones de chat.txt": combined("C", "D"), "WhatsApp - Eva.txt": combined("E")}
    paths = [write(tmp_path, 1, f"{n} sesiones de chat") for n in (2, 3)]
    (tmp_path / paths[0]).write_text(combined("A", "B"), encoding="utf-8")
    paths[1] = write_zip(tmp_path, "dois.zip", zipped)
    windows = list(read_files(archive, requests(paths), ReadingOptions()))
    numbered = [(chat.file, chat.chat_number, chat.start.label) for w in windows for chat in w.chats]
    assert numbered == [(0, 1, "A"), (0, 2, "B"), (1, 1, "C"), (1, 2, "D"), (1, 3, "E")]


def hashes(windows: Sequence[FileWindow]) -> list[bytes]:
    read = sorted(item for window in windows for item in window.read)
    return [item.content_hash for item in read]


def test_a_files_hash_does_not_depend_on_what_is_read_beside_it(tmp_path: Path, archive: ChatArchive) -> None:
    paths = [write(tmp_path, n + 1, f"Cliente {n}") for n in range(3)]
    together = hashes(list(read_files(archive, requests(paths), ReadingOptions())))
    alone = [hashes(list(read_files(archive, requests([p]), ReadingOptions())))[0] for p in paths]
    assert together == alone
    assert len(set(together)) == 3


@pytest.mark.slow
def test_a_zip_whose_bytes_are_damaged_fails_whole(tmp_path: Path, archive: ChatArchive) -> None:
    zipped = {f"Conversa do WhatsApp com {name}.txt": block(talk(LARGE)) for name in ("Ana", "Bia")}
    path = write_zip(tmp_path, "dois.zip", zipped)
    data = bytearray((tmp_path / path).read_bytes())
    data[len(data) // 3] ^= 0xFF  # in the middle of Ana's text: its checksum is wrong
    (tmp_path / path).write_bytes(data)
    other = write(tmp_path, 2)
    windows = list(read_files(archive, requests([path, other]), ReadingOptions()))
    assert [(file, error.kind) for window in windows for file, error in window.failed] == [(0, "zip_damaged")]
    assert [item.file for window in windows for item in window.read] == [1]


def test_a_zone_that_does_not_exist_is_told(tmp_path: Path, archive: ChatArchive) -> None:
    path = write(tmp_path, 2)
    with pytest.raises(PipelineError, match="Mars/Base"):
        list(read_files(archive, requests([path]), ReadingOptions(zone="Mars/Base")))


def test_no_file_gives_no_window(archive: ChatArchive) -> None:
    assert list(read_files(archive, [], ReadingOptions())) == []


class _Hopeless(io.BytesIO):
    """A stream whose reading fails in a way that nobody thought of, once it has begun."""

    def read(self, size: int | None = -1, /) -> bytes:
        if data := super().read(size):
            return data
        raise ZeroDivisionError("Maria: 41 99999-0000")


class _StrangeArchive(ChatArchive):
    """An archive that fails as no archive should: for `bug.txt` on opening, for `stream.txt` in its midst."""

    def open(self, path: str) -> AbstractContextManager[ChatSource]:
        if path.endswith("bug.txt"):
            raise ZeroDivisionError(f"{path} is strange")
        if path.endswith("stream.txt"):
            return self._strange(path)
        return super().open(path)

    @contextmanager
    def _strange(self, path: str) -> Iterator[ChatSource]:
        text = block(talk(LARGE)).encode()
        yield ChatSource([Member(path, lambda: _Hopeless(text))], [])


@pytest.mark.parametrize("strange", ["bug.txt", "stream.txt"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_an_error_nobody_thought_of_costs_one_file(tmp_path: Path, strange: str, place: int) -> None:
    paths = [write(tmp_path, n + 1, f"Cliente {n}") for n in range(4)]
    paths.insert(place, strange)
    windows = list(read_files(_StrangeArchive(str(tmp_path)), requests(paths), ReadingOptions()))
    [(file, error)] = [failed for window in windows for failed in window.failed]
    assert (file, error.kind) == (place, "reader_failed")
    assert "ZeroDivisionError" in str(error)
    assert "strange" not in str(error)
    assert "Maria" not in str(error)
    good = [file for file in range(5) if file != place]
    assert over(windows) == sorted(over(windows))
    assert sorted(item.file for window in windows for item in window.read) == good
    rows = chats_of(windows)
    assert {chat: rows[chat] for chat in rows if chat[0] != place} == {
        (file, 1): n + 1 for n, file in enumerate(good)
    }
    numbers = [chat.chat for window in windows for chat in window.chats]
    assert len(set(numbers)) == len(numbers)


def test_a_file_whose_reading_breaks_off_is_not_begun_again(tmp_path: Path) -> None:
    """Its rows were handed out, so a second reading would hand them out twice."""

    class Breaking(ChatArchive):
        @contextmanager
        def open(self, path: str) -> Iterator[ChatSource]:
            with super().open(path) as source:
                if path.endswith("Grande.txt"):
                    source.members.append(Member(path, lambda: io.BytesIO(bytes(1 // 0))))
                yield source

    paths = [write(tmp_path, LARGE, "Grande"), write(tmp_path, 3)]
    windows = list(read_files(Breaking(str(tmp_path)), requests(paths), ReadingOptions()))
    assert [(file, error.kind) for window in windows for file, error in window.failed] == [
        (0, "reader_failed")
    ]
    assert chats_of(windows) == {(0, 1): LARGE, (1, 1): 3}
    assert over(windows) == [0, 1]


def test_a_reading_depends_on_everything_that_decides_it() -> None:
    def hashed(
        content: bytes = b"c",
        path: str = "2025/01/a.txt",
        zone: str = "America/Sao_Paulo",
        owner: tuple[str, ...] = (),
        remembered: dict[str, object] | None = None,
        more: str = "",
    ) -> bytes:
        return reading_hash(content, path, ReadingOptions(zone=zone, owner=owner), remembered or {}, more)

    found = [
        hashed(),
        hashed(content=b"d"),
        hashed(path="2025/01/b.txt"),
        hashed(path="2025/02/a.txt"),
        hashed(zone="UTC"),
        hashed(owner=("Loja",)),
        hashed(remembered={"format": "block"}),
        hashed(more="x"),
    ]
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {20}
    assert hashed() == hashed()
    # Only the file's name and its folder's decide; the folders above do not.
    assert hashed(path="x/2025/01/a.txt") == hashed(path="y/2025/01/a.txt") == hashed()

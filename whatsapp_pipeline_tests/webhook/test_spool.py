"""The spool on disk: what was answered is there, whatever the file looks like."""

from __future__ import annotations

import asyncio
import resource
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.webhook import drainer as drainer_module
from whatsapp_pipeline.webhook import quarantine, records, spool
from whatsapp_pipeline.webhook.drainer import CORRUPT, Drainer, drain_now, ownership
from whatsapp_pipeline_tests.webhook.deliveries import clear, rows


@pytest.fixture
def directory(tmp_path: Path, conn: Connection) -> Iterator[Path]:
    yield tmp_path / "spool"
    clear(conn)


def fill(directory: Path, bodies: list[bytes], **options: int) -> None:
    async def append() -> None:
        writer = spool.SpoolWriter(directory, **options)
        await asyncio.gather(*(writer.append(body) for body in bodies))
        writer.close()

    asyncio.run(append())


def drained(conn: Connection, directory: Path) -> list[bytes]:
    Drainer(directory, "").drain(conn)
    return [bytes(body) for (body,) in rows(conn, "SELECT body FROM webhook_inbox ORDER BY id")]


def test_everything_is_drained_in_order_and_segments_go(conn: Connection, directory: Path) -> None:
    bodies = [b"%d" % n * (n % 50 + 1) for n in range(500)] + [b"", b"x" * records.MAX_BODY_BYTES, b"last"]
    fill(directory, bodies, segment_bytes=4000)
    assert drained(conn, directory) == bodies
    assert spool.segments(directory) == []


def test_a_segment_in_use_is_read_and_not_deleted(conn: Connection, directory: Path) -> None:
    async def scenario() -> None:
        writer = spool.SpoolWriter(directory)
        drainer = Drainer(directory, "", seal=writer.seal)
        await writer.append(b"one")
        assert await asyncio.to_thread(drainer.drain, conn) == 1
        await writer.append(b"two")
        assert await asyncio.to_thread(drainer.drain, conn) == 1
        assert len(spool.segments(directory)) == 1
        for _ in range(2):  # nothing new: it is sealed, and then deleted
            await asyncio.to_thread(drainer.drain, conn)
            await asyncio.wrap_future(writer.seal())
        await asyncio.to_thread(drainer.drain, conn)
        assert spool.segments(directory) == []
        await writer.append(b"three")
        writer.close()

    asyncio.run(scenario())
    assert drained(conn, directory) == [b"one", b"two", b"three"]


def test_a_segment_that_is_open_too_long_is_deleted_though_deliveries_keep_coming(
    conn: Connection, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure waits until what was on the disk before it has left it."""
    monkeypatch.setattr(drainer_module, "_OPEN_SECONDS", 0.0)

    async def scenario() -> None:
        writer = spool.SpoolWriter(directory)
        drainer = Drainer(directory, "", seal=writer.seal)
        await writer.append(b"0")
        (first,) = spool.segments(directory)
        for number in (b"1", b"2"):
            assert await asyncio.to_thread(drainer.drain, conn) == 1
            await writer.append(number)  # after the seal, in a new segment
        assert await asyncio.to_thread(drainer.drain, conn) == 1
        assert first not in spool.segments(directory)
        writer.close()

    asyncio.run(scenario())
    assert drained(conn, directory) == [b"0", b"1", b"2"]


def test_a_wait_for_the_spool_ends_when_its_first_segments_are_gone(
    conn: Connection, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New deliveries come all the time at a busy receiver; they are not waited for."""
    fill(directory, [b"old"])
    (old,) = spool.segments(directory)
    listed, segments = threading.Event(), spool.segments

    def list_and_tell(folder: Path) -> list[Path]:
        found = segments(folder)
        listed.set()
        return found

    monkeypatch.setattr(spool, "segments", list_and_tell)
    with ownership(directory) as mine:  # the receiver's drainer
        assert mine
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(drain_now, directory, conn, wait_seconds=30)
            assert listed.wait(30)
            fill(directory, [b"new"])
            old.unlink()
            assert waiting.result(timeout=30)
    assert len(spool.segments(directory)) == 1


def test_a_second_drain_of_the_same_records_adds_nothing(conn: Connection, directory: Path) -> None:
    fill(directory, [b"a", b"b"])
    (segment,) = spool.segments(directory)
    kept = segment.read_bytes()
    drained(conn, directory)
    segment.write_bytes(kept)  # the commit went through, the deletion did not
    assert drained(conn, directory) == [b"a", b"b"]


@pytest.mark.parametrize("missing", [1, 3, 20, 39, 41])
def test_a_torn_last_record_is_skipped(conn: Connection, directory: Path, missing: int) -> None:
    fill(directory, [b"whole", b"torn"])
    (segment,) = spool.segments(directory)
    segment.write_bytes(segment.read_bytes()[:-missing])
    assert drained(conn, directory) == [b"whole"]
    assert spool.segments(directory) == []
    assert not (directory / CORRUPT).exists()


def test_zeros_that_were_never_written_are_a_torn_end(conn: Connection, directory: Path) -> None:
    fill(directory, [b"whole"])
    (segment,) = spool.segments(directory)
    segment.write_bytes(segment.read_bytes() + bytes(4096))
    assert drained(conn, directory) == [b"whole"]
    assert not (directory / CORRUPT).exists()


@pytest.mark.parametrize("offset", [0, 3, 9, 11, 14, 20, 30, 41])
def test_a_corrupt_segment_gives_up_its_whole_records_and_is_set_aside(
    conn: Connection, directory: Path, offset: int
) -> None:
    """One byte of the second of three records is flipped: in its magic, length, checksum, time, id, body."""
    fill(directory, [b"first", b"second", b"third"])
    (segment,) = spool.segments(directory)
    data = bytearray(segment.read_bytes())
    data[len(records.encode_record(b"first")) + offset] ^= 0x10
    segment.write_bytes(data)
    assert drained(conn, directory) == [b"first", b"third"]
    assert spool.segments(directory) == []
    assert [path.name for path in (directory / CORRUPT).iterdir()] == [segment.name]


def test_any_rubbish_for_a_segment_is_survived(conn: Connection, directory: Path) -> None:
    directory.mkdir()
    for n, data in enumerate(
        [b"", b"rubbish", records.MAGIC, records.MAGIC * 50, bytes(10_000), b"\xff" * 100]
    ):
        (directory / f"{n:020d}-1.seg").write_bytes(data)
    (directory / "00000000000000000009-1.seg").write_bytes(records.encode_record(b"good"))
    assert drained(conn, directory) == [b"good"]
    assert spool.segments(directory) == []


def test_an_unwritable_spool_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(spool.SpoolError, match="not writable"):
        spool.SpoolWriter(tmp_path / "file" / "spool")


def test_a_disk_that_takes_nothing_is_an_error_and_then_heals(conn: Connection, directory: Path) -> None:
    async def scenario() -> None:
        writer = spool.SpoolWriter(directory)
        shutil.rmtree(directory)
        with pytest.raises(spool.SpoolError, match="the webhook spool could not be written"):
            await writer.append(b"refused")
        directory.mkdir()
        await writer.append(b"taken")
        writer.close()

    asyncio.run(scenario())
    assert drained(conn, directory) == [b"taken"]


def test_a_disk_that_fills_up_in_the_middle_of_a_record_leaves_whole_ones(
    conn: Connection, directory: Path
) -> None:
    async def scenario() -> None:
        writer = spool.SpoolWriter(directory)
        await writer.append(b"a" * 1000)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))  # the next write stops half-way
        try:
            with pytest.raises(spool.SpoolError, match="File too large"):
                await writer.append(b"b" * 1000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await writer.append(b"c" * 1000)
        writer.close()

    asyncio.run(scenario())
    assert drained(conn, directory) == [b"a" * 1000, b"c" * 1000]
    assert not (directory / CORRUPT).exists()


def test_a_full_disk_leaves_no_empty_segments(conn: Connection, directory: Path) -> None:
    async def scenario() -> None:
        writer = spool.SpoolWriter(directory)
        await writer.append(b"a" * 1000)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1100, hard))
        try:
            for _ in range(5):
                with pytest.raises(spool.SpoolError, match="File too large"):
                    await writer.append(b"b" * 5000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert len(spool.segments(directory)) == 1
        await writer.append(b"c")
        writer.close()

    asyncio.run(scenario())
    assert drained(conn, directory) == [b"a" * 1000, b"c"]


def test_one_owner_at_a_time(conn: Connection, directory: Path) -> None:
    fill(directory, [b"a"])
    with ownership(directory) as mine:
        assert mine
        with ownership(directory) as second:
            assert not second
        assert not drain_now(directory, conn, wait_seconds=0.3)
    assert drain_now(directory, conn)
    assert drain_now(directory / "absent", conn)


def test_records_come_back_as_they_went() -> None:
    delivery_id = uuid4()
    data = records.encode_record(b"body", delivery_id=delivery_id)
    found = records.scan(data, final=True)
    assert found.ending == "end"
    assert found.records[0][0] == delivery_id
    assert found.records[0][2] == b"body"


def test_the_quarantine_is_bounded(tmp_path: Path) -> None:
    kept = quarantine.Quarantine(tmp_path / "q", max_bytes=100_000)
    for n in range(1000):
        kept.keep(b"%04d" % n * 250)
    assert sum(path.stat().st_size for path in quarantine.files(tmp_path / "q")) <= 110_000
    newest = [body for path in quarantine.files(tmp_path / "q") for _, _, body in records.read_file(path)][-1]
    assert newest == b"0999" * 250
    assert quarantine.forget(tmp_path / "q", days=14) == 0
    assert quarantine.forget(tmp_path / "q", days=-1) == 2
    assert quarantine.count_bodies(tmp_path / "q") == 0

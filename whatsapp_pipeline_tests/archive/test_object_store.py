"""Indexing and loading from a real object store, behind a proxy that delays, refuses and cuts off."""

from __future__ import annotations

import io
import logging
import os
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from upath import UPath

from whatsapp_pipeline.archive import ChatArchive, object_store
from whatsapp_pipeline.archive.attachments import AttachmentFiles
from whatsapp_pipeline.archive.object_store import ObjectStore, StoreUnavailableError, open_store
from whatsapp_pipeline.archive.raw_lines import lines_near
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, IndexReport, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.chats.missing_files import refuse_wrong_archive
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.archive.fault_proxy import Fault, FaultProxy, Request, fault_proxy
from whatsapp_pipeline_tests.archive.object_server import (
    BUCKET,
    ObjectServer,
    object_server,
    open_object_server,
    store_in_environment,
    weed,
)
from whatsapp_pipeline_tests.block_files import block, talk, write_chat
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.processes import wait_for
from whatsapp_pipeline_tests.tables import content

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        weed() is None, reason="SeaweedFS is not installed: run `make setup-dev` to test object stores"
    ),
]
MONTH = "2025-01"
FILES = 120
LOG = logging.getLogger(__name__)


class Store(NamedTuple):
    """A running store and the proxy that s3:// goes through in this module."""

    server: ObjectServer
    proxy: FaultProxy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with (
        object_server(tmp_path_factory.mktemp("weed")) as server,
        fault_proxy(server.port) as proxy,
        store_in_environment(proxy.port),
    ):
        yield Store(server, proxy)


@pytest.fixture
def store(running: Store) -> Iterator[Store]:
    """The store of the module with an undisturbed proxy."""
    running.proxy.requests.clear()
    running.proxy.most_in_flight = 0
    yield running
    running.proxy.fault = lambda _: None
    running.proxy.delay = 0.0
    running.proxy.answer_together(0)  # a test that failed may have left requests held


@pytest.fixture
def db(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        yield conn


@pytest.fixture
def empty_copy(admin_url: str, migrated_template: str) -> Iterator[Connection]:
    """Another empty database, for the same archive on the disk."""
    name = f"test_local_{os.getpid()}"
    with connect(create_database(admin_url, name, migrated_template)) as conn:
        yield conn
    drop_database(admin_url, name)


def _phone(number: int) -> str:
    return f"+55 41 9{number:04d}-0{number % 1000:03d}"


def _write_archive(root: Path, files: int = FILES, messages: int = 6) -> Path:
    for number in range(files):
        text = block(talk(messages), label=_phone(number))
        write_chat(root, text, title=_phone(number), time=f"2025-01-05 10 {number % 60:02d} 00")
    return root


def _uploaded(store: Store, root: Path) -> ChatArchive:
    store.server.upload(root, root.name)
    store.proxy.requests.clear()
    return ChatArchive(f"s3://{BUCKET}/{root.name}")


def _index(conn: Connection, archive: ChatArchive, **options: Any) -> IndexReport:
    return index_month(conn, archive, MONTH, IndexOptions(**options), log=LOG)


def _index_and_load(conn: Connection, archive: ChatArchive) -> None:
    _index(conn, archive)
    load_month(conn, archive, MONTH, LoadOptions(), log=LOG)


def _rows(conn: Connection, statement: str) -> list[tuple[Any, ...]]:
    return list(conn.execute(statement))


def _is_object(request: Request) -> bool:
    return request.method == "GET" and not request.is_listing


def _name(root: Path, number: int) -> str:
    return next(path for path in sorted(root.rglob("*.txt")) if _phone(number) in path.name).name


def test_disturbed_requests_leave_the_tables_of_a_local_archive(
    store: Store, db: Connection, tmp_path: Path, empty_copy: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    root = _write_archive(tmp_path / "disturbed")
    archive = _uploaded(store, root)
    tried: Counter[str] = Counter()
    faults: tuple[Fault, ...] = ("reset", "slow_down", "truncate")
    done: Counter[Fault] = Counter()

    def fault(request: Request) -> Fault:
        tried[request.target] += 1
        if tried[request.target] > 2 or (len(tried) % 4 and not request.is_listing):
            return None
        chosen = faults[sum(done.values()) % 3]
        done[chosen] += 1
        return chosen

    store.proxy.fault = fault
    with caplog.at_level(logging.INFO):
        assert (report := _index(db, archive)).failed == 0
        assert load_month(db, archive, MONTH, LoadOptions(), log=LOG).failed == 0
    assert report.new == FILES
    assert min(done[name] for name in faults) >= 10
    assert "99" + "999" not in caplog.text
    assert "+55" not in caplog.text
    _index_and_load(empty_copy, ChatArchive(str(root)))
    assert content(db) == content(empty_copy)


def test_a_store_that_is_away_for_seconds_costs_no_file(store: Store, db: Connection, tmp_path: Path) -> None:
    assert object_store.RETRY_SECONDS >= 60  # a restart of the store takes up to a minute
    archive = _uploaded(store, _write_archive(tmp_path / "away"))
    left = threading.Event()

    def fault(request: Request) -> Fault:
        if _is_object(request) and len(store.proxy.requests) > 30 and not left.is_set():
            left.set()
            store.proxy.go_away(3.0)
        return None

    store.proxy.fault = fault
    assert (report := _index(db, archive)).failed == 0
    assert left.is_set()
    assert report.new == FILES


def test_a_store_that_stays_away_ends_the_run_and_blames_no_file(
    store: Store, db: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _write_archive(tmp_path / "gone")
    _uploaded(store, root)
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 1.0)
    archive = ChatArchive(f"s3://{BUCKET}/gone")
    left = threading.Event()

    def fault(request: Request) -> Fault:
        if _is_object(request) and not left.is_set():
            left.set()
            store.proxy.go_away(None)
        return "reset" if left.is_set() else None

    store.proxy.fault = fault
    try:
        with pytest.raises(StoreUnavailableError, match="did not answer for 1 s") as raised:
            _index(db, archive)
        assert "+55" not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"
        with pytest.raises(StoreUnavailableError):
            ChatArchive(f"s3://{BUCKET}/gone").months()
    finally:
        store.proxy.come_back()
    assert _rows(db, "SELECT file_path FROM exceptions WHERE kind = 'file_unreadable'") == []
    store.proxy.fault = lambda _: None
    assert _index(db, archive).failed == 0
    assert _rows(db, "SELECT count(*) FROM chat_files WHERE processing_status = 'pending'") == [(FILES,)]


def test_an_object_that_vanishes_or_never_comes_is_an_exception_and_the_others_are_read(
    store: Store, db: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _write_archive(tmp_path / "vanished", files=20)
    monkeypatch.setattr(object_store, "RETRY_SECONDS", 1.0)
    archive = _uploaded(store, root)
    assert len(archive.listing(MONTH).files) == 20
    store.server.delete(f"vanished/2025/01/{_name(root, 7)}")
    stuck = _name(root, 9)
    store.proxy.fault = lambda request: "slow_down" if stuck in request.target else None
    report = _index(db, archive)
    assert (report.failed, report.new) == (2, 18)
    found = _rows(
        db, "SELECT file_path, kind, detail FROM exceptions WHERE severity = 'error' ORDER BY file_path"
    )
    assert [(path.rsplit("/", 1)[-1], kind) for path, kind, _ in found] == [
        (_name(root, 7), "file_unreadable"),
        (stuck, "file_unreadable"),
    ]
    assert found[0][2] == "the file is no longer in the object store"
    assert found[1][2].startswith("the object store can't return the file (")
    assert "+55" not in found[0][2] + found[1][2]


def test_a_file_that_vanishes_between_index_and_load_is_an_exception(
    store: Store, db: Connection, tmp_path: Path
) -> None:
    root = _write_archive(tmp_path / "between", files=5)
    archive = _uploaded(store, root)
    _index(db, archive)
    store.server.delete(f"between/2025/01/{_name(root, 2)}")
    report = load_month(db, archive, MONTH, LoadOptions(), log=LOG)
    assert (report.loaded, report.failed) == (4, 1)
    assert _rows(db, "SELECT stage, detail FROM exceptions WHERE severity = 'error'") == [
        ("chat_messages", "the file is no longer in the object store")
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_new_rewritten_and_deleted_objects_are_seen_by_the_next_run_of_a_process(
    store: Store, db: Connection, tmp_path: Path, workers: int
) -> None:
    root = _write_archive(tmp_path / f"news{workers}", files=6)
    archive = _uploaded(store, root)
    assert _index(db, archive, workers=workers).new == 6
    assert archive.months() == [MONTH]
    store.server.put(f"{root.name}/2025/02/WhatsApp - 2025-02-01 10 00 00 - Ana.txt", b"x")
    store.server.put(f"{root.name}/2025/01/{_name(root, 1)}", block(talk(9), label=_phone(1)).encode())
    store.server.delete(f"{root.name}/2025/01/{_name(root, 2)}")
    again = ChatArchive(archive.url)
    report = _index(db, again, workers=workers)
    assert (report.changed, report.vanished, report.unchanged, report.failed) == (1, 1, 4, 0)
    assert again.months() == [MONTH, "2025-02"]
    counted = _rows(db, "SELECT message_count FROM chat_files ORDER BY message_count DESC LIMIT 1")
    assert counted == [(9,)]


def test_a_run_with_nothing_new_costs_one_listing_of_each_folder(
    store: Store, db: Connection, tmp_path: Path
) -> None:
    root = _write_archive(tmp_path / "again", files=4)
    write_chat(root, block(talk(2)), month="2024/12", time="2024-12-01 10 00 00")
    (root / "outros").mkdir()
    write_chat(root / "outros", block(talk(2)), month=".", time="2025-01-09 10 00 00")
    archive = _uploaded(store, root)
    _index(db, archive)
    store.proxy.requests.clear()
    again = ChatArchive(archive.url)
    refuse_wrong_archive(db, again, [MONTH], max_missing_share=0.3)
    assert _index(db, again).unchanged == 5
    load_month(db, archive, MONTH, LoadOptions(), log=LOG)
    listings = Counter(request.target for request in store.proxy.requests if request.is_listing)
    folders = {target.split("prefix=")[1].split("&")[0] for target in listings}
    assert folders == {f"again/{folder}" for folder in ("", "2024/", "2025/", "2025/01/", "outros/")}
    assert set(listings.values()) == {1}


def test_many_requests_are_under_way_and_memory_stays_bounded(store: Store, tmp_path: Path) -> None:
    size = object_store.SMALL_BYTES
    for number in range(160):
        store.server.put(f"bounded/{number:03d}.txt", b"x" * size)
    store.proxy.requests.clear()
    opened = ObjectStore(open_store(f"s3://{BUCKET}/bounded"))
    paths = [f"{BUCKET}/bounded/{number:03d}.txt" for number in range(160)]
    # Fewer than 32 requests under way do not hide a delay of 30 ms each, and more need memory.
    held = 16 * (1 << 20) // size + 32
    store.proxy.answer_together(32)
    with opened.fetching(paths) as fetcher:
        assert len(fetcher.open(paths[0]).read()) == size
        _await_quiet(store.proxy)
        # Enough wait for the reader to be read while the next ones come, and no more.
        assert held - 2 <= len(store.proxy.requests) <= held + 2
        assert [len(fetcher.open(path).read()) for path in paths[1:]] == [size] * 159
    assert store.proxy.most_in_flight == 32
    assert len(store.proxy.requests) == 160


def test_an_upload_repeats_requests_that_fail(store: Store, tmp_path: Path) -> None:
    root = _write_archive(tmp_path / "repeated", files=10)
    tried: Counter[str] = Counter()

    def fault(request: Request) -> Fault:
        tried[request.target] += 1
        return "slow_down" if request.method == "PUT" and tried[request.target] < 4 else None

    store.proxy.fault = fault
    open_object_server(store.proxy.port).upload(root, root.name)
    assert max(tried.values()) == 4
    names = {str(path.relative_to(root)) for path in root.rglob("*.txt")}
    assert {key.partition("/repeated/")[2] for key in store.server.fs.find(f"{BUCKET}/repeated")} == names


@pytest.mark.long
def test_a_first_object_that_comes_after_the_store_wrote_its_own_log_is_stored(tmp_path: Path) -> None:
    """As when the other roles of a cluster take more than a minute to start."""
    with object_server(tmp_path) as server:
        # The filer writes its log about a minute after its start. Its volumes are beside those of buckets.
        wait_for(lambda: any((tmp_path / "data").glob("[0-9]*.dat")), 180)
        server.put("late.txt", b"late")
        assert server.fs.cat_file(f"{BUCKET}/late.txt") == b"late"


def _await_quiet(proxy: FaultProxy) -> None:
    """Wait until no request is under way, and none has come since the last look."""
    quiet, seen = 0, -1
    while quiet < 10:
        quiet = quiet + 1 if not proxy.in_flight and len(proxy.requests) == seen else 0
        seen = len(proxy.requests)
        threading.Event().wait(0.05)


def test_a_large_text_a_large_zip_and_an_empty_object_are_read_as_on_the_disk(
    store: Store, db: Connection, tmp_path: Path, empty_copy: Connection
) -> None:
    root = tmp_path / "large"
    write_chat(root, block(talk(40_000)))
    write_chat(root, "", time="2025-01-06 10 00 00", title="Ana")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as out:
        out.writestr("foto.jpg", os.urandom(6 << 20))
        out.writestr("_chat.txt", block(talk(30)))
    (root / "2025/01/WhatsApp - 2025-01-07 10 00 00 - Rui.zip").write_bytes(packed.getvalue())
    archive = _uploaded(store, root)
    tried: Counter[str] = Counter()

    def fault(request: Request) -> Fault:
        tried[request.target] += 1
        return "truncate" if _is_object(request) and tried[request.target] in (2, 4) else None

    store.proxy.fault = fault
    _index_and_load(db, archive)
    assert sorted(_rows(db, "SELECT message_count FROM chat_files")) == [(0,), (30,), (40_000,)]
    assert max(tried.values()) > 2
    _index_and_load(empty_copy, ChatArchive(str(root)))
    assert content(db) == content(empty_copy)


def test_the_console_reads_lines_and_attachments_of_a_store(store: Store, tmp_path: Path) -> None:
    root = _write_archive(tmp_path / "shown", files=1)
    [chat] = root.rglob("*.txt")
    (chat.parent / "IMG-1.jpg").write_bytes(b"an image")
    url = _uploaded(store, root).url
    path = chat.relative_to(root).as_posix()
    assert lines_near(url, path, [2], context=0) == {2: [(2, _phone(0))]}
    assert lines_near(url, "2025/01/none.txt", [2], context=0) == {}
    opened = AttachmentFiles(url).open(path, "IMG-1.jpg")
    assert opened is not None
    assert (opened.size, b"".join(opened.chunks())) == (8, b"an image")
    assert AttachmentFiles(url).open(path, "IMG-2.jpg") is None


def test_wrong_credentials_end_the_run_and_blame_no_file(store: Store) -> None:
    opened = ObjectStore(UPath(f"s3://{BUCKET}/x", key="tester", secret="wrong"))
    with pytest.raises(StoreUnavailableError, match=r"refuses the request.*credentials"):
        opened.entries(f"{BUCKET}/x")
    with pytest.raises(StoreUnavailableError, match="refuses the request"):
        opened.open(f"{BUCKET}/x/{_phone(1)}.txt")

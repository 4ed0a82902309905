"""The receiver over real HTTP."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import uvicorn

from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import from_mapping
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.webhook import quarantine, records, spool
from whatsapp_pipeline.webhook.drainer import Drainer, damaged, drain_now
from whatsapp_pipeline.webhook.http_limits import HttpLimits, HttpLoad, limited_protocol
from whatsapp_pipeline.webhook.receiver import (
    PATH,
    ReceiverConfig,
    config_from,
    create_receiver_app,
    open_spool,
)
from whatsapp_pipeline_tests.webhook.deliveries import clear, rows, sign

SECRET = "invented"


@contextmanager
def running(config: ReceiverConfig, url: str | None) -> Iterator[str]:
    writer = spool.SpoolWriter(config.spool_dir)
    drainer = Drainer(config.spool_dir, url, seal=writer.seal) if url else None
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_receiver_app(config, writer, drainer), log_level="error", access_log=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        wait_until(lambda: server.started)
        try:
            yield base
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def ordinary_user(conn: Connection) -> Iterator[Path]:
    """A new folder of a user whom the rights of files stop, as whom the block runs; root is not stopped.

    It is the user who runs the database server: others may not see its socket.
    """
    socket_folder = Path(conn.info.host)
    is_root = os.geteuid() == 0
    user = socket_folder.stat().st_uid if socket_folder.is_dir() else 65_534
    with tempfile.TemporaryDirectory(prefix="spool-") as name:
        if is_root:
            os.chown(name, user, -1)
            os.seteuid(user)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


def wait_until(true: Callable[[], bool]) -> None:
    """Return when `true()` is true. Fail the test after a minute."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.02)


@pytest.fixture
def config(tmp_path: Path) -> ReceiverConfig:
    return ReceiverConfig(tmp_path / "spool", ("older", SECRET), "token")


@pytest.fixture
def base(config: ReceiverConfig) -> Iterator[str]:
    """A receiver whose spool nobody drains."""
    with running(config, None) as url:
        yield url


def post(base: str, body: bytes, *, secret: str | None = SECRET) -> requests.Response:
    headers = {"X-Hub-Signature-256": sign(body, secret)} if secret else {}
    return requests.post(base + PATH, data=body, headers=headers, timeout=10)


def spooled(config: ReceiverConfig) -> list[bytes]:
    return [body for path in spool.segments(config.spool_dir) for _, _, body in records.read_file(path)]


def test_a_signed_body_is_on_disk_when_it_is_answered(base: str, config: ReceiverConfig) -> None:
    for secret in ("older", SECRET):
        body = f'{{"from":"{secret}"}}'.encode()
        answer = post(base, body, secret=secret)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
        assert spooled(config)[-1] == body


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_a_bad_signature_is_answered_and_quarantined(
    base: str, config: ReceiverConfig, secret: str | None
) -> None:
    answer = post(base, b"forged", secret=secret)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert spooled(config) == []
    assert quarantine.count_bodies(quarantine.quarantine_directory(config.spool_dir)) == 1


@pytest.mark.parametrize("header", [b"", b"sha256", b"sha256=\xe9\xe9", b"sha256=" + b"f" * 5000, b"md5=1"])
def test_signatures_of_any_shape_are_no_server_error(
    base: str, config: ReceiverConfig, header: bytes
) -> None:
    answer = requests.post(base + PATH, data=b"{}", headers={"X-Hub-Signature-256": header}, timeout=10)
    assert answer.status_code == 200
    assert spooled(config) == []


def test_the_handshake(base: str) -> None:
    right = {"hub.mode": "subscribe", "hub.verify_token": "token", "hub.challenge": "1158201444"}
    answer = requests.get(base + PATH, params=right, timeout=5)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for name, wrong in (("hub.verify_token", "%C3%A9%ED%A0%80"), ("hub.mode", "x"), ("hub.verify_token", "")):
        query = "&".join(f"{key}={value}" for key, value in {**right, name: wrong}.items())
        assert requests.get(f"{base}{PATH}?{query}", timeout=5).status_code == 403
    assert requests.get(base + PATH, timeout=5).status_code == 403
    assert requests.get(base + "/health", timeout=5).json() == {"ok": True}
    assert requests.put(base + PATH, timeout=5).status_code == 405


def test_without_a_token_no_handshake_succeeds(config: ReceiverConfig) -> None:
    with running(replace(config, verify_token=None), None) as base:
        query = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}
        assert requests.get(base + PATH, params=query, timeout=5).status_code == 403


@pytest.mark.parametrize("size", [3 * 2**20, records.MAX_BODY_BYTES])
def test_large_bodies_are_taken(base: str, config: ReceiverConfig, size: int) -> None:
    assert post(base, b"x" * size).status_code == 200
    assert len(spooled(config)[-1]) == size


def test_a_body_over_the_cap_is_refused(base: str, config: ReceiverConfig) -> None:
    assert post(base, b"x" * (records.MAX_BODY_BYTES + 1)).status_code == 413
    chunks = (b"x" * 2**20 for _ in range(6))  # no Content-Length
    assert requests.post(base + PATH, data=chunks, timeout=10).status_code == 413
    assert spooled(config) == []


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"[" * 100_000, b"not json", '"é'.encode("latin-1")])
def test_any_bytes_are_taken_as_they_are(base: str, config: ReceiverConfig, body: bytes) -> None:
    assert post(base, body).status_code == 200
    assert spooled(config) == [body]


def test_a_spool_that_fails_is_503_with_the_same_body_until_it_heals(
    base: str, config: ReceiverConfig
) -> None:
    shutil.rmtree(config.spool_dir)
    answer = post(base, b"refused")
    assert (answer.status_code, answer.json()) == (503, {"ok": True})
    assert requests.get(base + "/health", timeout=5).status_code == 503
    config.spool_dir.mkdir()
    assert requests.get(base + "/health", timeout=5).json() == {"ok": True}  # before a delivery says so
    assert post(base, b"taken").status_code == 200
    assert spooled(config) == [b"taken"]


def test_insecure_takes_the_unsigned_and_still_checks_the_signed(config: ReceiverConfig) -> None:
    with running(replace(config, insecure=True), None) as base:
        assert post(base, b"unsigned", secret=None).status_code == 200
        assert post(base, b"forged", secret="wrong").status_code == 200
        assert spooled(config) == [b"unsigned"]


def test_without_a_secret_it_refuses_to_start() -> None:
    with pytest.raises(SettingError, match="WHATSAPP_APP_SECRET"):
        config_from(from_mapping({}), insecure=False)
    assert config_from(from_mapping({}), insecure=True).insecure
    config = config_from(from_mapping({"WHATSAPP_APP_SECRET": "a, b"}), insecure=False)
    assert config.secrets == ("a", "b")
    assert "secret" not in repr(config)


def test_what_is_answered_is_in_the_inbox_a_moment_later(
    conn: Connection, database_url: str, config: ReceiverConfig
) -> None:
    with running(config, database_url) as base:
        wait_until(lambda: requests.get(base + "/health", timeout=5).json().get("waiting", 1) is None)
        for n in range(20):
            assert post(base, b"body %d" % n).status_code == 200
        wait_until(lambda: len(rows(conn, "SELECT 1 FROM webhook_inbox")) == 20)
        wait_until(lambda: not spool.segments(config.spool_dir))
    assert [bytes(b) for (b,) in rows(conn, "SELECT body FROM webhook_inbox ORDER BY id")] == [
        b"body %d" % n for n in range(20)
    ]
    clear(conn)


def test_the_drainer_looks_into_the_spool_five_times_a_second(
    conn: Connection, database_url: str, config: ReceiverConfig
) -> None:
    """An idle drainer waits no longer than this, so that a delivery is in the inbox within a second."""

    class Stop(threading.Event):
        """Notes for how long the drainer waits, and ends it at the third wait."""

        def __init__(self) -> None:
            super().__init__()
            self.waits: list[float | None] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            if len(self.waits) == 3:
                self.set()
            return True

    spool.SpoolWriter(config.spool_dir).close()
    stop = Stop()
    drainer = Drainer(config.spool_dir, database_url)
    drainer.run(stop)
    assert (stop.waits[:3], drainer.state.last_error) == ([0.2, 0.2, 0.2], None)


def test_the_answer_does_not_wait_for_the_database(config: ReceiverConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts connections and never answers
        port = silent.getsockname()[1]
        with running(config, f"postgresql://nobody@127.0.0.1:{port}/nothing?connect_timeout=600") as base:
            connection, _ = silent.accept()
            with connection:  # the drainer waits for the database from here on
                assert post(base, b"while it is silent").status_code == 200
                assert spooled(config) == [b"while it is silent"]
    with running(config, "postgresql://nobody@127.0.0.1:1/nothing") as base:
        assert post(base, b"while it is down").status_code == 200
        wait_until(lambda: requests.get(base + "/health", timeout=5).json()["waiting"] is not None)
    assert spooled(config) == [b"while it is silent", b"while it is down"]


@contextmanager
def limited(config: ReceiverConfig, load: HttpLoad) -> Iterator[int]:
    """A receiver with its limits, as `webhook serve` starts it; yields the port."""
    writer = spool.SpoolWriter(config.spool_dir)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                create_receiver_app(config, writer, None, load),
                log_level="error",
                access_log=False,
                http=limited_protocol(config.limits, load),
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def begin(port: int, data: bytes) -> socket.socket:
    """Open a connection and send what may be the beginning of a request."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(data)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Read until the server ends the connection, and close it."""
    with connection, contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


def answered_health(port: int) -> socket.socket:
    """Return a connection whose request for health was answered.

    On a busy machine a request may begin after the time for its headers: then it is sent again.
    """
    while True:
        connection = begin(port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            if answer := connection.recv(65536):
                assert b"200 OK" in answer
                return connection
        connection.close()


def _takes(port: int, body: bytes) -> bool:
    """Post a body. Return whether it was taken, and not given up because the machine is busy."""
    try:
        return post(f"http://127.0.0.1:{port}", body).status_code == 200
    except requests.ConnectionError:
        return False


def head(length: int, *, signature: str | None = "sha256=00") -> bytes:
    signed = f"X-Hub-Signature-256: {signature}\r\n" if signature else ""
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{signed}Content-Length: {length}\r\n\r\n".encode()


def test_headers_that_trickle_end_the_connection(config: ReceiverConfig) -> None:
    load = HttpLoad()
    with limited(replace(config, limits=HttpLimits(header_seconds=0.3)), load) as port:
        slow = [begin(port, part) for part in (b"", b"POST ", head(5)[:-4])]
        assert all(is_closed(connection) for connection in slow)
        assert load.slow_headers == 3
        # A connection that was answered before gets no more time for the next request.
        again = answered_health(port)
        before = load.slow_headers
        again.sendall(b"GET /hea")
        assert is_closed(again)
        assert load.slow_headers == before + 1
        wait_until(lambda: _takes(port, b"{}"))


@pytest.mark.parametrize(
    "start",
    [
        b"GET /health HTTP/1.1\r\nHost: x\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ",
        b"GET /",
        head(5)[:-2] + b"X-More: x\r\n",
        b"POST "
        + PATH.encode()
        + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;",
    ],
    ids=["many headers", "one long header", "address", "signed", "trailers", "extension of a chunk"],
)
def test_headers_without_end_end_the_connection(config: ReceiverConfig, start: bytes) -> None:
    load = HttpLoad()
    more = b"x" * 900 if start.endswith((b"GET /", b": ", b";")) else b"X-Name: " + b"x" * 900 + b"\r\n"
    with limited(config, load) as port:
        connection = begin(port, start)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(20_000):
                connection.sendall(more * 10)
        assert is_closed(connection)
        assert (load.large_headers, load.held_bytes) == (1, 0)
        # A body in chunks, and headers of the usual length, are below the limit.
        url = f"http://127.0.0.1:{port}"
        chunks = (b"y" * 1000 for _ in range(1000))
        answer = requests.post(url + PATH, data=chunks, headers={"x-long": "x" * 8000}, timeout=10)
        assert answer.status_code == 200
        assert requests.get(url + "/health", timeout=5).json()["limits_hit"] == {"large_headers": 1}


@pytest.mark.parametrize("chunks", [1, 64])
def test_a_large_body_in_chunks_allows_no_more_trailers(config: ReceiverConfig, chunks: int) -> None:
    """The body is 1 MiB and the trailers are a little less, which is many times the limit of headers."""
    load = HttpLoad()
    size = 2**20 // chunks
    start = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = (b"%x\r\n" % size + b"x" * size + b"\r\n") * chunks + b"0\r\n"
    trailers = (b"X-Name: " + b"x" * 900 + b"\r\n") * 1000
    with limited(config, load) as port:
        connection = begin(port, start)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(body + trailers + b"\r\n")
        assert is_closed(connection)
        assert load.large_headers == 1
        wait_until(lambda: load.held_bytes == 0)


def test_a_body_that_trickles_is_given_up(config: ReceiverConfig) -> None:
    load = HttpLoad()
    with limited(replace(config, limits=HttpLimits(body_seconds=0.3)), load) as port:
        slow = begin(port, head(1000) + b"x")
        assert b"408" in slow.recv(65536)
        assert is_closed(slow)
        assert (load.slow_bodies, load.held_bytes) == (1, 0)
        wait_until(lambda: _takes(port, b"{}"))
    assert spooled(config) == [b"{}"]


def test_more_connections_than_the_limit_are_refused(config: ReceiverConfig) -> None:
    load = HttpLoad()
    with limited(replace(config, limits=HttpLimits(connections=5)), load) as port:
        held = [begin(port, b"POST ") for _ in range(5)]
        assert is_closed(begin(port, b""))
        assert load.too_many_connections == 1
        for connection in held:
            connection.close()
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(base))
        assert requests.get(base + "/health", timeout=5).json()["limits_hit"]["too_many_connections"] >= 1


def test_health_answers_while_every_connection_receives_a_large_body(config: ReceiverConfig) -> None:
    load = HttpLoad()
    with limited(replace(config, limits=HttpLimits(connections=5, health_connections=2)), load) as port:
        held = [begin(port, head(3_000_000) + b"x" * 100_000) for _ in range(5)]
        wait_until(lambda: load.held_bytes == 5 * 100_000)
        base = f"http://127.0.0.1:{port}"
        for _ in range(3):
            assert requests.get(base + "/health", timeout=5).json()["ok"]
        assert load.too_many_connections == 0
        # A delivery on such a connection is refused, and the sender tries again.
        answer = post(base, b"{}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert load.too_many_connections == 1
        more = [begin(port, b"GET /hea") for _ in range(3)]
        assert all(is_closed(connection) for connection in more)
        assert load.too_many_connections == 4
        for connection in held:
            connection.close()
        wait_until(lambda: load.held_bytes == 0)
        assert post(base, b"taken").status_code == 200
    assert spooled(config) == [b"taken"]


def _answers(base: str) -> bool:
    try:
        return requests.get(base + "/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_the_bytes_held_are_bounded(config: ReceiverConfig) -> None:
    load = HttpLoad()
    with limited(replace(config, limits=HttpLimits(held_bytes=2**20)), load) as port:
        held = [begin(port, head(600_000) + b"x" * 500_000) for _ in range(2)]
        wait_until(lambda: load.held_bytes >= 900_000)
        answer = post(f"http://127.0.0.1:{port}", b"y" * 200_000)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        for connection in held:
            connection.close()
        wait_until(lambda: load.held_bytes == 0)
        assert post(f"http://127.0.0.1:{port}", b"y" * 200_000).status_code == 200


def test_of_what_nobody_signed_only_a_part_is_held(config: ReceiverConfig) -> None:
    load = HttpLoad()
    with limited(config, load) as port:
        unsigned = [begin(port, head(3_000_000, signature=None) + b"x" * 2_000_000) for _ in range(20)]
        wait_until(lambda: load.held_bytes == 20 * config.limits.unsigned_bytes)
        for connection in unsigned:
            connection.sendall(b"x" * 1_000_000)
            assert b"200 OK" in connection.recv(65536)
    directory = quarantine.quarantine_directory(config.spool_dir)
    kept = [body for path in quarantine.files(directory) for _, _, body in records.read_file(path)]
    assert {len(body) for body in kept} == {config.limits.unsigned_bytes}


@pytest.mark.parametrize("shape", ["file", "folder", "symlink", "pipe", "huge number", "highest number"])
def test_a_stray_in_the_spool_is_moved_away_and_said_to_be(
    conn: Connection, database_url: str, config: ReceiverConfig, shape: str
) -> None:
    def add_stray(name: str) -> None:
        path = config.spool_dir / name
        match shape:
            case "folder":
                path.mkdir()
            case "symlink":
                path.symlink_to("/nowhere")
            case "pipe":
                os.mkfifo(path)
            case _:
                path.write_bytes(b"not a segment")

    config.spool_dir.mkdir(parents=True)
    names = {"huge number": "99999999999999999999999-x.seg", "highest number": f"{'9' * 20}-1.seg"}
    add_stray(names.get(shape, "backup.seg"))
    with running(config, database_url) as base:
        assert post(base, b"one").status_code == 200
        add_stray("zzz.seg")  # while it runs
        assert post(base, b"two").status_code == 200
        wait_until(lambda: len(rows(conn, "SELECT FROM webhook_inbox")) == 2)
        wait_until(lambda: len(spool.list_stray(config.spool_dir)) == 2)
        health = requests.get(base + "/health", timeout=5).json()
        assert health["ok"]
        assert health["problems"] == [
            "2 stray file(s) in stray/: the receiver did not write them and moved them there"
        ]
    clear(conn)


def test_a_stray_is_moved_away_while_the_database_is_down(config: ReceiverConfig) -> None:
    config.spool_dir.mkdir(parents=True)
    (config.spool_dir / "backup.seg").write_bytes(b"not a segment")
    with running(config, "postgresql://nobody@127.0.0.1:1/nothing") as base:
        assert post(base, b"one").status_code == 200
        wait_until(lambda: "problems" in requests.get(base + "/health", timeout=5).json())
        problems = requests.get(base + "/health", timeout=5).json()["problems"]
    assert problems == ["1 stray file(s) in stray/: the receiver did not write them and moved them there"]
    assert spooled(config) == [b"one"]


@pytest.mark.parametrize("name", ["stray", "corrupt", "quarantine", "drain.lock"])
def test_a_stray_in_place_of_the_receivers_own_files_is_moved_away(
    conn: Connection, database_url: str, config: ReceiverConfig, name: str
) -> None:
    config.spool_dir.mkdir(parents=True)
    path = config.spool_dir / name
    path.mkdir() if name == "drain.lock" else path.write_bytes(b"not the receiver's")
    (config.spool_dir / "00000000000000000001-1.seg").write_bytes(b"damaged")
    with running(config, database_url) as base:
        assert post(base, b"one").status_code == 200
        assert post(base, b"forged", secret="other").status_code == 200
        wait_until(lambda: len(rows(conn, "SELECT FROM webhook_inbox")) == 1)
        wait_until(lambda: len(requests.get(base + "/health", timeout=5).json().get("problems", ())) == 2)
    assert len(spool.list_stray(config.spool_dir)) == 1
    assert [path.name for path in damaged(config.spool_dir)] == ["00000000000000000001-1.seg"]
    assert quarantine.count_bodies(quarantine.quarantine_directory(config.spool_dir)) == 1
    clear(conn)


@pytest.mark.parametrize("name", ["stray", "corrupt", "quarantine"])
def test_a_link_to_a_folder_stays_in_place_of_the_receivers_folder(
    config: ReceiverConfig, tmp_path: Path, name: str
) -> None:
    config.spool_dir.mkdir(parents=True)
    elsewhere = tmp_path / "larger disk"
    elsewhere.mkdir()
    (config.spool_dir / name).symlink_to(elsewhere)
    assert spool.move_strays(config.spool_dir) == []
    assert (config.spool_dir / name).is_dir()
    (config.spool_dir / name).unlink()
    (config.spool_dir / name).symlink_to(tmp_path / "not mounted")
    assert spool.move_strays(config.spool_dir) == [name]


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than `tmp_path`."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


def test_strays_move_to_a_folder_on_another_disk(tmp_path: Path, other_disk: Path) -> None:
    (tmp_path / spool.STRAY).symlink_to(other_disk)
    (tmp_path / "a file").write_bytes(b"kept")
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "inside").write_bytes(b"kept too")
    assert sorted(spool.move_strays(tmp_path)) == ["a file", "a folder"]
    assert [path.name for path in tmp_path.iterdir()] == [spool.STRAY]
    assert (other_disk / "a file").read_bytes() == b"kept"
    assert (other_disk / "a folder" / "inside").read_bytes() == b"kept too"


def test_a_damaged_segment_moves_to_a_folder_on_another_disk(
    conn: Connection, tmp_path: Path, other_disk: Path
) -> None:
    (tmp_path / "corrupt").symlink_to(other_disk)
    (tmp_path / "00000000000000000001-1.seg").write_bytes(b"damaged")
    assert drain_now(tmp_path, conn)
    assert [path.read_bytes() for path in damaged(tmp_path)] == [b"damaged"]


def test_moving_strays_replaces_no_file(tmp_path: Path) -> None:
    contents = {"stray": b"one", "stray.1": b"two", "stray.file": b"three"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert sorted(spool.move_strays(tmp_path)) == sorted(contents)
    kept = [path.read_bytes() for path in spool.list_stray(tmp_path)]
    assert sorted(kept) == sorted(contents.values())


def test_a_lock_of_another_user_holds_the_spool_and_health_says_so(
    conn: Connection, database_url: str, config: ReceiverConfig
) -> None:
    with ordinary_user(conn) as folder:
        config = replace(config, spool_dir=folder / "spool")
        with running(config, None) as base:
            assert post(base, b"waits").status_code == 200
        lock = config.spool_dir / spool.LOCK
        lock.touch()
        lock.chmod(0)
        with running(config, database_url) as base:
            wait_until(lambda: "problems" in requests.get(base + "/health", timeout=5).json())
            health = requests.get(base + "/health", timeout=5).json()
            assert health["ok"]
            assert health["problems"][0].startswith("drain.lock cannot be opened (Permission denied)")
            lock.chmod(0o600)
            wait_until(lambda: len(rows(conn, "SELECT FROM webhook_inbox")) == 1)
            wait_until(lambda: "problems" not in requests.get(base + "/health", timeout=5).json())
    clear(conn)


def test_an_unreadable_segment_holds_up_no_other(
    conn: Connection, database_url: str, config: ReceiverConfig
) -> None:
    with ordinary_user(conn) as folder:
        config = replace(config, spool_dir=folder / "spool")
        with running(config, None) as base:
            assert post(base, b"locked").status_code == 200
        (locked,) = spool.segments(config.spool_dir)
        locked.chmod(0)
        with pytest.raises(PermissionError):
            locked.read_bytes()
        with running(config, database_url) as base:
            assert post(base, b"behind it").status_code == 200
            wait_until(lambda: len(rows(conn, "SELECT FROM webhook_inbox")) == 1)
            problems = requests.get(base + "/health", timeout=5).json()["problems"]
            assert problems[0].startswith("1 segment(s) cannot be read")
            locked.chmod(0o600)
            wait_until(lambda: len(rows(conn, "SELECT FROM webhook_inbox")) == 2)
            wait_until(lambda: "problems" not in requests.get(base + "/health", timeout=5).json())
    clear(conn)


def test_a_full_spool_is_emptied_before_it_refuses_to_start(
    conn: Connection, database_url: str, config: ReceiverConfig
) -> None:
    with running(config, None) as base:
        assert post(base, b"x" * 1000).status_code == 200
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # no room for a trial of 64 KiB
    try:
        with pytest.raises(
            spool.SpoolError,
            match=r"accepted deliveries: do not delete them; `whatsapp-pipeline "
            r"webhook drain`",
        ):
            open_spool(config.spool_dir, "postgresql://nobody@127.0.0.1:1/nothing")
        with pytest.raises(spool.SpoolError, match="not writable"):
            open_spool(config.spool_dir, database_url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # It could not be opened, and yet its deliveries are in the database.
    assert [bytes(b) for (b,) in rows(conn, "SELECT body FROM webhook_inbox")] == [b"x" * 1000]
    assert spool.segments(config.spool_dir) == []
    open_spool(config.spool_dir, database_url).close()
    clear(conn)

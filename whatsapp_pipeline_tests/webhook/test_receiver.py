"""The receiver over real HTTP."""

from __future__ import annotations

import shutil
import socket
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
from whatsapp_pipeline.webhook.drainer import Drainer
from whatsapp_pipeline.webhook.receiver import (
    PATH,
    ReceiverConfig,
    config_from,
    create_app,
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
            uvicorn.Config(create_app(config, writer, drainer), log_level="error", access_log=False)
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


def wait_until(true: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
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
    assert quarantine.count(quarantine.quarantine_directory(config.spool_dir)) == 1


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


def test_what_is_answered_is_in_the_inbox_within_a_second(
    conn: Connection, database_url: str, config: ReceiverConfig
) -> None:
    with running(config, database_url) as base:
        wait_until(lambda: requests.get(base + "/health", timeout=5).json().get("waiting", 1) is None)
        for n in range(20):
            assert post(base, b"body %d" % n).status_code == 200
        wait_until(lambda: len(rows(conn, "SELECT 1 FROM webhook_inbox")) == 20, seconds=1.0)
        wait_until(lambda: not spool.segments(config.spool_dir), seconds=2)
    assert [bytes(b) for (b,) in rows(conn, "SELECT body FROM webhook_inbox ORDER BY id")] == [
        b"body %d" % n for n in range(20)
    ]
    clear(conn)


def test_the_answer_does_not_wait_for_the_database(config: ReceiverConfig) -> None:
    with running(config, "postgresql://nobody@127.0.0.1:1/nothing") as base:
        began = time.monotonic()
        assert post(base, b"while it is down").status_code == 200
        assert time.monotonic() - began < 0.5
        wait_until(lambda: requests.get(base + "/health", timeout=5).json()["waiting"] is not None)
    assert spooled(config) == [b"while it is down"]

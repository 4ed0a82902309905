"""The client against a real HTTP server that misbehaves in every way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.assistant.client import AssistantError, OpenAiAssistant, Reply, assistant_from
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import from_mapping


@contextmanager
def endpoint(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(body)})
            with suppress(OSError):
                answer(self)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", seen
    finally:
        server.shutdown()
        thread.join()


def send(body: bytes, code: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def completion(content: object) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def test_a_reply(tmp_path: Path) -> None:
    with endpoint(send(completion("  Bom dia! "))) as (base, seen):
        client = OpenAiAssistant(base + "/", "m", "key", "Seja breve.")
        assert client.reply([{"role": "user", "content": "oi"}]) == Reply("Bom dia!", 0)
    assert seen[0]["path"] == "/v1/chat/completions"
    assert seen[0]["key"] == "Bearer key"
    assert seen[0]["messages"] == [
        {"role": "system", "content": "Seja breve."},
        {"role": "user", "content": "oi"},
    ]
    assert "key" not in repr(client)


def test_of_an_answer_in_parts_the_text_is_taken() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "O cliente quer saber."}]},
        {"type": "text", "text": "Está "},
        {"type": "text", "text": "pronto."},
        {"type": "text"},
    ]
    with endpoint(send(completion(parts))) as (base, _):
        reply = OpenAiAssistant(base, "m").reply([{"role": "user", "content": "oi"}])
    assert reply.text == "Está pronto."


_EMPTY: list[object] = [None, "", "  \n", 7, ["x"], {}]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (send(b"", 500), "HTTP 500"),
        (send(b"", 302, Location="http://127.0.0.1:1/"), "HTTP 302"),
        (send(b"not json"), "not JSON"),
        (send(b"[" * 100_000), "not JSON"),
        (send(b"{}"), "no choices"),
        (send(b'{"choices":[]}'), "no choices"),
        (send(b'{"choices":7}'), "no choices"),
        *[(send(completion(empty)), "no text") for empty in _EMPTY],
        (send(b"x" * (2**20 + 1)), "over 1048576 bytes"),
    ],
)
def test_anything_else_is_one_clear_error(
    answer: Callable[[BaseHTTPRequestHandler], None], words: str
) -> None:
    with endpoint(answer) as (base, _), pytest.raises(AssistantError, match=words):
        OpenAiAssistant(base, "m").reply([{"role": "user", "content": "oi"}])


def test_the_deadline_is_for_the_whole_of_it() -> None:
    """A server that sends one byte after another, without end, never makes a read time out."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:  # until the client has closed the connection
            handler.wfile.write(b" ")
            handler.wfile.flush()
            threading.Event().wait(0.1)

    with endpoint(drip) as (base, _), pytest.raises(AssistantError, match=r"no reply within 0\.4 s"):
        OpenAiAssistant(base, "m", deadline_seconds=0.4).reply([{"role": "user", "content": "oi"}])


def test_an_endpoint_that_is_not_there() -> None:
    with pytest.raises(AssistantError, match="ConnectionError"):
        OpenAiAssistant("http://127.0.0.1:1/v1", "m", "secret-key").reply([{"role": "user", "content": "oi"}])


def test_settings(tmp_path: Path) -> None:
    assert assistant_from(from_mapping({})) is None
    with pytest.raises(SettingError, match="ASSISTANT_MODEL"):
        assistant_from(from_mapping({"ASSISTANT_BASE_URL": "http://x"}))
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("De um arquivo.")
    both = {"ASSISTANT_BASE_URL": "http://x", "ASSISTANT_MODEL": "m"}
    long = "Responda com cortesia. " * 18  # longer than a file's name may be
    tilde = "~ninguém/x"
    for value, expected in (
        (str(prompt), "De um arquivo."),
        ("Direto.", "Direto."),
        (long, long),
        (tilde, tilde),
    ):
        client = assistant_from(from_mapping({**both, "ASSISTANT_SYSTEM_PROMPT": value}))
        assert client is not None
        assert client.system_prompt == expected.strip()
    prompt.write_bytes(b"\xff")
    with pytest.raises(SettingError, match=r"can't be read, .*prompt\.txt: it is not text in UTF-8"):
        assistant_from(from_mapping({**both, "ASSISTANT_SYSTEM_PROMPT": str(prompt)}))

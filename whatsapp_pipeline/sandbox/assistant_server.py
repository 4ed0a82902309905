"""An HTTP server that behaves like the endpoint of a language model, with faults on demand.

What belongs here: everything a client can observe: answers, refusals, silence, and unusable answers. What
does not: a model. The server listens on loopback, keeps everything in memory, and answers with a fixed text.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Final

from whatsapp_pipeline.sandbox.loopback import serve_on_loopback

ANSWER: Final = "Olá! Sua ordem de serviço está em andamento."


@dataclass(slots=True)
class Habit:
    """One kind of fault, for `times` requests, after `after` correct answers.

    `kind`: `status` (answer `status` with `body` and `headers`), `reset` (close the connection with RST),
    `hang` (send nothing until the server ends), `drip` (send byte after byte without end), `say` (answer with
    `text` and `finish_reason`), `body` (HTTP 200 with `body` unchanged).
    """

    kind: str
    after: int = 0
    times: int = 1
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ANSWER
    finish_reason: str | None = "stop"


@dataclass(slots=True)
class AssistantSandbox:
    """The state of the server: faults, the key it accepts, and every prompt it received."""

    api_key: str | None = None
    habits: list[Habit] = field(default_factory=list)
    prompts: list[list[dict[str, str]]] = field(default_factory=list)
    tokens: int = 50
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)

    def next_habit(self, prompt: list[dict[str, str]], *, is_refused: bool) -> Habit | None:
        """Store a prompt and return the fault of its request, or None."""
        with self.lock:
            self.prompts.append(prompt)
            for habit in [] if is_refused else self.habits:
                if habit.times > 0:
                    if habit.after > 0:
                        habit.after -= 1
                        return None
                    habit.times -= 1
                    return habit
            return None

    def said(self) -> str:
        """Return the text of all prompts, in which tests search for text that must not be there."""
        return json.dumps(self.prompts, ensure_ascii=False)


class _AssistantHandler(BaseHTTPRequestHandler):
    """Answers requests from the sandbox."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    sandbox: AssistantSandbox

    def do_POST(self) -> None:
        """Answer a request for a completion."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        key = self.sandbox.api_key
        is_refused = key is not None and self.headers.get("Authorization") != f"Bearer {key}"
        habit = self.sandbox.next_habit(list(body.get("messages", [])), is_refused=is_refused)
        if is_refused:
            self._send(401, json.dumps({"error": {"message": "Incorrect API key provided"}}))
        elif not self.path.endswith("/chat/completions"):
            self._send(404, "<html>Not Found</html>")
        elif habit is None:
            self._send(200, self._completion(ANSWER, "stop"))
        elif habit.kind == "status":
            self._send(habit.status, habit.body, habit.headers)
        elif habit.kind == "say":
            self._send(200, self._completion(habit.text, habit.finish_reason))
        elif habit.kind == "body":
            self._send(200, habit.body)
        else:
            self._stay(habit.kind)

    def _completion(self, text: str, finish_reason: str | None) -> str:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": finish_reason,
        }
        return json.dumps({"choices": [choice], "usage": {"total_tokens": self.sandbox.tokens}})

    def _send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode("utf-8", "surrogatepass")
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stay(self, kind: str) -> None:
        """Reset the connection, or hold it until the server ends."""
        self.close_connection = True
        if kind == "reset":
            # A linger time of zero makes `close` send RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if kind == "drip":
            self.send_response(200)
            self.end_headers()
        with contextlib.suppress(OSError):
            while not self.sandbox.ending.wait(0.1):
                if kind == "drip":
                    self.wfile.write(b" ")
                    self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Print nothing: the sandbox keeps its own log of prompts."""


@contextlib.contextmanager
def serving_assistant(sandbox: AssistantSandbox) -> Iterator[str]:
    """Serve `sandbox` on a free port of loopback; yields the value for ASSISTANT_BASE_URL."""
    with serve_on_loopback(_AssistantHandler, sandbox) as url:
        try:
            yield f"{url}/v1"
        finally:
            sandbox.ending.set()

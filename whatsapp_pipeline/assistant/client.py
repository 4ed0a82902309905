"""Any OpenAI-compatible endpoint, asked for one reply under a deadline.

What belongs here: the request, its limits, and a strict reading of the answer. What does not: which messages
are asked about and what becomes of the reply (steps/answer_messages).
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypedDict

import requests

from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.settings import Settings

MAX_RESPONSE_BYTES = 2**20
DEADLINE_SECONDS = 30.0


class Turn(TypedDict):
    """One message of a prompt."""

    role: Literal["user", "assistant"]
    content: str


class AssistantError(PipelineError):
    """The endpoint gave no usable reply; the text says why and quotes nothing."""


class Assistant(Protocol):
    """Whatever can answer a conversation."""

    def reply(self, turns: Sequence[Turn]) -> str:
        """Return the reply to the last turn, never blank; raises AssistantError."""
        ...


@dataclass(frozen=True, slots=True)
class OpenAiAssistant:
    """`POST {base_url}/chat/completions`. The system prompt is added here and stored nowhere."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    system_prompt: str | None = None
    deadline_seconds: float = DEADLINE_SECONDS

    def reply(self, turns: Sequence[Turn]) -> str:
        """Ask once; raises AssistantError at the deadline, whatever the endpoint is doing."""
        answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._ask(turns))
            except (AssistantError, requests.RequestException, ValueError) as error:
                answers.put(error)

        # requests limits each read, not their sum: a server that drips bytes would hold us for ever. The
        # thread is a daemon and ends with its socket.
        threading.Thread(target=ask, name="assistant", daemon=True).start()
        try:
            answer = answers.get(timeout=self.deadline_seconds)
        except queue.Empty:
            raise AssistantError(f"no reply within {self.deadline_seconds:g} s") from None
        if isinstance(answer, AssistantError):
            raise answer
        if isinstance(answer, Exception):
            # Only its class: the text of such an error may hold the URL or a piece of the answer.
            raise AssistantError(f"the request failed ({type(answer).__name__})") from None
        return answer

    def _ask(self, turns: Sequence[Turn]) -> str:
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        stop_at = time.monotonic() + self.deadline_seconds
        with requests.post(
            self.base_url.rstrip("/") + "/chat/completions",
            json={"model": self.model, "messages": [*system, *turns]},
            headers=headers,
            timeout=self.deadline_seconds,
            allow_redirects=False,  # the key goes to the host that was named, and to no other
            stream=True,
        ) as response:
            if response.status_code != 200:
                raise AssistantError(f"the endpoint answered HTTP {response.status_code}")
            body = bytearray()
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise AssistantError(f"the reply is over {MAX_RESPONSE_BYTES} bytes")
                if time.monotonic() > stop_at:
                    raise AssistantError(f"no reply within {self.deadline_seconds:g} s")
        return _content(bytes(body))


def _content(body: bytes) -> str:
    """Read `choices[0].message.content`, which has to be a string with something in it."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise AssistantError("the reply is not JSON") from None
    try:
        content = document["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise AssistantError("the reply has no choices[0].message.content") from None
    if not isinstance(content, str) or not content.strip():
        raise AssistantError("the reply holds no text")
    return content.strip()


def assistant_from(settings: Settings) -> OpenAiAssistant | None:
    """Build the assistant that the settings describe; None when none is set.

    ASSISTANT_SYSTEM_PROMPT is the text, or the path of a file that holds it. Raises SettingError when only
    half of what is needed is set.
    """
    if not settings.assistant_base_url:
        return None
    if not settings.assistant_model:
        raise SettingError("ASSISTANT_BASE_URL is set and ASSISTANT_MODEL is not: name the model to ask")
    return OpenAiAssistant(
        base_url=settings.assistant_base_url,
        model=settings.assistant_model,
        api_key=settings.assistant_api_key,
        system_prompt=_prompt(settings.assistant_system_prompt),
    )


def _prompt(text: str | None) -> str | None:
    if text is None or "\n" in text or len(text) > 500:
        return text
    path = Path(text).expanduser()
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else text
    except OSError as error:
        raise SettingError(f"ASSISTANT_SYSTEM_PROMPT names a file that can't be read: {error}") from error

"""Any OpenAI-compatible endpoint, asked for one reply under a deadline.

What belongs here: the request, its limits, and a strict reading of the answer. What does not: which messages
are asked about and what becomes of the reply (steps/answer_messages).
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from whatsapp_pipeline.domain.assistant_reply import UnusableReplyError, clean_reply
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.settings import Settings

MAX_RESPONSE_BYTES = 2**20
DEADLINE_SECONDS = 30.0
_HEADERS = Retry(retry_after_max=3600)
_LIMIT_SECONDS = 60.0  # where a 429 does not say how long
# How an answer ended, as endpoints name it, when what came is no whole answer.
_CUT = frozenset({"length", "max_tokens"})
_FILTERED = frozenset({"content_filter", "content-filter", "safety", "refusal"})
# What a whole answer ends with; each other word, known or not, may mean that the rest is missing.
_WHOLE = frozenset({"", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"})
# setup: the key or the address is wrong, so every question would fail. limit: too many requests. outage: no
# answer came. refused: this question is not accepted. filtered: the endpoint withheld the answer.
# unusable: what came is no whole text.
Failure = Literal["setup", "limit", "outage", "refused", "filtered", "unusable"]


class Turn(TypedDict):
    """One message of a prompt."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may be stored, and the tokens that the endpoint says it took (prompt and answer)."""

    text: str
    tokens: int


class AssistantError(PipelineError):
    """The endpoint gave no usable reply; the text says why and quotes nothing.

    `failure` says what kind it is, `retry_after` how many seconds the endpoint asks to wait.
    """

    def __init__(
        self, words: str, failure: Failure = "unusable", *, retry_after: float | None = None
    ) -> None:
        super().__init__(words)
        self.failure, self.retry_after = failure, retry_after


class Assistant(Protocol):
    """Whatever can answer a conversation."""

    def reply(self, turns: Sequence[Turn], *, seconds: float) -> Reply:
        """Return the reply to the last turn within `seconds`, never blank; raises AssistantError."""
        ...


@dataclass(frozen=True, slots=True)
class OpenAiAssistant:
    """`POST {base_url}/chat/completions`. The system prompt is added here and stored nowhere."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    system_prompt: str | None = None
    deadline_seconds: float = DEADLINE_SECONDS

    def reply(self, turns: Sequence[Turn], *, seconds: float = DEADLINE_SECONDS) -> Reply:
        """Ask once; raises AssistantError at the deadline, whatever the endpoint is doing."""
        deadline = min(seconds, self.deadline_seconds)
        answers: queue.SimpleQueue[Reply | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._ask(turns, deadline))
            except (AssistantError, requests.RequestException, ValueError) as error:
                answers.put(error)

        # requests limits each read, not their sum: a server that drips bytes would hold us for ever. The
        # thread is a daemon and ends with its socket.
        threading.Thread(target=ask, name="assistant", daemon=True).start()
        try:
            answer = answers.get(timeout=deadline)
        except queue.Empty:
            raise AssistantError(f"no reply within {deadline:g} s", "outage") from None
        if isinstance(answer, AssistantError):
            raise answer
        if isinstance(answer, Exception):
            # Only its class: the text of such an error may hold the URL or a piece of the answer.
            raise AssistantError(f"the request failed ({type(answer).__name__})", "outage") from None
        return answer

    def _ask(self, turns: Sequence[Turn], deadline: float) -> Reply:
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        stop_at = time.monotonic() + deadline
        with requests.post(
            self.base_url.rstrip("/") + "/chat/completions",
            json={"model": self.model, "messages": [*system, *turns]},
            headers=headers,
            timeout=deadline,
            allow_redirects=False,  # the key goes to the host that was named, and to no other
            stream=True,
        ) as response:
            if response.status_code != 200:
                raise _refusal(response)
            body = bytearray()
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise AssistantError(f"the reply is over {MAX_RESPONSE_BYTES} bytes")
                if time.monotonic() > stop_at:
                    raise AssistantError(f"no reply within {deadline:g} s", "outage")
        return self._read(bytes(body))

    def _read(self, body: bytes) -> Reply:
        """Read the answer, whose text has to be whole and fit to be stored; raises AssistantError."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise AssistantError("the reply is not JSON", "outage") from None
        try:
            choice = document["choices"][0]
            content = choice["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise AssistantError("the reply has no choices[0].message.content") from None
        ended = str(choice.get("finish_reason") or "").lower()
        if ended in _FILTERED:
            raise AssistantError(f"the endpoint withheld the answer (finish_reason {ended})", "filtered")
        if ended in _CUT:
            raise AssistantError(f"the answer was cut off (finish_reason {ended})")
        if isinstance(content, list):
            content = _text_of_parts(content)
        if not isinstance(content, str):
            raise AssistantError("the reply holds no text")
        if ended not in _WHOLE:
            named = re.sub(r"\W", "", ended)[:30]
            raise AssistantError(f"the answer did not end as a whole one does (finish_reason {named})")
        try:
            return Reply(clean_reply(content, keep=self.system_prompt or ""), _tokens(document))
        except UnusableReplyError as error:
            raise AssistantError(str(error)) from None


def _refusal(response: requests.Response) -> AssistantError:
    """Say what an answer other than 200 means for this question and for the others."""
    status = response.status_code
    words = f"the endpoint answered HTTP {status}"
    if status in {401, 403}:
        return AssistantError(f"{words}: check ASSISTANT_API_KEY", "setup")
    if status == 429:
        return AssistantError(f"{words}: too many requests", "limit", retry_after=_retry_after(response))
    if status in {408, 409, 425} or status >= 500:
        return AssistantError(words, "outage", retry_after=_retry_after(response))
    if status in {400, 413, 415, 422}:
        return AssistantError(f"{words}: it does not accept this question", "refused")
    return AssistantError(f"{words}: check ASSISTANT_BASE_URL and ASSISTANT_MODEL", "setup")


def _retry_after(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return _LIMIT_SECONDS if response.status_code == 429 else None
    try:
        return float(_HEADERS.parse_retry_after(text))
    except InvalidHeader:
        return _LIMIT_SECONDS


def _text_of_parts(parts: Sequence[object]) -> str:
    """Join the parts of an answer that are text; others are thoughts, pictures or sources."""
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, Mapping) and part.get("type") in {"text", "output_text"}
        and isinstance(part.get("text"), str)
    )  # fmt: skip


def _tokens(document: Mapping[str, Any]) -> int:
    """Return the tokens that the answer says it took, 0 where it does not say."""
    usage = document.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else 0


def assistant_from(settings: Settings) -> OpenAiAssistant | None:
    """Build the assistant that the settings describe; None when none is set.

    ASSISTANT_SYSTEM_PROMPT is the text, or the path of a file that holds it. Raises SettingError when only
    half of what is needed is set.
    """
    if not settings.assistant_base_url:
        return None
    if not settings.assistant_model:
        raise SettingError("ASSISTANT_BASE_URL is set and ASSISTANT_MODEL is not: name the model to ask")
    api_key = settings.assistant_api_key
    return OpenAiAssistant(
        base_url=settings.assistant_base_url,
        model=settings.assistant_model,
        api_key=api_key.get_secret_value() if api_key else None,
        system_prompt=_prompt(settings.assistant_system_prompt),
    )


def _prompt(text: str | None) -> str | None:
    if text is None or "\n" in text or len(text) > 500:
        return text
    # A text can be too long for a path, or begin with a tilde: then it names no file.
    path = os.path.expanduser(text)
    if not os.path.isfile(path):
        return text
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text in UTF-8"
        raise SettingError(
            f"ASSISTANT_SYSTEM_PROMPT names a file that can't be read, {path}: {reason}"
        ) from error

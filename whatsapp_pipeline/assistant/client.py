"""Client of an OpenAI-compatible endpoint: one request for one reply, with a deadline.

What belongs here: the request, its limits, and strict reading of the answer. What does not: the choice of
messages and storing the reply (steps/conversations/answer_messages.py).
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
_RETRY_AFTER_PARSER = Retry(retry_after_max=3600)  # a longer wait is cut to this number of seconds
# Seconds to wait after a 429 without Retry-After, or after an answer whose Retry-After can't be parsed.
_DEFAULT_RETRY_SECONDS = 60.0
# Values of finish_reason for an incomplete answer.
_CUT = frozenset({"length", "max_tokens"})
_FILTERED = frozenset({"content_filter", "content-filter", "safety", "refusal"})
# Values of finish_reason for a complete answer. Any other value may mean that the rest is missing.
_WHOLE = frozenset({"", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"})
# setup: the key or the address is wrong, so every question would fail. limit: too many requests. outage: the
# request failed, or the endpoint answered with a temporary error. refused: the endpoint does not accept this
# question. filtered: the endpoint withheld the answer. unusable: the answer is not a complete text.
Failure = Literal["setup", "limit", "outage", "refused", "filtered", "unusable"]


class Turn(TypedDict):
    """One message of a prompt."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may be stored, and the number of tokens that the endpoint states for it."""

    text: str
    tokens: int


class AssistantError(PipelineError):
    """The endpoint gave no usable reply.

    The error message states the reason and contains no text of the conversation.

    `failure` is the kind of failure, `retry_after` the number of seconds that the endpoint asks to wait.
    """

    def __init__(
        self, words: str, failure: Failure = "unusable", *, retry_after: float | None = None
    ) -> None:
        super().__init__(words)
        self.failure, self.retry_after = failure, retry_after


class Assistant(Protocol):
    """An object that can answer a conversation."""

    def reply(self, turns: Sequence[Turn], *, seconds: float) -> Reply:
        """Return the reply to the last turn; it is never blank.

        Raises AssistantError, after `seconds` at the latest.
        """
        ...


@dataclass(frozen=True, slots=True)
class OpenAiAssistant:
    """Client of `POST {base_url}/chat/completions`.

    Every request begins with the system prompt, which comes from the settings and is not written to the
    database.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    system_prompt: str | None = None
    deadline_seconds: float = DEADLINE_SECONDS

    def reply(self, turns: Sequence[Turn], *, seconds: float = DEADLINE_SECONDS) -> Reply:
        """Send one request and return the reply. Raises AssistantError if it fails, or at the deadline."""
        deadline = min(seconds, self.deadline_seconds)
        answers: queue.SimpleQueue[Reply | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._send(turns, deadline))
            except (AssistantError, requests.RequestException, ValueError) as error:
                answers.put(error)

        # The `timeout` of `requests` limits each read, not the whole request. A server that sends one byte at
        # a time could block this thread forever. So a daemon thread sends the request. After the deadline
        # nobody waits for that thread: it ends at its next chunk, or when its read fails.
        threading.Thread(target=ask, name="assistant", daemon=True).start()
        try:
            answer = answers.get(timeout=deadline)
        except queue.Empty:
            raise AssistantError(f"no reply within {deadline:g} s", "outage") from None
        if isinstance(answer, AssistantError):
            raise answer
        if isinstance(answer, Exception):
            # Name only the class: the text of such an error may contain the URL or a part of the answer.
            raise AssistantError(f"the request failed ({type(answer).__name__})", "outage")
        return answer

    def _send(self, turns: Sequence[Turn], deadline: float) -> Reply:
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        stop_at = time.monotonic() + deadline
        with requests.post(
            self.base_url.rstrip("/") + "/chat/completions",
            json={"model": self.model, "messages": [*system, *turns]},
            headers=headers,
            timeout=deadline,
            allow_redirects=False,  # send the key to the configured host only
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
        return self._parse_reply(bytes(body))

    def _parse_reply(self, body: bytes) -> Reply:
        """Parse an answer. Raises AssistantError if the text is incomplete or can't be stored."""
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
            raise AssistantError("the reply contains no text")
        if ended not in _WHOLE:
            named = re.sub(r"\W", "", ended)[:30]
            raise AssistantError(f"the answer may be incomplete (finish_reason {named})")
        try:
            # Phones in the system prompt are the shop's own, so they are kept in the reply.
            return Reply(clean_reply(content, keep=self.system_prompt or ""), _tokens(document))
        except UnusableReplyError as error:
            raise AssistantError(str(error)) from None


def _refusal(response: requests.Response) -> AssistantError:
    """Return the error for an HTTP status other than 200.

    Its `failure` shows whether other questions would fail too.
    """
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
        return _DEFAULT_RETRY_SECONDS if response.status_code == 429 else None
    try:
        return float(_RETRY_AFTER_PARSER.parse_retry_after(text))
    except InvalidHeader:
        return _DEFAULT_RETRY_SECONDS


def _text_of_parts(parts: Sequence[object]) -> str:
    """Return the joined text parts of an answer, without other parts (reasoning, images, citations)."""
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, Mapping)
        and part.get("type") in {"text", "output_text"}
        and isinstance(part.get("text"), str)
    )


def _tokens(document: Mapping[str, Any]) -> int:
    """Return the number of tokens that the answer states, otherwise 0."""
    usage = document.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else 0


def assistant_from(settings: Settings) -> OpenAiAssistant | None:
    """Return a client with the settings' endpoint, or None if ASSISTANT_BASE_URL is not set.

    ASSISTANT_SYSTEM_PROMPT is the text, or the path of a file that contains it. Raises SettingError if the
    address is set and the model is not.
    """
    if not settings.assistant_base_url:
        return None
    if not settings.assistant_model:
        raise SettingError(
            "ASSISTANT_BASE_URL is set and ASSISTANT_MODEL is not: set it to the name of the model"
        )
    api_key = settings.assistant_api_key
    return OpenAiAssistant(
        base_url=settings.assistant_base_url,
        model=settings.assistant_model,
        api_key=api_key.get_secret_value() if api_key else None,
        system_prompt=_read_prompt(settings.assistant_system_prompt),
    )


def _read_prompt(text: str | None) -> str | None:
    """Return the content of the file that `text` names, or `text` itself if there is no such file."""
    if text is None or "\n" in text or len(text) > 500:  # too long to be a path
        return text
    # `os.path` is used because it raises nothing: a text that is too long, or begins with an unknown `~user`,
    # is just not a file.
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

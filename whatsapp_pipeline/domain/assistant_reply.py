"""Cleaning a language model's text, so that it can be stored, shown and sent back to the model.

What belongs here: the rules for the text of a reply. What does not: the request (assistant/client.py) and
storing the reply (steps/conversations/answer_messages.py).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.domain.reasoning import without_reasoning
from whatsapp_pipeline.errors import PipelineError

LONGEST_REPLY: Final = 4096  # the maximum length of a text message of WhatsApp, in characters
_JOINERS: Final = "\u200c\u200d"  # zero-width joiners, which emoji and some scripts need
_BLANK_LINES: Final = re.compile(r"\n{3,}")


class UnusableReplyError(PipelineError):
    """A language model's text can't be used as a reply. The error has the reason, and no part of the text."""


def clean_reply(text: str, *, keep: str = "") -> str:
    """Return a reply without the model's reasoning, control characters and personal data.

    A word replaces each phone, e-mail address and document number (see personal_text.py). Values that are
    also in `keep`, such as the shop's own number in the system prompt, are kept.
    Raises UnusableReplyError if the result is empty or too long for a message.
    """
    said = "".join(char for char in without_reasoning(text).replace("\r\n", "\n") if _is_shown(char))
    said = _BLANK_LINES.sub("\n\n", said).strip()
    if not any(char.isalnum() or unicodedata.category(char) == "So" for char in said):
        raise UnusableReplyError("the reply holds no text")
    if len(said) > LONGEST_REPLY:
        raise UnusableReplyError(f"the reply is longer than the {LONGEST_REPLY} characters of a message")
    return hide_personal(said, keep=keep)


def _is_shown(char: str) -> bool:
    return (
        char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )

"""The text of a message for a person at a service desk.

What belongs here: the kind of a message in Portuguese, and its text without the labels of stored live
messages (domain/webhook_message_types.py). What does not: markup.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from whatsapp_pipeline.console import words
from whatsapp_pipeline.store.conversations.message_stream import StreamMessage

# The stored form of a live message: `[type: content]`, and below it the advertisement or product that led to
# the message.
_LABEL = re.compile(r"\[([a-z_]{1,40})(?:: (.*?))?\](?=\Z|\n\[(?:referral|product): )", re.DOTALL)
_LED_HERE = re.compile(r"^\[(referral|product): (.*)\]$", re.MULTILINE)
_LABEL_BEGINS = re.compile(r"\A\[([a-z_]{1,40})(?=: |\])")

# A conversation folds a text of more than _FOLDED_FROM characters and shows its first _SHOWN characters, so
# that a page stays small.
_FOLDED_FROM, _SHOWN = 700, 560
# A text with more characters or lines than this may be divided between two sheets of paper.
_WHOLE_ON_A_SHEET, _LINES_ON_A_SHEET = 900, 10


class SaidWords(NamedTuple):
    """The text of a message.

    `label` is the kind of the message, such as `Localização`. It is None for a plain text and an attachment.
    """

    label: str | None
    text: str | None

    @property
    def beginning(self) -> str | None:
        """The visible beginning of a text that a conversation folds; None if the whole text is shown."""
        if self.text is None or len(self.text) <= _FOLDED_FROM:
            return None
        cut = self.text[:_SHOWN]
        return (cut.rpartition(" ")[0] or cut).rstrip(" .,;:…") + "…"

    @property
    def is_long(self) -> bool:
        """Whether the text may be divided between two sheets of paper."""
        return self.text is not None and (
            len(self.text) > _WHOLE_ON_A_SHEET or self.text.count("\n") > _LINES_ON_A_SHEET
        )


def said_words(message: StreamMessage) -> SaidWords:
    """Return the text of a message.

    An attachment gets no label, because pages show its kind beside the file's name.
    """
    text = message.text
    found = None
    if message.source == "webhook" and text is not None:
        found = _LABEL.match(text)
        if found is not None and found[1] == message.type:
            text = (found[2] or "") + text[found.end() :]
        text = _LED_HERE.sub(lambda line: f"{words.LED_HERE[line[1]]}: {line[2]}", text).strip("\n")
    is_labelled = not text or (found is not None and found[1] == message.type)
    if message.attachment_kind or not is_labelled:
        return SaidWords(None, text or None)
    return SaidWords(type_words(message.type), text or None)


def type_words(kind: str) -> str:
    """Return a message's type, or an attachment's kind, in Portuguese."""
    return (words.ATTACHMENTS | words.MESSAGE_TYPES).get(kind, words.UNKNOWN_TYPE)


def labelled(source: str | None, text: str | None) -> str | None:
    """Return a text, or the beginning of one, with the label of a live message in Portuguese."""
    if source != "webhook" or text is None:
        return text
    return _LABEL_BEGINS.sub(lambda label: f"[{type_words(label[1])}", text)

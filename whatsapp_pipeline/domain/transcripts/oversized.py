"""Text that is too long for one message: its middle is skipped, so that memory is limited.

What belongs here: skipping the middle, and reporting it. What does not: finding the end of a message (the
readers of the formats).
"""

from __future__ import annotations

from whatsapp_pipeline.domain.transcripts.chat_message import Finding

LONGEST_TEXT = 1 << 22
"""Number of characters from which a text without a header is not one message."""
LONGEST_MESSAGE = 65_536
"""The maximum length of a WhatsApp message, in characters."""


class SkippedLines:
    """The skipped lines of the message that a reader reads next."""

    __slots__ = ("_is_shortened", "count")

    def __init__(self) -> None:
        self.count = 0
        self._is_shortened = False

    def shorten(self, text: str) -> str:
        """Skip the middle of a text that is longer than LONGEST_TEXT, and count its lines.

        The first characters (half of LONGEST_TEXT) and the last ones (LONGEST_MESSAGE) are kept. They are cut
        at line ends if there are any.
        """
        if len(text) <= LONGEST_TEXT:
            return text
        start = text.rfind("\n", 0, LONGEST_TEXT // 2) + 1 or LONGEST_TEXT // 2
        end = text.find("\n", len(text) - LONGEST_MESSAGE) + 1 or len(text) - LONGEST_MESSAGE
        self.count += text.count("\n", start, end)
        self._is_shortened = True
        return text[:start] + text[end:]

    def end_message(self, line: int) -> Finding | None:
        """Begin the next message; return a finding if the message at `line` was shortened."""
        if not self._is_shortened:
            return None
        detail = f"a message of more than {LONGEST_TEXT} characters; {self.count} lines of it were left out"
        self.count, self._is_shortened = 0, False
        return Finding(line, "oversized_message", "error", detail)

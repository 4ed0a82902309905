"""The chats of one file of the block format, and the place in the file up to which it was read.

What belongs here: starting and ending chats, runs of their blocks, and findings about them. What does not:
deciding where a chat ends (`block_pieces.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whatsapp_pipeline.domain.transcripts.block.block_columns import Run
from whatsapp_pipeline.domain.transcripts.block.block_labels import CUT, pasted_in
from whatsapp_pipeline.domain.transcripts.chat_message import Finding, LineKind, Severity
from whatsapp_pipeline.domain.transcripts.chats import Chat, Journal
from whatsapp_pipeline.domain.transcripts.decoding import TextChunks


@dataclass(slots=True)
class _OpenChat:
    """The chat that is being read."""

    chat: Chat
    label: str | None
    """The label of its blocks; None if the blocks of the file have no labels."""
    members: set[str | None]


class BlockChats:
    """The chats of one file, of which the last one is open."""

    __slots__ = ("_ends_blank", "_has_labels", "_journal", "_open", "_source", "_text", "line")

    def __init__(self, journal: Journal, source: int, text: TextChunks, *, has_labels: bool) -> None:
        self._journal, self._source, self._text = journal, source, text
        self._has_labels = has_labels
        self._open: _OpenChat | None = None
        self.line = 1
        """The line of the next block's label, or of its header if blocks have no labels."""
        self._ends_blank: bool | None = None
        """Whether the file's first block ends with a blank line; None before it was read."""

    @property
    def _current(self) -> _OpenChat:
        assert self._open is not None, "a part begins inside a chat"
        return self._open

    @property
    def label(self) -> str | None:
        """Return the label of the open chat's blocks."""
        return self._current.label

    def start(self, label: str | None, *, preamble: int) -> None:
        """Start the first chat, after `preamble` lines that are not part of a block, and a separator."""
        self.line = preamble + 2
        self._start(1, label)
        if preamble:
            self._current.chat.totals.lines[LineKind.EXCEPTION] += preamble
            self.note(1, "preamble", "warning", f"{preamble} lines before the first message")

    def start_next(self, label: str | None) -> None:
        """End the open chat and start the next one, whose first block starts on the next line."""
        number = self._current.chat.totals.number + 1
        self._journal.close(self._current.chat, self._text)
        self._start(number, label)

    def _start(self, number: int, label: str | None) -> None:
        chat = self._journal.open(self._source, number, label, self.line, "block")
        self._open = _OpenChat(chat, label if self._has_labels else None, set())

    def finish(self) -> None:
        """End the last chat of the file, with the findings about the file's encoding."""
        chat = self._current.chat
        for finding in self._text.findings:
            self._journal.note(chat, finding)
        self._journal.close(chat, self._text)

    def run(self, first: bytes, *, at_end: bool, left_out: int) -> Run:
        """Return a run of the open chat, without its results.

        Args:
            first: The text of the run's first block.
            at_end: Whether the file ends with the run.
            left_out: Number of skipped lines of the first block.
        """
        ends_blank = first.endswith(b"\n") if self._ends_blank is None else self._ends_blank
        chat = self._current
        return Run(
            chat.chat,
            chat.members,
            self.line,
            chat.label,
            ends_blank=ends_blank,
            at_end=at_end,
            left_out=left_out,
        )

    def end_run(self, run: Run, lines: int) -> None:
        """Continue after a run that has this number of lines."""
        self.line += lines
        self._ends_blank = run.ends_blank

    def note(self, line: int, kind: str, severity: Severity, detail: str) -> None:
        """Note a finding about the open chat."""
        self.note_finding(Finding(line, kind, severity, detail))

    def note_finding(self, finding: Finding) -> None:
        """Note a finding about the open chat."""
        self._journal.note(self._current.chat, finding)

    def note_cut_off(self, lines: int) -> None:
        """Count the lines of a block that the end of the file cuts, and note the finding."""
        self._current.chat.totals.lines[LineKind.EXCEPTION] += lines
        self.note(self.line - 1, "cut_off", "warning", "the file ends inside a block's first lines")

    def note_pasted(self, run: Run, texts: Sequence[str]) -> None:
        """Note pasted text that looks like a block, after the run was read."""
        for text, start in zip(texts, run.starts.tolist(), strict=True):
            if CUT in text:
                for finding in pasted_in(text, start, has_labels=self._has_labels):
                    self._journal.note(run.chat, finding)

    def note_crowded(self, run: Run) -> None:
        """Note blocks that follow text without a blank line, after the run was read."""
        for line in run.crowded:
            detail = "a block right below text, without a blank line: read, but it may have been pasted"
            self._journal.note(run.chat, Finding(line, "forged_header", "warning", detail))

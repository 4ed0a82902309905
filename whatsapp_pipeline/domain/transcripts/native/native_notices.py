"""Lines that WhatsApp wrote and no language file knows.

What belongs here: deciding whether U+200E marks such lines in a file, and reporting a phrase without names.
What does not: known phrases (`languages/`), and parsing texts (`native_bodies.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from whatsapp_pipeline.domain.transcripts.chat_message import Finding
from whatsapp_pipeline.domain.transcripts.native.native_shapes import Layout
from whatsapp_pipeline.domain.transcripts.phrases import LONGEST_PHRASE, fold_phrase, phrases, visible

_MARK = "\u200e"
_WORD = re.compile(r"[\w+@.'’-]*\w")
_QUOTED = re.compile(r"[\"“”«»].*[\"“”«»]")
_PLACES = re.compile(r"\*(?:[\s,]*\*)+")


class UnknownNotices:
    """The notices of one file that no language file knows, and the phrases that were reported.

    The object decides whether WhatsApp wrote a line that begins with U+200E, and reports each phrase once.
    iOS begins the lines that it writes with U+200E. If the known notices of a file have no mark, the file was
    written without marks, and a mark before a text was pasted with it.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sample = ""
        self._names: Iterable[str] = ()
        self.may_repeat = False
        """Whether notices repeat the name of the sender, as in exports of iOS without marks."""
        self._reported: set[str] = set()

    def learn(self, sample: str, names: Iterable[str]) -> None:
        """Store the start of the file, which is read if an unknown line occurs, and the senders' names.

        The caller may add names while the file is read.
        """
        self._sample, self._names = sample, names
        self.may_repeat = self._layout.always_named and _MARK not in sample

    @property
    def are_marked(self) -> bool:
        """Return whether the notices of the file begin with the mark; only those of iOS do.

        True if the start of a file of iOS has no known notice.
        """
        return self._layout.format == "ios" and self._is_mark_usual is not False

    def is_call(self, text: str) -> bool:
        """Return whether WhatsApp wrote a text with a sender that names a call; otherwise a person typed it.

        WhatsApp wrote it if it has a mark, or if the file is of iOS and its notices have no marks. Android
        writes no sender in such lines. If the file has no known notices, WhatsApp wrote a text that says how
        the call ended.
        """
        if text.startswith(_MARK):
            return True
        is_usual = self._is_mark_usual if self._layout.format == "ios" else None
        return is_usual is False or (is_usual is None and phrases().is_whole_call(text))

    @cached_property
    def _is_mark_usual(self) -> bool | None:
        """Return whether the known notices at the start of the file have the mark; None if there are none."""
        sample, self._sample = self._sample, ""
        has_unmarked = False
        for match in self._layout.header.finditer(f"\n{sample}"):
            start, end = match.end() - 1, sample.find("\n", match.end() - 1)
            _, colon, body = sample[start : end if end >= 0 else None].partition(": ")
            if colon and _is_known(body):
                if body.startswith(_MARK):
                    return True
                has_unmarked = True
        return False if has_unmarked else None

    def names_somebody(self, text: str) -> bool:
        """Return whether a line begins with the name of a sender of the file."""
        folded = fold_phrase(text).removeprefix("~").lstrip()
        people = (fold_phrase(name).removeprefix("~").strip() for name in self._names)
        return folded.startswith(tuple(f"{name} " for name in people if name))

    def finding(self, line: int, text: str) -> Finding | None:
        """Return the finding for an unknown line; None if its phrase was reported before."""
        phrase = _without_people(text, self._names)
        if phrase in self._reported:
            return None
        self._reported.add(phrase)
        detail = (
            f"a line of WhatsApp's own that no language file knows: {phrase!r}; read as a notification; "
            "add it to [notifications] in a file of domain/transcripts/languages"
        )
        return Finding(line, "unknown_notice", "info", detail)


def _is_known(body: str) -> bool:
    """Return whether a body is a frequent notice: of encryption, a deleted message, an omitted file.

    A person may type the name of a call, so without a mark it is not a notice.
    """
    table = phrases()
    if len(body) > LONGEST_PHRASE or (folded := fold_phrase(body))[:3] not in table.folded_starts:
        return False
    kind = table.type_of_text(folded)
    if kind == "call" and not body.startswith(_MARK):
        return table.is_whole_call(body)
    return kind is not None or table.notification(body) == "encryption"


def _without_people(text: str, names: Iterable[str]) -> str:
    """Return the line with `*` for names, numbers and quotes; words that may be names are replaced too."""
    people = {word for name in names for word in _WORD.findall(fold_phrase(name))}
    known = phrases().vocabulary

    def shown(match: re.Match[str]) -> str:
        word = match.group()
        folded = word.casefold()
        if folded in people or any(map(str.isdigit, word)) or "@" in word:
            return "*"
        return word if word.islower() or folded in known else "*"

    return _PLACES.sub("*", _WORD.sub(shown, _QUOTED.sub("*", visible(text).strip())))

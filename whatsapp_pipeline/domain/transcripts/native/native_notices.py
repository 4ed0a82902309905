"""Lines of WhatsApp's own that no language file knows.

What belongs here: whether a file's U+200E marks such lines, and naming the phrase without the people in it.
What does not: known phrases (`languages/`), and what a text holds (`native_bodies.py`).
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
    """Decides for one file whether a marked line is WhatsApp's own, and reports each phrase once.

    iOS begins its own lines with U+200E. A file whose known notices have no mark was written without marks:
    one that stands before a text there was pasted with it.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sample = ""
        self.may_repeat = False
        """Whether notices are known by the name that they repeat: in exports of iOS without marks."""
        self._reported: set[str] = set()

    def learn(self, sample: str) -> None:
        """Take the beginning of the file; it is looked at when an unknown line occurs."""
        self._sample = sample
        self.may_repeat = self._layout.always_named and _MARK not in sample

    @property
    def are_marked(self) -> bool:
        """Whether the file's own notices begin with the mark; true when there is none to judge by."""
        return self._layout.format == "ios" and self._is_mark_usual is not False

    def is_call(self, text: str) -> bool:
        """Whether a text under a person's name that names a call is WhatsApp's own; otherwise it was typed.

        A mark says so, or in a file of iOS without marks the other notices. Android names nobody in such
        lines. A text that says how the call ended is WhatsApp's own unless the file marks its notices.
        """
        if text.startswith(_MARK):
            return True
        is_usual = self._is_mark_usual if self._layout.format == "ios" else None
        return is_usual is False or (is_usual is None and phrases().is_whole_call(text))

    @cached_property
    def _is_mark_usual(self) -> bool | None:
        """Whether the known notices of the file's beginning have the mark; None when there are none."""
        marked = unmarked = 0
        for match in self._layout.header.finditer(f"\n{self._sample}"):
            start, end = match.end() - 1, self._sample.find("\n", match.end() - 1)
            _, colon, body = self._sample[start : end if end >= 0 else None].partition(": ")
            if colon and _is_known(body):
                marked += body.startswith(_MARK)
                unmarked += not body.startswith(_MARK)
        self._sample = ""
        return marked > 0 if marked or unmarked else None

    def finding(self, line: int, text: str, names: Iterable[str]) -> Finding | None:
        """The finding for an unknown line; None when its phrase was reported before."""
        phrase = _without_people(text, names)
        if phrase in self._reported:
            return None
        self._reported.add(phrase)
        detail = (
            f"a line of WhatsApp's own that no language file knows: {phrase!r}; read as a notification; "
            "add it to [notifications] in a file of domain/transcripts/languages"
        )
        return Finding(line, "unknown_notice", "info", detail)


def _is_known(body: str) -> bool:
    """Whether a body is a frequent notice: of encryption, a deleted message, a file left out.

    A person may type what names a call: without a mark it is no notice.
    """
    if len(body) > LONGEST_PHRASE:
        return False
    table = phrases()
    kind = table.type_of_text(fold_phrase(body))
    if kind == "call" and not body.startswith(_MARK):
        return table.is_whole_call(body)
    return kind is not None or table.notification(body) == "encryption"


def _without_people(text: str, names: Iterable[str]) -> str:
    """The line with `*` for names, numbers and what is quoted; other words stay if they look like no name."""
    people = {word for name in names for word in _WORD.findall(fold_phrase(name))}
    known = phrases().vocabulary

    def shown(match: re.Match[str]) -> str:
        word = match.group()
        folded = word.casefold()
        if folded in people or any(map(str.isdigit, word)) or "@" in word:
            return "*"
        return word if word.islower() or folded in known else "*"

    return _PLACES.sub("*", _WORD.sub(shown, _QUOTED.sub("*", visible(text).strip())))

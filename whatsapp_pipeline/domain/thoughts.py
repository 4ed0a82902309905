"""Removing the reasoning that a language model writes before or beside its answer.

What belongs here: the markers around thoughts and answers, as models and their servers write them. What does
not: the other rules for a reply (assistant_reply.py). Each model family has its own markers. They have
different brackets but share a few names, so brackets and names are separate lists.

    <think>…</think>   [THINK]…[/THINK]   ◁think▷…◁/think▷   <|begin_of_thought|>…<|end_of_thought|>
    <|START_THINKING|>…<|END_THINKING|>   |startthink|…|endthink|   <|channel|>analysis<|message|>…<|end|>
"""

from __future__ import annotations

import re
from typing import Final

_THOUGHT: Final = (
    r"(?:\w{1,20}[:_.-])?(?:anti?)?"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion|ing)?|analysis|analy[sz]ing|scratch[_ -]?pad"
    r"|cot|inner[_ -]?monologue|internal[_ -]?monologue|deliberation|rationale|critique|planning|plan)"
)
_ANSWER: Final = r"(?:final[_ -]?)?(?:answer|response|output|solution|reply|final)"
_START, _END = r"(?:begin(?:[_ ]of)?[_ ]|start(?:[_ ]of)?[_ ]?)", r"(?:/|end(?:[_ ]of)?[_ ]?)"
# The channels of OpenAI's open models.
_CHANNEL: Final = r"<\|channel\|>\s*{}\s*(?:to=\S+\s*)?(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>"


def _marker(name: str, prefix: str) -> str:
    """Return a pattern for a name in each kind of brackets; attributes may follow the name."""
    inner = rf"\s*{prefix}\s*{name}\b"
    return "|".join(
        [
            rf"<\|{inner}\s*\|>",
            rf"<{inner}(?:\s[^<>]{{0,80}})?/?\s*>",
            rf"\[{inner}\s*\]",
            rf"\{{\{{{inner}\s*\}}\}}",
            rf"◁{inner}\s*▷",
            rf"\|{inner}\s*\|",
        ]
    )


_MARKERS: Final = re.compile(
    # The end is tried before the beginning, because `end_` could also match as a prefix of a beginning.
    rf"(?P<end>{_marker(_THOUGHT, _END)})"
    rf"|(?P<begin>{_marker(_THOUGHT, _START + '?')}|{_CHANNEL.format('(?:analysis|commentary)')})"
    rf"|(?P<other>{_marker(_ANSWER, _END)})"
    rf"|(?P<answer>{_marker(_ANSWER, _START + '?')}|{_CHANNEL.format('final')})",
    re.IGNORECASE,
)
_FENCED: Final = re.compile(rf"```\s*{_THOUGHT}\s*\n.*?(?:```|\Z)", re.IGNORECASE | re.DOTALL)
# Markers around a message that a server may leave in the text.
_FRAME: Final = re.compile(
    r"<\|start\|>\s*assistant|<\|im_start\|>\s*assistant|<\|[\w .:/-]{1,40}\|>|</?s>|\[/?INST\]"
    r"|<(?:start|end)_of_turn>(?:model\b)?",
    re.IGNORECASE,
)
_ESCAPES: Final = ((re.compile(r"&lt;", re.IGNORECASE), "<"), (re.compile(r"&gt;", re.IGNORECASE), ">"))
# Variants of these characters that some models write: full-width bars, and a low block for the underscore.
_SIGNS: Final = str.maketrans({"｜": "|", "▁": "_", "＜": "<", "＞": ">"})


def without_thoughts(text: str) -> str:
    """Return the answer in a model's text, without reasoning and without markers.

    Reasoning without an end marker reaches to the end of the text. If the server has cut off the begin
    marker, it begins at the start of the text. If the answer has a marker, it begins at that marker.
    """
    marked = text.translate(_SIGNS)
    if "&lt;" in marked.lower() and _MARKERS.search(_unescaped(marked)):
        marked = _unescaped(marked)
    elif not _MARKERS.search(marked) and not _FENCED.search(marked) and not _FRAME.search(marked):
        return text
    marked = _FENCED.sub("", marked)
    kept: list[str] = []
    at, thinking = 0, False
    for match in _MARKERS.finditer(marked):
        if not thinking:
            kept.append(marked[at : match.start()])
        if match["answer"] is not None or (match["end"] is not None and not thinking):
            kept.clear()
        thinking = match["begin"] is not None or (thinking and match["other"] is not None)
        at = match.end()
    if not thinking:
        kept.append(marked[at:])
    return _FRAME.sub("", "".join(kept))


def _unescaped(text: str) -> str:
    for pattern, sign in _ESCAPES:
        text = pattern.sub(sign, text)
    return text

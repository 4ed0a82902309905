"""Removing the reasoning that a language model writes before or beside its answer.

What belongs here: the markers around reasoning and answers, as models and their servers write them. What
does not: the other rules for a reply (assistant_reply.py). Each model family has its own markers. They have
different brackets but share a few names, so brackets and names are separate lists.

    <think>…</think>   [THINK]…[/THINK]   ◁think▷…◁/think▷   <|begin_of_thought|>…<|end_of_thought|>
    <|START_THINKING|>…<|END_THINKING|>   |startthink|…|endthink|   <|channel|>analysis<|message|>…<|end|>
"""

from __future__ import annotations

import re
from typing import Final

# Names of reasoning. Some models write a word before the name: `seed:think`, `longcat_think`, `antThinking`.
_REASONING: Final = (
    r"(?:\w{1,20}[:_.-])?(?:anti?)?"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion|ing)?|analysis|analy[sz]ing|scratch[_ -]?pad"
    r"|cot|inner[_ -]?monologue|internal[_ -]?monologue|deliberation|rationale|critique|planning|plan)"
)
_ANSWER: Final = r"(?:final[_ -]?)?(?:answer|response|output|solution|reply|final)"
_START, _END = r"(?:begin(?:[_ ]of)?[_ ]|start(?:[_ ]of)?[_ ]?)", r"(?:/|end(?:[_ ]of)?[_ ]?)"
# Template of a channel marker of OpenAI's open models. `{}` is replaced by a pattern of channel names.
_CHANNEL: Final = r"<\|channel\|>\s*{}\s*(?:to=\S+\s*)?(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>"


def _marker(name: str, prefix: str) -> str:
    """Return a pattern for `prefix` and `name` in each kind of brackets.

    In `<…>`, attributes may follow the name.
    """
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
    # End markers come first. Otherwise `end_think` would match as a begin marker, because `_REASONING` allows
    # any word before the name.
    rf"(?P<reasoning_end>{_marker(_REASONING, _END)})"
    rf"|(?P<reasoning>{_marker(_REASONING, _START + '?')}|{_CHANNEL.format('(?:analysis|commentary)')})"
    rf"|(?P<answer_end>{_marker(_ANSWER, _END)})"
    rf"|(?P<answer>{_marker(_ANSWER, _START + '?')}|{_CHANNEL.format('final')})",
    re.IGNORECASE,
)
_FENCED: Final = re.compile(rf"```\s*{_REASONING}\s*\n.*?(?:```|\Z)", re.IGNORECASE | re.DOTALL)
# Special tokens of chat templates that a server may leave in the text.
_TEMPLATE_TOKENS: Final = re.compile(
    r"<\|start\|>\s*assistant|<\|im_start\|>\s*assistant|<\|[\w .:/-]{1,40}\|>|</?s>|\[/?INST\]"
    r"|<(?:start|end)_of_turn>(?:model\b)?",
    re.IGNORECASE,
)
_ESCAPES: Final = ((re.compile(r"&lt;", re.IGNORECASE), "<"), (re.compile(r"&gt;", re.IGNORECASE), ">"))
# Characters that some models write instead of ASCII: full-width bars and angle brackets, and `▁` instead of
# the underscore.
_ASCII_VARIANTS: Final = str.maketrans({"｜": "|", "▁": "_", "＜": "<", "＞": ">"})


def without_reasoning(text: str) -> str:
    """Return the answer in a model's text, without reasoning and without markers.

    Reasoning without an end marker reaches to the end of the text. If only the end marker exists, the
    reasoning begins at the start of the text. If the answer has a begin marker, everything before that marker
    is removed. A text without any marker is returned unchanged.
    """
    marked = text.translate(_ASCII_VARIANTS)
    if "&lt;" in marked.lower() and _MARKERS.search(_unescaped(marked)):
        marked = _unescaped(marked)
    elif not any(pattern.search(marked) for pattern in (_MARKERS, _FENCED, _TEMPLATE_TOKENS)):
        return text
    return _TEMPLATE_TOKENS.sub("", _outside_reasoning(_FENCED.sub("", marked)))


def _outside_reasoning(text: str) -> str:
    """Return the text outside reasoning, without the markers of reasoning and answers."""
    kept: list[str] = []
    at, is_reasoning = 0, False
    for match in _MARKERS.finditer(text):
        if not is_reasoning:
            kept.append(text[at : match.start()])
        at = match.end()
        if match["reasoning"] is not None:
            is_reasoning = True
        elif match["reasoning_end"] is not None:
            if not is_reasoning:  # the server has removed the begin marker
                kept.clear()
            is_reasoning = False
        elif match["answer"] is not None:
            kept.clear()
            is_reasoning = False
        # The end marker of an answer does not change whether the text is reasoning.
    if not is_reasoning:
        kept.append(text[at:])
    return "".join(kept)


def _unescaped(text: str) -> str:
    for pattern, sign in _ESCAPES:
        text = pattern.sub(sign, text)
    return text

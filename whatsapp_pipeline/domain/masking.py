"""Masks for phones, names and texts that people without access to the database may see.

Logs, Dagster metadata, error messages and previews show masked values. The tables contain the full values.

What belongs here: masking one value as a whole. What does not: finding phones inside a text
(personal_text.py).
"""

from __future__ import annotations

import re

_DOT = "•"
# The parts of a path that stay visible: a folder's year, month or day, the text before a file's title, and
# the file's suffix.
_DATE = re.compile(r"\d{2}|\d{4}(?:-\d{2}){0,2}")
_HEAD = re.compile(r"(?:WhatsApp - )?(?:\d{4}-\d{2}-\d{2} \d{2} \d{2} \d{2} - )?", re.IGNORECASE)
_ENDING = re.compile(r"\.[A-Za-z]{2,4}$")
_DIGIT_RUN = re.compile(r"(?:\+?\d[\d\s().\-]{6,}\d)")


def mask_phone(text: str | None) -> str:
    """Keep the form of a number, its first digits (at most five) and its last two: `+55 41 9••••-••00`."""
    if not text:
        return ""
    digits = sum(char.isdigit() for char in text)
    seen = 0
    out = []
    for char in text:
        if char.isdigit():
            seen += 1
            out.append(char if seen <= min(5, digits - 6) or seen > digits - 2 else _DOT)
        else:
            out.append(char)
    return "".join(out)


def mask_name(text: str | None) -> str:
    """Keep each word's first letter: `M•••• S••••`."""
    if not text:
        return ""
    return " ".join(word[0] + _DOT * 4 if word[0].isalpha() else _DOT * 4 for word in text.split())


def mask_title(text: str | None) -> str:
    """Mask a chat title: a phone as a phone, anything else as a name."""
    if not text:
        return ""
    return mask_phone(text) if _DIGIT_RUN.fullmatch(text.strip()) else mask_name(text)


def mask_path(path: str | None) -> str:
    """Mask a chat file's path, except years, months, times and suffixes. All other parts may be a title.

    Folder names are masked like file names, because a folder can have the name of its chat.
    """
    return "/".join(_mask_part(part) for part in (path or "").split("/"))


def _mask_part(part: str) -> str:
    if _DATE.fullmatch(part):
        return part
    head = _HEAD.match(part)
    rest = part[head.end() :] if head else part
    ending = _ENDING.search(rest)
    stem = rest[: ending.start()] if ending else rest
    return part[: len(part) - len(rest)] + mask_title(stem) + (ending[0] if ending else "")


def mask_text(text: str | None, *, limit: int = 60) -> str:
    """Replace the letters and digits of a message by dots; return at most `limit` characters and `…`."""
    if not text:
        return ""
    shape = "".join(_DOT if char.isalnum() else " " if char.isspace() else char for char in text[:limit])
    return shape + ("…" if len(text) > limit else "")

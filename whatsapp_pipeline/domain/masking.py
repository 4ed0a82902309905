"""Masks for phones, names and text wherever a person other than the database's reader may look.

Logs, Dagster metadata, error messages and previews show these; the tables hold the full values.
"""

from __future__ import annotations

import re

_DOT = "•"
_DIGIT_RUN = re.compile(r"(?:\+?\d[\d\s().\-]{6,}\d)")


def mask_phone(text: str | None) -> str:
    """Keep a number's shape, its first four and last two digits: `+55 41 9••••-••00`."""
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
    """Mask a chat file's path: folder, time and ending stay, the title is masked."""
    if not path:
        return ""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    head, dash, title = (stem or ending).rpartition(" - ")
    return f"{folder}{slash}{head}{dash}{mask_title(title)}{dot}{ending if dot else ''}"


def mask_text(text: str | None, *, limit: int = 60) -> str:
    """Show the shape of a message without its content: letters and digits become dots, at most `limit`."""
    if not text:
        return ""
    shape = "".join(_DOT if char.isalnum() else " " if char.isspace() else char for char in text[:limit])
    return shape + ("…" if len(text) > limit else "")

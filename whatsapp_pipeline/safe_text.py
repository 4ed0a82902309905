"""Escaping text from outside for the place that shows it: a terminal, JSON or a spreadsheet.

What belongs here: the characters that control a terminal or start a spreadsheet formula, and their
replacements. What does not: HTML (templates escape it) and masking personal data (domain/masking.py).
"""

from __future__ import annotations

import re

# C0 controls except tab and newline, DEL, C1 controls, line separators, and the bidi characters that reorder
# text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# The same characters as UTF-8 bytes in JSON text, except C0 controls, which JSON always escapes.
_CONTROL_BYTES = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]"  # U+2028–202E, U+2066–2069
)
# A Japanese spreadsheet treats the full-width forms like the plain ones.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters at the start of a cell that make it a formula."""
# A phone or a number. Without letters there are no cell references or functions, so it is harmless.
_PHONE_OR_NUMBER = re.compile(r"[+-]?[\d ().,-]*")


def for_terminal(text: str) -> str:
    r"""Return the text with control characters escaped as text (`\x1b`), so that a terminal ignores them.

    Tabs and newlines are kept; `on_one_line` escapes them, too.
    """
    return _CONTROL.sub(_as_escape, text) if _CONTROL.search(text) else text


def on_one_line(text: str) -> str:
    """Return the text as one terminal line, so that a newline in a name can't start another line."""
    return for_terminal(text).replace("\n", "\\n").replace("\t", "\\t")


def for_json(text: str) -> str:
    r"""Return JSON text with control characters as `\u` escapes; the value that it encodes stays the same."""
    return _CONTROL.sub(_json_escape, text) if _CONTROL.search(text) else text


def for_json_bytes(data: bytes) -> bytes:
    """Do what `for_json` does, for JSON text in UTF-8."""
    return _CONTROL_BYTES.sub(lambda match: _json_escape_text(match[0].decode()).encode(), data)


def for_spreadsheet(cell: str) -> str:
    """Return a CSV cell, with an apostrophe in front if a spreadsheet would read it as a formula."""
    if cell.startswith(FORMULA_STARTS) and not _PHONE_OR_NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def _as_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _json_escape(match: re.Match[str]) -> str:
    return _json_escape_text(match[0])


def _json_escape_text(character: str) -> str:
    return f"\\u{ord(character):04x}"

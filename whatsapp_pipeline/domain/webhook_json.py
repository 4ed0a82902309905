"""Reading and writing a webhook's JSON, so that one bad value does not make the other values unreadable.

What belongs here: lenient decoding of raw bytes, the encoding of `raw_json`, cleaning of text for PostgreSQL.
What does not: the meaning of the fields (conversations).
"""

from __future__ import annotations

import hashlib
import json
import math
import re

from whatsapp_pipeline.errors import PipelineError

MAX_DEPTH = 100
MAX_ID_LENGTH = 200
_MAX_DIGITS = 4000  # Python refuses to convert longer integers
TOO_DEEP = "[nested too deep]"

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnreadableBodyError(PipelineError):
    """The body is not one JSON document, so no item of it can be read."""


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _number(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _constant(name: str) -> str:
    return name


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_constant, strict=False)
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False)


def loads(body: bytes) -> object:
    """Decode a raw body.

    Bytes that are not UTF-8 become U+FFFD. NaN and infinities become strings. A value that is nested deeper
    than `MAX_DEPTH` becomes the string `TOO_DEEP`, so that the values beside it stay readable.
    Raises UnreadableBodyError for anything that is not one JSON document.
    """
    text = body.decode("utf-8-sig", errors="replace")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        text = _cut_deep(text)
    try:
        return _DECODER.decode(text)
    except RecursionError:  # deep and unclosed brackets; `_cut_deep` cuts only closed ones
        raise UnreadableBodyError("the body is not JSON: brackets that never close") from None
    except ValueError as error:
        # The decoder's error text quotes no content. It says only what was expected and where.
        raise UnreadableBodyError(f"the body is not JSON: {error}") from None


def _cut_deep(text: str) -> str:
    depth = 0
    kept = 0
    cut_from = 0
    parts: list[str] = []
    for token in _TOKEN.finditer(text):
        char = token.group()
        if char in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                cut_from = token.start()
        elif char in "]}":
            if depth == MAX_DEPTH + 1:
                parts += (text[kept:cut_from], '"', TOO_DEEP, '"')
                kept = token.end()
            depth -= 1
    return "".join([*parts, text[kept:]]) if parts else text


def dumps(value: object) -> str:
    r"""Encode a value for a `json` column as ASCII, so that `\u0000` and lone surrogates stay as escapes."""
    return _ENCODER.encode(value)


def clean_text(text: str) -> str:
    """Replace the characters that PostgreSQL cannot store in a text (NUL, lone surrogates) by U+FFFD."""
    return _UNSTORABLE.sub("�", text) if _UNSTORABLE.search(text) else text


def id_text(value: object) -> str | None:
    """Read an identifier that was sent as a string or an integer; None for any other value.

    An identifier that is too long for an index is replaced by its SHA-256, so that it stays unique.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = clean_text(value).strip()
    if len(text) > MAX_ID_LENGTH:
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return text or None

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
_MAX_DIGITS = 4000  # below Python's default limit of 4,300 digits for the conversion of integers
TOO_DEEP = "[nested too deep]"

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnreadableBodyError(PipelineError):
    """The body is not one JSON document, so no item of it can be read."""


def _parse_integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _parse_float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _constant_as_text(name: str) -> str:
    return name


_DECODER = json.JSONDecoder(
    parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_constant_as_text, strict=False
)
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False)


def loads(body: bytes) -> object:
    """Decode a raw body.

    Bytes that are not UTF-8 become U+FFFD. NaN and infinities become strings. A value that is nested deeper
    than `MAX_DEPTH` becomes the string `TOO_DEEP`, so that the values beside it stay readable.
    Raises UnreadableBodyError for anything that is not one JSON document.
    """
    text = body.decode("utf-8-sig", errors="replace")
    # With at most MAX_DEPTH brackets, no value is nested too deep. Counting is faster than `_replace_deep`.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        text = _replace_deep(text)
    try:
        return _DECODER.decode(text)
    except RecursionError:
        # The body has many brackets that are never closed. `_replace_deep` replaces only closed ones.
        raise UnreadableBodyError("the body is not JSON: it has brackets that are not closed") from None
    except ValueError as error:
        # The decoder's error text quotes no content. It says only what was expected and where.
        raise UnreadableBodyError(f"the body is not JSON: {error}") from None


def _replace_deep(text: str) -> str:
    """Replace each array or object that is nested deeper than MAX_DEPTH by the string TOO_DEEP.

    Brackets inside strings are ignored.
    """
    depth = 0
    replaced_until = 0  # offset
    deep_from = 0  # offset
    parts: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match.group()  # a bracket or a whole string
        if token in ("[", "{"):
            depth += 1
            if depth == MAX_DEPTH + 1:
                deep_from = match.start()
        elif token in ("]", "}"):
            if depth == MAX_DEPTH + 1:
                parts += (text[replaced_until:deep_from], '"', TOO_DEEP, '"')
                replaced_until = match.end()
            depth -= 1
    return "".join([*parts, text[replaced_until:]]) if parts else text


def dumps(value: object) -> str:
    r"""Encode a value for a `json` column as ASCII, so that `\u0000` and lone surrogates stay as escapes."""
    return _ENCODER.encode(value)


def clean_text(text: str) -> str:
    """Replace the characters that PostgreSQL cannot store in a text (NUL, lone surrogates) by U+FFFD."""
    return _UNSTORABLE.sub("�", text) if _UNSTORABLE.search(text) else text


def id_text(value: object) -> str | None:
    """Read an identifier that was sent as a string or an integer. Return None for any other value.

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

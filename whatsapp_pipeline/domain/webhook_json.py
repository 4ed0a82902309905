"""Reading and writing the JSON of a webhook so that nothing in it can stop the rest.

What belongs here: lenient decoding of raw bytes, the spelling of `raw_json`, cleaning of text for PostgreSQL.
What does not: what the fields mean (conversations).
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
    """The body is not JSON, and no part of it can be told from another."""


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

    Bytes that are no UTF-8 become U+FFFD, NaN and infinities the strings that spelled them, and what nests
    deeper than `MAX_DEPTH` the string `TOO_DEEP`, so that its siblings stay readable.
    Raises UnreadableBodyError for anything that is not one JSON document.
    """
    text = body.decode("utf-8-sig", errors="replace")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        text = _cut_deep(text)
    try:
        return _DECODER.decode(text)
    except RecursionError:  # brackets that never close: deep, and not JSON either
        raise UnreadableBodyError("the body is not JSON: brackets that never close") from None
    except ValueError as error:
        # The decoder's text quotes no content, only what it expected and where.
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
    r"""Spell a decoded value for a `json` column: ASCII, so `\u0000` and lone surrogates stay as escapes."""
    return _ENCODER.encode(value)


def clean_text(text: str) -> str:
    """Replace what a PostgreSQL text cannot hold (NUL, lone surrogates) with U+FFFD."""
    return _UNSTORABLE.sub("�", text) if _UNSTORABLE.search(text) else text


def id_text(value: object) -> str | None:
    """Read an identifier: a string, or the integer somebody sent in its place; None for anything else.

    One too long for an index stands as its SHA-256, so that it stays unique.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = clean_text(value).strip()
    if len(text) > MAX_ID_LENGTH:
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return text or None

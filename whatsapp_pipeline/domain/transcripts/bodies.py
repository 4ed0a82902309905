"""The body of one message: attachments, places, phrases of WhatsApp.

What belongs here: the parts of a body, and parsing a single one. What does not: parsing many at once
(`block_bodies.py`, `native_bodies.py`) and the phrases of a language (`languages/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from whatsapp_pipeline.domain.transcripts.phrases import (
    INVISIBLE,
    LAST_LETTERS,
    fold_phrase,
    kind_of_file,
    phrases,
    visible,
)


class Body(NamedTuple):
    """A parsed body; `text` is what a person wrote."""

    text: str
    type: str = "text"
    attachment_name: str | None = None
    attachment_kind: str | None = None
    attachment_size: int | None = None
    attachment_duration: int | None = None
    reply_timestamp: datetime | None = None
    reply_quote: str | None = None


BODY_SCHEMA: Mapping[str, pl.DataType] = {
    "text": pl.String(),
    "type": pl.String(),
    "attachment_name": pl.String(),
    "attachment_kind": pl.String(),
    "attachment_size": pl.Int64(),
    "attachment_duration": pl.Int64(),
    "reply_timestamp": pl.Datetime("us"),
    "reply_quote": pl.String(),
}


_MAPS = re.compile(
    r"https?://(?:maps\.google\.|www\.google\.[a-z.]+/maps|goo\.gl/maps|maps\.app\.goo\.gl|maps\.apple\.)\S*"
)

_LONGEST_FORM = 4_000  # polls and events contain texts of people


class Notice(NamedTuple):
    """A line that WhatsApp wrote; `is_group` is set if it occurs only in groups."""

    body: Body
    is_group: bool


@lru_cache(4_096)
def read_notice(text: str) -> Notice:
    """Parse a line that WhatsApp wrote."""
    kind = phrases().notification(text)
    return Notice(Body(text, kind if kind in ("call", "deleted") else "system"), kind == "group")


def parse_native_body(body: str) -> Body:
    """Parse a body of a native export; marks such as `<Mensagem editada>` are removed from the text."""
    table = phrases()
    shown = visible(body).strip()
    folded = shown.casefold()
    if folded[:3] in table.folded_starts and (kind := table.type_of_text(folded)) is not None:
        return _file_alone(shown) or Body(body, kind)
    if folded.endswith(table.edited):
        # Cut at the start of the mark in the raw text, because invisible characters may surround it.
        body = body[: body.rindex("<")].rstrip(f"\n {INVISIBLE}")
        shown = visible(body).strip()
        edited = _file_alone(shown) or _native_attachment(body, shown, shown.casefold()) or Body(body)
        return Body(edited.text, "edited", *edited[2:])
    return _native_attachment(body, shown, folded) or plain_body(body)


def _file_alone(shown: str) -> Body | None:
    """Parse an omitted file without a caption: `imagem ocultada`."""
    kind = phrases().omitted.get(shown.casefold().removesuffix("."))
    return Body("", kind, attachment_kind=kind) if kind else None


# A name with an extension that contains a letter, or the name that WhatsApp gives a file without extension.
_OWN_NAME = r"[A-Z]{3}-\d{8}-WA\d{4,}"
_FILE_NAME = re.compile(r"[^\n<>]*\w[^\n<>]*\.[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|" rf"{_OWN_NAME}\.?")
# iOS describes a document as `Nome.pdf • 2 páginas`, in the last line before its file.
_BULLET = "•"
_DESCRIPTION = re.compile(
    rf"(?:(?P<caption>.*)\n)?(?P<name>[^\n]+?\.\w{{1,8}})(?: {_BULLET}[^\n]*)?", re.DOTALL
)
_NAMED = re.compile(rf"(?:(?P<caption>.*)\n)?(?P<name>[^\n]+?) {_BULLET}(?: \d[^\n]*)?", re.DOTALL)
_BRACKETS = re.compile(r"(?P<before>.*)<(?P<inside>[^<>\n]+)>", re.DOTALL)
_LAST_MARK = re.compile(r"(?P<before>.*)[\u200e\u200f]+(?P<phrase>[^\u200e\u200f\n]+)", re.DOTALL)
_MARKS = frozenset("\u200e\u200f")
_FILE_STARTS = _MARKS | {"<"}
_EDGES = f" \n{INVISIBLE}"


def _native_attachment(body: str, shown: str, folded: str) -> Body | None:
    """Parse a body with a file; the caption is before or below the name of the file.

    `shown` is the visible text of the body, `folded` the same in small letters.

    Android: `X.jpg (arquivo anexado)` or `<Mídia oculta>`, and the caption below. iOS: the caption, then
    `<anexado: X>`, or U+200E and `imagem ocultada`. In 2015: `X.jpg <anexado>`.
    """
    first, _, below = body.partition("\n")
    below = below.lstrip(_EDGES)
    if below:
        # The name of the file may be in the last line, below the caption, or in the first.
        return (
            _attachment_at_end(body, shown, folded)
            or _attachment_at_end(first, visible(first).strip(), below=below)
            or _file_at_start(first, below)
        )
    return _attachment_at_end(body, shown, folded) or _file_at_start(first, "")


# Android names files `IMG-20250105-WA0001.jpg (arquivo anexado)`; people do not.
_OWN_FILE = re.compile(rf"({_OWN_NAME}\.\w{{1,5}}) +(\([^()\n]+\)) *")


def _file_at_start(first: str, below: str) -> Body | None:
    """Parse a file at the start of the first line: `<Mídia oculta>`, or U+200E and `imagem ocultada`.

    The caption follows on the same line or below.
    """
    own = _OWN_FILE.match(first)
    if own is None and first[:1] not in _FILE_STARTS:
        return None
    shown = visible(first).strip()
    folded, table = shown.casefold(), phrases()
    if shown.startswith("<"):
        end = shown.find(">") + 1
        kind = table.omitted.get(folded[:end])
    elif own is None:
        phrase = max((found for found in table.omitted if folded.startswith(found)), key=len, default="")
        end = len(phrase) + folded.startswith(".", len(phrase))
        kind = table.omitted.get(phrase) if not folded[end : end + 1].strip() else None
    else:
        if own[2].casefold() not in table.attached_suffixes:
            return None
        return _file(own[1], _joined(first[own.end() :], below))
    return Body(_joined(shown[end:].strip(), below), kind, attachment_kind=kind) if kind else None


def parse_unmarked_caption(text: str) -> Body | None:
    """Parse an omitted file and its caption in an iOS export without marks: `a foto imagem ocultada`.

    A person who types these words puts an article before them: `a imagem ocultada`.
    """
    shown = visible(text).strip()
    first, _, below = shown.partition("\n")
    table = phrases()
    if not below and shown.removesuffix(".")[-LAST_LETTERS:] not in table.omitted_ends:
        return None
    if first in table.left_out_lines:
        kind = table.omitted[first.casefold().removesuffix(".")]
        return Body(below.strip(), kind, attachment_kind=kind)
    head, _, last = shown.rpartition("\n")
    last = last.removesuffix(".")
    for phrase, kind in table.omitted.items():
        caption = last[: -len(phrase)].rstrip()
        if caption and last.endswith(f" {phrase}"):
            is_typed = _BULLET in caption or caption.split()[-1].casefold() in table.articles
            return None if is_typed else Body(_joined(head, caption), kind, attachment_kind=kind)
    return None


def _joined(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _attachment_at_end(text: str, shown: str, folded: str = "", *, below: str = "") -> Body | None:
    """Parse a file at the end of a text; `shown` is the visible text, `below` has the lines after it.

    `folded` is `shown` in small letters; it is computed if it is empty.
    """
    table = phrases()
    last = shown
    if "\n" in shown:
        head, _, last = shown.rpartition("\n")
        if not below and (kind := table.omitted.get(last.casefold().removesuffix("."))):
            return Body(head.rstrip("\n"), kind, attachment_kind=kind)
    if shown.endswith(">"):
        if match := _BRACKETS.fullmatch(shown):
            return _in_brackets(match["before"].strip(), match["inside"].strip(), below)
    elif (folded := folded or shown.casefold()).endswith(table.attached_suffixes):
        return _before_suffix(text, shown, folded, below)
    if _MARKS.isdisjoint(text):
        return _unmarked_document(shown, below) if _BULLET in last else None
    match = _LAST_MARK.fullmatch(text)
    kind = table.omitted.get(fold_phrase(match["phrase"]).removesuffix(".")) if match else None
    if match is None or kind is None:
        return None
    return _described(visible(match["before"]).strip(_EDGES), below, kind, None)


def _unmarked_document(shown: str, below: str) -> Body | None:
    """Parse `Nome.pdf • 2 páginas documento omitido`, in exports that lost their marks."""
    for phrase, kind in phrases().omitted.items():
        if kind == "document" and shown.casefold().removesuffix(".").endswith(f" {phrase}"):
            before = shown.removesuffix(".")[: -len(phrase)].strip()
            return _described(before, below, kind, None) if _DESCRIPTION.fullmatch(before) else None
    return None


def _before_suffix(text: str, shown: str, folded: str, below: str) -> Body | None:
    """Parse `X.jpg (arquivo anexado)`; None if the text before the bracket is not a file name."""
    suffix = next(suffix for suffix in phrases().attached_suffixes if folded.endswith(suffix))
    name = shown[: -len(suffix)].strip()
    is_file = "\n" not in name and (text[:1] in INVISIBLE or _FILE_NAME.fullmatch(name))
    return _file(name, below) if name and is_file else None


def _in_brackets(before: str, inside: str, below: str) -> Body | None:
    """Parse `<anexado: X>` after a caption, `X <anexado>`, or a phrase for a left-out file."""
    table = phrases()
    folded = inside.casefold()
    if folded.startswith(table.attached_prefixes):
        prefix = next(prefix for prefix in table.attached_prefixes if folded.startswith(prefix))
        name = inside[len(prefix) :].strip()
        return _described(before, below, kind_of_file(name), name) if name else None
    if folded in table.attached_words and _FILE_NAME.fullmatch(before):
        return _file(before, below)
    # A phrase of iOS in brackets, or a new one: `<imagem ocultada>`, `<Mídia de visualização única omitida>`.
    folded = folded.removesuffix(".")
    kind = table.omitted.get(folded)
    if kind is None and " " in folded and folded.split()[-1] in table.omitted_words:
        kind = "media"
    return Body(below, kind, attachment_kind=kind) if kind and not before else None


def _described(before: str, below: str, kind: str, name: str | None) -> Body:
    """Return a file with the text before it: the name and pages of a document, or a caption."""
    match = _DESCRIPTION.fullmatch(before) if kind == "document" else None
    if match is None and kind == "document":  # a name without an extension
        match = _NAMED.fullmatch(before)
        match = match if match and (name is None or name.endswith(match["name"])) else None
    if match is not None and (name is None or name.endswith(match["name"]) or _BULLET in before):
        before, name = match["caption"] or "", name or match["name"]
    return Body(_joined(before, below), kind, name, kind)


def _file(name: str, caption: str) -> Body:
    kind = kind_of_file(name)
    return Body(caption, kind, name, kind)


def plain_body(body: str) -> Body:
    """Parse a body without an attachment: text, or content that WhatsApp writes as text."""
    table = phrases()
    if len(body) < _LONGEST_FORM:
        folded = fold_phrase(body)
        if folded[:3] not in table.folded_starts:
            return Body(body)
        if (folded.startswith(table.location) and "://" in folded) or _MAPS.fullmatch(folded):
            return Body(body, "location")
        if folded.startswith(table.poll) and "\n" in folded:
            return Body(body, "poll")
        if folded.startswith(table.event) and ("\n" in folded or body[:1] in INVISIBLE):
            return Body(body, "event")
        if (kind := table.type_of_text(folded)) is not None:
            return Body(body, kind)
    return Body(body)

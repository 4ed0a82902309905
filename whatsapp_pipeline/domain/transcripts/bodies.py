"""What stands inside one message: attachments, places, WhatsApp's own phrases.

What belongs here: what a body taken apart is, and taking apart a single one. What does not: doing so for many
at once (`block_bodies.py`, `native_bodies.py`) and the phrases of a language (`languages/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from whatsapp_pipeline.domain.transcripts.phrases import INVISIBLE, fold, kind_of_file, phrases, visible


class Body(NamedTuple):
    """A body taken apart; `text` is what a person wrote."""

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

# The last characters that an attachment line or a mark of a native export can have.
NATIVE_ENDINGS = frozenset(")>")


class Notice(NamedTuple):
    """A line of WhatsApp's own; `is_group` when only a group's chat has such."""

    body: Body
    is_group: bool


@lru_cache(4_096)
def read_notice(text: str) -> Notice:
    """What a line of WhatsApp's own says."""
    kind = phrases().notification(text)
    return Notice(Body(text, kind if kind in ("call", "deleted") else "system"), kind == "group")


def parse_native_body(body: str) -> Body:
    """Take apart a body of a native export; marks such as `<Mensagem editada>` are taken off the text."""
    table = phrases()
    shown = visible(body).strip()
    folded = shown.casefold()
    if (kind := table.type_of_text(folded)) is not None:
        is_file = folded in table.omitted
        return Body("" if is_file else body, kind, attachment_kind=kind if is_file else None)
    if folded.endswith(table.edited):
        # Cut where the mark starts in the raw text: invisible marks may stand around it.
        body = body[: body.rindex("<")].rstrip(f"\n {INVISIBLE}")
        shown = visible(body).strip()
        edited = _native_attachment(body, shown, shown.casefold()) or Body(body)
        return Body(edited.text, "edited", *edited[2:])
    return _native_attachment(body, shown, folded) or plain_body(body)


def _native_attachment(body: str, shown: str, folded: str) -> Body | None:
    """`X.jpg (arquivo anexado)` with a caption below, or `<anexado: X>` with a caption above."""
    table = phrases()
    first = shown.partition("\n")[0]
    for suffix in table.attached_suffixes:
        if first.casefold().endswith(suffix):
            name = first[: -len(suffix)].strip()
            return _file(name, body.partition("\n")[2]) if name else None
    if not folded.endswith(">"):
        return None
    head, _, tail = shown.rpartition("<")
    for prefix in table.attached_prefixes:
        if tail.casefold().startswith(prefix):
            name = tail[len(prefix) : -1].strip()
            return _file(name, head.strip()) if name and "\n" not in name else None
    head, _, last = shown.rpartition("\n")
    kind = table.omitted.get(last.casefold())
    return Body(head, kind, attachment_kind=kind) if kind and head else None


def _file(name: str, caption: str) -> Body:
    kind = kind_of_file(name)
    return Body(caption, kind, name, kind)


def plain_body(body: str) -> Body:
    """A body without an attachment: text, or one of the things that WhatsApp writes as text."""
    table = phrases()
    if len(body) < 400:
        folded = fold(body)
        if folded[:3] not in table.folded_starts:
            return Body(body)
        if (folded.startswith(table.location) and "://" in folded) or _MAPS.fullmatch(folded):
            return Body(body, "location")
        if folded.startswith(table.poll) and "\n" in folded:
            return Body(body, "poll")
        if (kind := table.type_of_text(folded)) is not None:
            return Body(body, kind)
    return Body(body)

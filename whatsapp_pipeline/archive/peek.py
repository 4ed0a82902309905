"""A look at the beginning of a file, for one whose place and name tell no month."""

from __future__ import annotations

import io

from whatsapp_pipeline.archive.sources import ChatSource
from whatsapp_pipeline.domain.transcripts import ParseOptions, read
from whatsapp_pipeline.domain.transcripts.chat_message import MessageBatch

_HEAD_BYTES = 1 << 16


def first_message_month(source: ChatSource) -> str | None:
    """Return the month of the first message (`YYYY-MM`); None when the head of the file holds none.

    Raises UnreadableFileError when the bytes can't be had.
    """
    for head in source.heads(_HEAD_BYTES):
        for event in read(io.BytesIO(head), ParseOptions()):
            if isinstance(event, MessageBatch):
                return f"{event.frame.item(0, 'timestamp'):%Y-%m}"
    return None

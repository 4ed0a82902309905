"""The month of a file's first message, for a file whose folder and name have no date.

What belongs here: reading the beginning of a file. What does not belong here: reading the whole file
(steps/chats).
"""

from __future__ import annotations

import io

from whatsapp_pipeline.archive.sources import ChatSource
from whatsapp_pipeline.domain.transcripts import ParseOptions, read
from whatsapp_pipeline.domain.transcripts.chat_message import MessageBatch

_HEAD_BYTES = 1 << 16


def first_message_month(source: ChatSource) -> str | None:
    """Return the month of the first message (`YYYY-MM`); None if no message is in the first 64 kB.

    A zip is searched transcript by transcript, in the first 64 kB of each.

    Raises UnreadableFileError when the file can't be read.
    """
    for head in source.heads(_HEAD_BYTES):
        for event in read(io.BytesIO(head), ParseOptions()):
            if isinstance(event, MessageBatch):
                return f"{event.frame.item(0, 'timestamp'):%Y-%m}"
    return None

"""The archive of exported chats, a folder or a bucket: listing its files and opening their content.

What belongs here: walking the archive, deciding to which month a file belongs, opening a `.txt`, the chats
inside a `.zip`, and the files that customers sent. What does not belong here: parsing messages
(domain.transcripts), and writing files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatsapp_pipeline.archive.chat_archive import ArchiveFile, ChatArchive, MonthListing
    from whatsapp_pipeline.archive.sources import ChatSource, Member, SourceFinding, UnreadableFileError

__all__ = [
    "ArchiveFile",
    "ChatArchive",
    "ChatSource",
    "Member",
    "MonthListing",
    "SourceFinding",
    "UnreadableFileError",
]
_OF_THE_ARCHIVE = {"ArchiveFile", "ChatArchive", "MonthListing"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, because the console needs attachments.py without polars."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "chat_archive" if name in _OF_THE_ARCHIVE else "sources"
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value

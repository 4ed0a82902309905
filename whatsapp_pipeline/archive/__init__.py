"""The folder (or bucket) of chat files: what is in it, and its transcripts as streams of bytes.

What belongs here: walking the archive, deciding which month a file stands in, opening a `.txt` or the chats
inside a `.zip`. What does not: reading messages (domain.transcripts), and writing anything anywhere.
"""

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

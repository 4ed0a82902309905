"""The archive of exported chats, a folder or a bucket: lists its files and opens their transcripts.

What belongs here: walking the archive, deciding to which month a file belongs, opening a `.txt` or the chats
inside a `.zip`. What does not belong here: parsing messages (domain.transcripts), and writing files.
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

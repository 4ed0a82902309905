"""Refusing a wrong archive: a run ends before it writes if many known files are missing from the archive.

What belongs here: counting the files that would be missing, and refusing. What does not: setting their status
(index_chats.py).
"""

from __future__ import annotations

from collections import Counter

from whatsapp_pipeline.archive import ChatArchive, MonthListing
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.chats import chat_files
from whatsapp_pipeline.store.chats.chat_files import KnownFile
from whatsapp_pipeline.store.connection import Connection


class MissingFilesError(PipelineError):
    """More known files are missing from the archive than the settings allow; nothing was written."""


def refuse_wrong_archive(
    conn: Connection, archive: ChatArchive, months: list[str], *, max_missing_share: float
) -> None:
    """Raise MissingFilesError if more than this share of a month's known files is not in the archive.

    Call this before the first month is written, because it checks all months. A missing file does not count
    if its month has a new file of the same size: the file was probably moved or renamed.
    """
    for month in months:
        known = {
            path: file
            for path, file in chat_files.known_files(conn, month, []).items()
            if file.processing_status != "vanished"
        }
        if not known:
            continue
        listing = archive.listing(month)
        missing = _count_missing(known, listing)
        if missing <= max_missing_share * len(known):
            continue
        raise MissingFilesError(
            f"{missing:,} of {len(known):,} known files of {month} are not in the archive {archive.url}, "
            f"which holds {len(listing.files):,} chat files of that month; nothing was written. Check the "
            "path (--archive, CHAT_ARCHIVE) and the mount. If the files were deleted on purpose, run again "
            "with --accept-missing (in Dagster: accept_missing in the config of chat_file_index), or raise "
            f"MAX_MISSING_SHARE ({max_missing_share:g})"
        )


def _count_missing(known: dict[str, KnownFile], listing: MonthListing) -> int:
    """Return how many known files are not listed and have no new file of the same size."""
    listed = {file.path for file in listing.files}
    new_sizes = Counter(file.size for file in listing.files if file.path not in known)
    missing_sizes = Counter(file.size_bytes for path, file in known.items() if path not in listed)
    moved = sum(min(count, new_sizes[size]) for size, count in missing_sizes.items() if size is not None)
    return missing_sizes.total() - moved

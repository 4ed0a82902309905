"""What is behind: files as they were indexed.

What belongs here: reading the database for the backfill planner. What does not: what Dagster records.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression


def indexed_files(conn: Connection, month: str) -> dict[str, tuple[int, datetime]]:
    """Return size and time of each file of the month as it was indexed, by path.

    Files whose people were all erased are not in the database: see `erased_paths`.
    """
    rows = conn.execute(
        """
        SELECT DISTINCT ON (file_path) file_path, size_bytes, modified_at FROM chat_files
        WHERE month = %s AND processing_status <> 'vanished' ORDER BY file_path, chat_number
        """,
        (month,),
    )
    return {path: (size, modified) for path, size, modified in rows}


def erased_paths(conn: Connection, paths: Sequence[str]) -> set[str]:
    """Return those of `paths` whose first chat is an erased person's: they stay out of the database."""
    places = {suppression.file_value(path, 1): path for path in paths}
    return {places[value] for value in suppression.suppressed(conn, "file", places)}

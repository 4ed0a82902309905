"""Data of indexed files, with which the backfill planner finds stale months.

What belongs here: reading the database for the backfill planner. What does not: Dagster's events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression


def indexed_files(conn: Connection, month: str) -> dict[str, tuple[int, datetime]]:
    """Return size and time of each indexed file of the month, by path.

    Files with only erased people are not in the database: see `erased_paths`.
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
    """Return those of `paths` whose first chat belongs to an erased person. They must not be indexed."""
    places = {suppression.file_value(path, 1): path for path in paths}
    return {places[value] for value in suppression.suppressed(conn, "file", places)}

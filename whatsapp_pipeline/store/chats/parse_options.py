"""The reading options that people chose for files, with `reparse` or in the console.

What belongs here: storing the options. What does not: reading files with them (steps/chats/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whatsapp_pipeline.store.connection import Connection


def set_parse_options(
    conn: Connection, options: Mapping[str, Any], *, path: str | None, month: str | None
) -> list[tuple[str, str]]:
    """Store reading options for a file or for all files of a month. Return (month, path) of these files.

    An option that is None is removed, so that the reader decides again. Vanished files are left out.
    """
    kept = json.dumps({name: value for name, value in options.items() if value is not None})
    forgotten = [name for name, value in options.items() if value is None]
    return conn.execute(
        """WITH chosen AS (
               SELECT id, month, file_path,
                      (parse_options - %(forgotten)s::text[]) || %(kept)s::jsonb AS wanted
               FROM chat_files
               WHERE (file_path = %(path)s OR month = %(month)s) AND processing_status <> 'vanished'
           ), changed AS (
               UPDATE chat_files f SET parse_options = c.wanted, updated_at = now()
               FROM chosen c WHERE c.id = f.id AND f.parse_options IS DISTINCT FROM c.wanted
           )
           SELECT DISTINCT month, file_path FROM chosen ORDER BY 1, 2""",
        {"forgotten": forgotten, "kept": kept, "path": path, "month": month},
    ).fetchall()

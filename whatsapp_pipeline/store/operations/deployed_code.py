"""The version of the code that migrated the database. Every host of a cluster compares its own code with it.

What belongs here: statements over `deployed_code`. What does not: hashing the code (steps/code_hash.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection


class DeployedCode(NamedTuple):
    """A version of the code, and the time when `migrate` last ran from it."""

    code_hash: str
    version: str
    deployed_at: datetime


def record(conn: Connection, code_hash: str, version: str) -> None:
    """Store this code as the current version, even if it was deployed before."""
    conn.execute(
        """
        INSERT INTO deployed_code (code_hash, version) VALUES (%s, %s)
        ON CONFLICT (code_hash) DO UPDATE SET version = excluded.version, deployed_at = clock_timestamp()
        """,
        (code_hash, version),
    )


def history(conn: Connection) -> list[DeployedCode]:
    """Return up to 1,000 deployed versions, the current one first."""
    with conn.cursor(row_factory=class_row(DeployedCode)) as cursor:
        return cursor.execute(
            "SELECT code_hash, version, deployed_at FROM deployed_code ORDER BY deployed_at DESC LIMIT 1000"
        ).fetchall()

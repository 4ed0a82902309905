"""Faults that a person can fix, with the number of chats that depend on them.

What belongs here: the counts. What does not: the texts of advice (templates/qa_report.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class Improvement(NamedTuple):
    """One kind of fault: the number of rows with it, and of chats that depend on these rows."""

    kind: str
    things: int
    chats: int


def improvements(conn: Connection, months: Sequence[str]) -> list[Improvement]:
    """Return the faults in `months` that a person can fix, the most valuable first."""
    rows = conn.execute(queries.load("operations/improvements"), {"months": list(months)})
    return [Improvement(*row) for row in rows]

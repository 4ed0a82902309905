"""What a person could improve, and how many chats depend on it.

What belongs here: the counts. What does not: the advice in words (templates/qa_report.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class Improvement(NamedTuple):
    """One kind of fault: how many things have it, and how many chats depend on these."""

    kind: str
    things: int
    chats: int


def improvements(conn: Connection, months: Sequence[str]) -> list[Improvement]:
    """Return what could be improved in `months`, the most valuable first."""
    rows = conn.execute(queries.load("operations/improvements"), {"months": list(months)})
    return [Improvement(*row) for row in rows]

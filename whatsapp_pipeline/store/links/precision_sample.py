"""The sample of links that reviewers judge blind.

What belongs here: reading the links of the rules in the order of their draws (view `rule_links`). What does
not: the bound (domain/matching/precision.py) and storing a verdict (steps/links/decide.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class BlindItem(NamedTuple):
    """A link to judge. Contact, method and confidence may be shown only after the verdict.

    `contacts` are the linked one and others, in an order that does not show which one it is.
    """

    id_chat_file: int
    month: str
    file_path: str
    chat_number: int
    title: str
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    id_contato: int
    method: str | None
    confidence: float | None
    contacts: list[dict[str, Any]]


class LinkGroup(NamedTuple):
    """The links of one method, or of all methods (None).

    `drawn` are (weight, verdict, is in force) of the first links, in the order of the draws.
    """

    method: str | None
    links: int
    total_weight: float
    least_weight: float
    drawn: list[tuple[float, str, bool]]


def link_groups(conn: Connection, months: Sequence[str]) -> list[LinkGroup]:
    """Return the links of these months with their verdicts: first all together, then by method."""
    rows = conn.execute(queries.load("links/precision_groups"), {"months": list(months)})
    return [LinkGroup(*row) for row in rows]


def next_links(conn: Connection, months: Sequence[str], *, limit: int) -> list[BlindItem]:
    """Return the next links to judge, in the order of the draws."""
    rows = conn.execute(queries.load("links/precision_next"), {"months": list(months), "limit": limit})
    return [BlindItem(*row) for row in rows]

"""The sample that reviewers judge blind, and the share of right links that their verdicts guarantee.

What belongs here: reading the links of the rules in the order of their draws (the view `rule_links`). What
does not: the bound itself (domain/matching/precision.py) and recording a verdict (steps/links/decide.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class BlindItem(NamedTuple):
    """A link to judge: what may be shown before the verdict, and after it contact, method and confidence.

    `contacts` hold the linked one among others, in an order that does not tell which it is.
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
    """The links of one method, or of all (None).

    `drawn` has (weight, verdict, is in force) of the first links in the order of the draws.
    """

    method: str | None
    links: int
    total_weight: float
    least_weight: float
    drawn: list[tuple[float, str, bool]]


def link_groups(conn: Connection, months: Sequence[str]) -> list[LinkGroup]:
    """Return the links of these months and their verdicts, all together first, and then by method."""
    rows = conn.execute(queries.load("links/precision_groups"), {"months": list(months)})
    return [LinkGroup(*row) for row in rows]


def next_links(conn: Connection, months: Sequence[str], *, limit: int) -> list[BlindItem]:
    """Return the links that are judged next, in the order of their draws."""
    rows = conn.execute(queries.load("links/precision_next"), {"months": list(months), "limit": limit})
    return [BlindItem(*row) for row in rows]

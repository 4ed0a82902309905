"""The sample of links that reviewers judge without seeing the link first.

What belongs here: reading the links of the rules in the order of their draws (view `rule_links`). What does
not: the bound (domain/matching/precision.py) and storing a verdict (steps/links/decide.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class BlindItem(NamedTuple):
    """A link to judge. Contact, method and confidence may be shown only after the verdict.

    `contacts` are the linked contact and others, in an order that does not reveal the linked one.
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
    """The links of one method, or of all methods (`method` None).

    `drawn` has (weight, verdict, is in force) of the first links, in the order of the draws.
    """

    method: str | None
    links: int
    total_weight: float
    least_weight: float
    drawn: list[tuple[float, str, bool]]


def link_groups(conn: Connection, months: Sequence[str] | None, *, by_method: bool = True) -> list[LinkGroup]:
    """Return the links of `months` (None: all months) with their verdicts, in groups.

    The first group has all links. With `by_method`, one group per method follows.
    """
    values = {"months": None if months is None else list(months), "by_method": by_method}
    rows = conn.execute(queries.load("links/precision_groups"), values)
    return [LinkGroup(*row) for row in rows]


class RuleLink(NamedTuple):
    """A link that the rules made. `verdict` and `reviewer` are None until somebody judges it."""

    id_contato: int
    method: str | None
    confidence: float | None
    verdict: str | None
    reviewer: str | None


_OF_MONTHS: LiteralString = "f.month = ANY(%(months)s)"
_OF_CHAT: LiteralString = "f.id = %(chat)s"


def next_links(
    conn: Connection, months: Sequence[str] | None, *, limit: int, chat: int | None = None
) -> list[BlindItem]:
    """Return the next `limit` links of `months` (None: all months) to judge, in the order of the draws.

    With `chat`, only that chat's link is returned, if it waits for a verdict.
    """
    values = {"months": None if months is None else list(months), "limit": limit, "chat": chat}
    which = [part for given, part in ((months, _OF_MONTHS), (chat, _OF_CHAT)) if given is not None]
    statement = queries.load("links/precision_next").replace("{which}", " AND ".join(which) or "true")
    rows = conn.execute(statement.encode(), values)
    return [BlindItem(*row) for row in rows]


def rule_link(conn: Connection, chat: int) -> RuleLink | None:
    """Return the link of a chat if the rules made it or a verdict corrected it, otherwise None."""
    row = conn.execute(
        "SELECT id_contato, method, confidence, verdict, reviewer FROM rule_links WHERE id_chat_file = %s",
        (chat,),
    ).fetchone()
    return RuleLink(*row) if row else None


def unjudged_link(conn: Connection, chat: int) -> RuleLink | None:
    """Return the link of a chat if it waits for a verdict, otherwise None."""
    found = rule_link(conn, chat)
    return found if found is not None and found.verdict is None else None

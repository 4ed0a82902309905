"""The data of the console's review pages: the queue over all months, one item, and decisions of people.

What belongs here: statements that a reviewer's login may run. What does not: the queue of one month that the
command steps through (review.py), and deciding (steps/links/decide.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.overrides import ABOUT, ABOUT_CONVERSATION, CHATS_ABOUT


class QueuePlace(NamedTuple):
    """The place of an item in the queue. `session` is 0 for a whole chat."""

    value: float
    last_at: datetime | None
    source: str
    id: int
    session: int


class QueuedItem(NamedTuple):
    """An item of the queue. `best` is the name or number of the best candidate.

    `source` is `chat`, or `webhook` for a live conversation. `id` is the id of the chat or conversation.
    """

    source: str
    id: int
    session_number: int | None
    title: str | None
    status: str
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    value: float
    customer: str | None
    best: str | None
    confidence: float | None

    @property
    def place(self) -> QueuePlace:
        """The item's place in the queue."""
        return QueuePlace(self.value, self.last_at, self.source, self.id, self.session_number or 0)


class ItemToReview(NamedTuple):
    """A chat, live conversation or session, its candidates (JSON objects) and the decisions in force.

    `waits` is true if the item is in the queue.
    """

    source: str
    id: int
    session_number: int | None
    title: str | None
    month: str
    is_group: bool
    status: str
    flags: list[str]
    id_contato: int | None
    customer: str | None
    id_ordem_servico: int | None
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    candidates: list[dict[str, Any]]
    decisions: list[int]
    waits: bool


class PastDecision(NamedTuple):
    """A stored decision, with the names of its contacts."""

    id: int
    target_kind: str
    target: str
    session_number: int | None
    decision: str
    nobody_kind: str | None
    id_contato: int | None
    customer: str | None
    id_ordem_servico: int | None
    number: str | None
    reason: str
    made_by: str
    made_at: datetime
    removed_at: datetime | None
    removed_by: str | None
    removed_reason: str | None
    superseded_by: int | None

    @property
    def can_be_undone(self) -> bool:
        """Whether the decision is in force, or was replaced and not withdrawn."""
        return (self.removed_at is None or self.superseded_by is not None) and self.removed_reason != "erased"


class DecisionPlace(NamedTuple):
    """A chat (`chat`) or live conversation (`webhook`) to which a decision applies."""

    source: str
    id: int


class DecisionEffect(NamedTuple):
    """A decision's chats and live conversations.

    In `holding`, the decision is in force. In `pending`, the rules must decide again. In `outranked`, another
    decision or link is in force.
    """

    holding: list[DecisionPlace]
    pending: list[DecisionPlace]
    outranked: list[DecisionPlace]


# By source: the name of the item's query, the FROM clause of its candidates, and the condition for decisions
# on it.
_ITEMS: dict[str, tuple[LiteralString, LiteralString, LiteralString]] = {
    "chat": ("links/review_item", "match_candidates WHERE id_chat_file = f.id", ABOUT),
    "webhook": (
        "links/review_item_live",
        "conversation_candidates WHERE id_conversation = f.id",
        ABOUT_CONVERSATION,
    ),
}


# The order is that of review_queue_value_idx, so that the next page is one range of the index.
_AFTER: LiteralString = """
       AND ((-i.value), (-coalesce(extract(epoch FROM i.last_at)::float8, '-Infinity')), i.source, i.id,
            i.session)
           > (-%(value)s::float8, -coalesce(extract(epoch FROM %(last_at)s::timestamp)::float8, '-Infinity'),
              %(source)s::text, %(id)s::bigint, %(session)s::integer)"""


def queued_items(
    conn: Connection, reviewer: str, *, limit: int, after: QueuePlace | None = None
) -> list[QueuedItem]:
    """Return up to `limit` items, the most valuable first. With `after`, only items after that place.

    Items that the reviewer snoozed are left out.
    """
    values = {"reviewer": reviewer, "limit": limit, **(after._asdict() if after else {})}
    statement = queries.load("links/review_page").replace("{after}", _AFTER if after else "")
    with conn.cursor(row_factory=class_row(QueuedItem)) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def count_items(conn: Connection) -> int:
    """Return the number of items that wait for a decision, including snoozed ones."""
    row = conn.execute("SELECT count(*) FROM review_items").fetchone()
    return int(row[0]) if row else 0


def item_to_review(conn: Connection, source: str, number: int, session: int | None) -> ItemToReview | None:
    """Return a chat, live conversation or session, or None if it does not exist.

    The item need not be in the queue.
    """
    name, candidates_of, about = _ITEMS[source]
    candidates = queries.load("links/review_candidates")
    statement = queries.load(name).replace("{candidates}", candidates)
    statement = statement.replace("{candidates_of}", candidates_of).replace("{about}", about)
    with conn.cursor(row_factory=class_row(ItemToReview)) as cursor:
        return cursor.execute(statement.encode(), {"id": number, "session": session}).fetchone()


def past_decisions(conn: Connection, *, before: int | None, limit: int) -> list[PastDecision]:
    """Return up to `limit` decisions, newest first. With `before` (an id), only older ones."""
    with conn.cursor(row_factory=class_row(PastDecision)) as cursor:
        return cursor.execute(
            queries.load("links/review_history"), {"before": before, "limit": limit}
        ).fetchall()


def decision_effect(conn: Connection, id_override: int) -> DecisionEffect:
    """Return the chats and conversations of a decision by its effect, according to the current links."""
    statement = queries.load("links/decision_effect").replace("{chats_about}", CHATS_ABOUT)
    statement = statement.replace("{about_conversation}", ABOUT_CONVERSATION)
    found: dict[str, list[DecisionPlace]] = {"holds": [], "pending": [], "outranked": []}
    for source, number, state in conn.execute(statement.encode(), {"id": id_override}):
        found[state].append(DecisionPlace(source, number))
    return DecisionEffect(*found.values())

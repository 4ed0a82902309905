"""Links of live conversations: finding those to decide, staging them, and writing decisions.

What belongs here: the statements for steps/links/live_links.py. What does not: making decisions, and
statements for both chats and conversations (contact_links.py, order_links.py, decisions.py).

Call the functions in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import decisions
from whatsapp_pipeline.store.links.contact_links import StagedChat
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, DecisionTables
from whatsapp_pipeline.store.links.order_links import SessionRow

_TABLES = DecisionTables(
    "conversations", "match_status", "id_contato", "conversation_candidates", "id_conversation"
)


class DueConversation(NamedTuple):
    """A conversation to decide. It is locked until the transaction ends."""

    id: int
    inputs: str
    profile_name: str


def next_conversations(conn: Connection, *, after: int, limit: int) -> list[int]:
    """Return the ids of up to `limit` conversations that are not groups, sorted, with ids above `after`."""
    rows = conn.execute(
        "SELECT id FROM conversations WHERE id > %s AND NOT is_group ORDER BY id LIMIT %s", (after, limit)
    )
    return [id_ for (id_,) in rows]


def due_contacts(conn: Connection, conversations: Sequence[int], rules: str) -> list[DueConversation]:
    """Lock and return those of `conversations` whose contact must be decided, sorted by id.

    Conversations that another transaction has locked are left out.
    """
    values = {"conversations": list(conversations), "rules": rules}
    rows = conn.execute(queries.load("links/conversation_inputs"), values)
    return [DueConversation(*row) for row in rows]


def stage_conversations(conn: Connection, conversations: Sequence[int]) -> list[StagedChat]:
    """Stage conversations as chats with negative ids and return them by id."""
    conn.execute("DROP TABLE IF EXISTS pg_temp.linking")
    conn.execute(queries.load("links/conversation_stage"), {"conversations": list(conversations)})
    conn.execute("ANALYZE linking (id, phone_key, order_reference, is_group)")
    columns = ", ".join(StagedChat._fields)
    return [StagedChat(*row) for row in conn.execute(f"SELECT {columns} FROM linking ORDER BY id")]


def write_contacts(
    conn: Connection,
    due: Sequence[DueConversation],
    rows: Iterable[DecisionRow],
    candidates: Iterable[CandidateRow],
) -> int:
    """Write the decided contacts to conversations. Return the number of changed rows."""
    changed, _ = decisions.write_decisions(conn, _TABLES, "links/conversation_links_update", rows, candidates)
    _keep_inputs(conn, "link_inputs", [(row.id, row.inputs) for row in due])
    return changed


def due_orders(conn: Connection, conversations: Sequence[int], rules: str) -> list[tuple[int, str]]:
    """Lock those of `conversations` whose sessions must be linked to orders. Return (id, inputs) of each."""
    values = {"conversations": list(conversations), "rules": rules}
    return conn.execute(queries.load("links/conversation_order_inputs"), values).fetchall()


def stage_sessions(conn: Connection, conversations: Sequence[int]) -> list[SessionRow]:
    """Stage the sessions of conversations, as those of chats with negative ids, and return them by id."""
    conn.execute("DROP TABLE IF EXISTS pg_temp.order_linking")
    conn.execute(
        f"CREATE TEMP TABLE order_linking ON COMMIT DROP AS {queries.load('links/order_conversations')}",
        {"conversations": list(conversations)},
    )
    conn.execute("ANALYZE order_linking (id, id_chat_file, id_contato, title_number, contact_confidence)")
    columns = ", ".join(SessionRow._fields)
    return [SessionRow(*row) for row in conn.execute(f"SELECT {columns} FROM order_linking ORDER BY id")]


def keep_order_inputs(conn: Connection, due: Sequence[tuple[int, str]]) -> None:
    """Store the inputs on which the order links of these conversations depend."""
    _keep_inputs(conn, "order_inputs", due)


def _keep_inputs(conn: Connection, column: str, values: Sequence[tuple[int, str]]) -> None:
    statements = {
        "link_inputs": "UPDATE conversations c SET link_inputs = v.inputs"
        " FROM unnest(%s::bigint[], %s::text[]) AS v (id, inputs) WHERE c.id = v.id",
        "order_inputs": "UPDATE conversations c SET order_inputs = v.inputs"
        " FROM unnest(%s::bigint[], %s::text[]) AS v (id, inputs) WHERE c.id = v.id",
    }
    conn.execute(statements[column].encode(), ([id_ for id_, _ in values], [text for _, text in values]))


def live_target(conn: Connection, conversation: int) -> str | None:
    """Return the target of decisions on a conversation, or None if the conversation does not exist."""
    row = conn.execute(
        """
        SELECT i.phone_number_id || '/' || i.canonical
          FROM conversation_identities i JOIN conversations c ON c.id = i.conversation_id
         WHERE c.id = %s ORDER BY i.value = c.external_id DESC, i.value LIMIT 1
        """,
        (conversation,),
    ).fetchone()
    return str(row[0]) if row else None


def conversations_of(conn: Connection, id_override: int) -> int:
    """Return the number of live conversations to which a decision applies."""
    row = conn.execute(
        """
        SELECT count(DISTINCT i.conversation_id)
          FROM link_overrides o
          JOIN conversation_identities i
            ON o.target_kind = 'conversation' AND o.target = i.phone_number_id || '/' || i.canonical
            OR o.target_kind = 'phone' AND o.target = i.phone_key
         WHERE o.id = %s
        """,
        (id_override,),
    ).fetchone()
    return int(row[0]) if row else 0

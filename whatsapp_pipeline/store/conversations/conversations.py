"""Conversations and their messages: finding or creating a conversation, adding and reading messages.

What belongs here: finding, creating, merging and renaming conversations by the identities of their
correspondents, and adding and reading messages. What does not: storing the items of deliveries in bulk
(deliveries) and the inbox (inbox).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from psycopg import sql

from whatsapp_pipeline.domain.conversations import Identity, Renaming, preference, wa_identity
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import LIVE_KEY, LIVE_NEWEST_FIRST

Correspondent = tuple[str, tuple[Identity, ...]]  # phone_number_id, all identities of one person or group


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a conversation, as it is stored."""

    id: int
    role: str
    text: str
    sent_at: datetime
    type: str


def lock_accounts(conn: Connection, phone_number_ids: Iterable[str]) -> None:
    """Lock the accounts until the transaction ends, so that one worker at a time writes to an account.

    Two workers may receive a status and its message, or two names of one person, at the same moment. The
    second worker waits and then sees the rows of the first. Locks are taken in sorted order, so that workers
    cannot deadlock.
    """
    for name in sorted(set(phone_number_ids)):
        conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"whatsapp-pipeline:account:{name}",)
        )


def get_or_create_conversation(
    conn: Connection, tenant_id: int | None, phone_number_id: str, wa_from: str
) -> int:
    """Return the id of the conversation with `wa_from` (a phone or a user id).

    Create it if it does not exist.
    """
    if not wa_from.strip():
        raise PipelineError("a conversation needs a sender: wa_from is empty")
    with conn.transaction():
        lock_accounts(conn, [phone_number_id])
        correspondent = (phone_number_id, (wa_identity(wa_from.strip()),))
        return resolve_conversations(conn, [correspondent], {phone_number_id: tenant_id})[0][0]


def add_conversation_message(
    conn: Connection, conversation_id: int, role: Literal["user", "assistant", "system"], text: str
) -> int:
    """Append a message that did not arrive by the webhook. Return the message's id."""
    if not text.strip():
        raise PipelineError(f"a message of conversation {conversation_id} needs text")
    row = conn.execute(
        """
        WITH touched AS (
            UPDATE conversations SET last_message_at = greatest(last_message_at, now()), updated_at = now()
             WHERE id = %(conversation)s RETURNING id, phone_number_id)
        INSERT INTO conversation_messages
               (conversation_id, role, text, origin, phone_number_id, message_key, sent_at)
        SELECT id, %(role)s, %(text)s, 'local', phone_number_id, %(key)s, clock_timestamp() FROM touched
        RETURNING id
        """,
        {"conversation": conversation_id, "role": role, "text": text, "key": f"local:{uuid4()}"},
    ).fetchone()
    if row is None:
        raise PipelineError(f"there is no conversation {conversation_id}")
    return int(row[0])


def get_last_messages(
    conn: Connection, conversation_id: int, limit: int = 20, *, up_to: int | None = None
) -> list[StoredMessage]:
    """Return the last `limit` messages, oldest first. With `up_to`, the last ones up to that message.

    Messages are ordered by `sent_at`, then in the order of receipt. Among messages of the same time, local
    ones are last. The text of a message that its author revoked is `[revoked]`.
    """
    rows = conn.execute(
        f"""
        SELECT m.id, m.role, CASE WHEN m.revoked_at IS NULL THEN m.text ELSE '[revoked]' END AS text,
               m.sent_at, m.type
          FROM conversation_messages m
         WHERE m.conversation_id = %(conversation)s
           AND (%(up_to)s::bigint IS NULL
                OR ({LIVE_KEY.replace("{m}", "m")})
                <= (SELECT {LIVE_KEY.replace("{m}", "t")}
                      FROM conversation_messages t WHERE t.id = %(up_to)s))
         ORDER BY {LIVE_NEWEST_FIRST}
         LIMIT %(limit)s
        """,
        {"conversation": conversation_id, "up_to": up_to, "limit": limit},
    ).fetchall()
    return [StoredMessage(*row) for row in reversed(rows)]


def message_contexts(conn: Connection, inbox_ids: Sequence[int]) -> list[tuple[int, int, str, int]]:
    """Return (message id, conversation id, type, number of context messages) per message of the deliveries.

    The context is what `get_last_messages` returns up to the message: at most 20 messages, this one included.
    """
    return conn.execute(
        f"""
        SELECT m.id, m.conversation_id, m.type, (
            SELECT count(*) FROM (
                SELECT FROM conversation_messages o
                WHERE o.conversation_id = m.conversation_id
                  AND ({LIVE_KEY.replace("{m}", "o")}) <= ({LIVE_KEY.replace("{m}", "m")})
                LIMIT 20
            ) earlier)
        FROM conversation_messages m WHERE m.inbox_id = ANY(%s) ORDER BY m.id
        """,
        (list(inbox_ids),),
    ).fetchall()


def resolve_conversations(
    conn: Connection, correspondents: Sequence[Correspondent], tenants: Mapping[str, int | None]
) -> tuple[list[int], int]:
    """Find or create the conversation of each correspondent. Return the ids, and how many were created.

    The caller must have called `lock_accounts`. If identities of one person have different conversations,
    these are merged into the oldest one. So the order in which identities arrive does not matter.
    """
    groups = _Groups(correspondents)
    known = conn.execute(
        """
        SELECT i.phone_number_id, i.canonical, i.value, i.conversation_id
          FROM conversation_identities i
          JOIN unnest(%b::text[], %b::text[]) AS n (account, canonical)
            ON i.phone_number_id = n.account AND i.canonical = n.canonical
        """,
        (groups.accounts, groups.canonicals),
    ).fetchall()
    conversation: dict[tuple[str, str], int] = {}
    existing: dict[tuple[str, str], set[int]] = {}
    seen = {(account, value) for account, _, value, _ in known}
    for account, canonical, _, conversation_id in known:
        existing.setdefault(groups.root((account, canonical)), set()).add(conversation_id)
    for root, ids in existing.items():
        keep, *others = sorted(ids)
        conversation[root] = keep
        if others:
            _merge(conn, keep, others)
    made = _create(conn, groups, [root for root in groups.members if root not in conversation], tenants)
    conversation |= made
    fresh = [
        (root, identity)
        for root, identities in groups.members.items()
        for identity in identities
        if (root[0], identity.value) not in seen
    ]
    insert_identities(conn, [(root[0], identity, conversation[root]) for root, identity in fresh])
    joined = {conversation[root] for root, ids in existing.items() if len(ids) > 1}
    _rename(conn, sorted(joined | {conversation[root] for root, _ in fresh if root not in made}))
    return [conversation[groups.root(_node(c))] for c in correspondents], len(made)


def _node(correspondent: Correspondent) -> tuple[str, str]:
    account, identities = correspondent
    return account, identities[0].canonical


class _Groups:
    """Groups of identities that belong to one correspondent, by union-find over (account, canonical).

    `members` has the identities of each group as the keys of a dict, which keeps their order.
    """

    def __init__(self, correspondents: Sequence[Correspondent]) -> None:
        self._parent: dict[tuple[str, str], tuple[str, str]] = {}
        unique = dict.fromkeys(correspondents)
        for account, identities in unique:
            first = self.root((account, identities[0].canonical))
            for identity in identities[1:]:
                self._parent[self.root((account, identity.canonical))] = first
        self.members: dict[tuple[str, str], dict[Identity, None]] = {}
        for account, identities in unique:
            root = self.root((account, identities[0].canonical))
            self.members.setdefault(root, {}).update(dict.fromkeys(identities))
        self.accounts = [account for account, _ in self._parent]
        self.canonicals = [canonical for _, canonical in self._parent]

    def root(self, node: tuple[str, str]) -> tuple[str, str]:
        parent = self._parent.setdefault(node, node)
        while parent != node:
            node, parent = parent, self._parent[parent]
        return node


def _create(
    conn: Connection,
    groups: _Groups,
    roots: Sequence[tuple[str, str]],
    tenants: Mapping[str, int | None],
) -> dict[tuple[str, str], int]:
    if not roots:
        return {}
    best = [min(groups.members[root], key=preference) for root in roots]
    rows = conn.execute(
        """
        INSERT INTO conversations (tenant_id, phone_number_id, external_id, is_group)
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::boolean[])
        -- Another program may have inserted the row, without identities. The update changes nothing, but
        -- makes RETURNING return that row.
        ON CONFLICT (channel, phone_number_id, external_id) DO UPDATE SET is_active = conversations.is_active
        RETURNING phone_number_id, external_id, id
        """,
        (
            [tenants.get(account) for account, _ in roots],
            [account for account, _ in roots],
            [identity.value for identity in best],
            [identity.kind == "group" for identity in best],
        ),
    ).fetchall()
    ids = {(account, external_id): row_id for account, external_id, row_id in rows}
    return {root: ids[root[0], identity.value] for root, identity in zip(roots, best, strict=True)}


def insert_identities(conn: Connection, names: Sequence[tuple[str, Identity, int]]) -> None:
    """Insert the identities of conversations. Each item is (account, identity, conversation id)."""
    if not names:
        return
    conn.execute(
        """
        WITH added AS (
            INSERT INTO conversation_identities
                   (phone_number_id, value, canonical, kind, phone_key, conversation_id)
            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
            ON CONFLICT (channel, phone_number_id, value) DO NOTHING
            RETURNING conversation_id
        )
        -- A new identity can change the contact of a conversation. With sessions_due, the next run computes
        -- the conversation's sessions and links again.
        UPDATE conversations SET sessions_due = true
         WHERE id IN (SELECT conversation_id FROM added) AND NOT sessions_due
        """,
        (
            [account for account, _, _ in names],
            [identity.value for _, identity, _ in names],
            [identity.canonical for _, identity, _ in names],
            [identity.kind for _, identity, _ in names],
            [identity.phone_key for _, identity, _ in names],
            [conversation_id for _, _, conversation_id in names],
        ),
    )


def _merge(conn: Connection, keep: int, others: Sequence[int]) -> None:
    """Merge the conversations `others` into `keep`, because all are with one person."""
    parameters: dict[str, Any] = {"keep": keep, "others": list(others)}
    for table in ("conversation_messages", "conversation_identities"):
        conn.execute(
            f"UPDATE {table} SET conversation_id = %(keep)s WHERE conversation_id = ANY(%(others)s)",
            parameters,
        )
    conn.execute(
        queries.load("conversations/merge"),
        parameters,
    )
    conn.execute("DELETE FROM conversations WHERE id = ANY(%(others)s)", parameters)
    keep_one_lead(conn, [keep])


def _rename(conn: Connection, ids: Sequence[int]) -> None:
    """Set each conversation's external id to its preferred identity.

    rename.sql has the order of preference.
    """
    if ids:
        conn.execute(queries.load("conversations/rename"), {"conversations": list(ids)})


def note_renamings(conn: Connection, renamings: Sequence[tuple[int, str, datetime, Renaming]]) -> None:
    """Store when identities were replaced and adopted, and choose the external ids again.

    Each item is (conversation id, account, time, renaming).
    """
    if not renamings:
        return
    sides: dict[str, list[tuple[str, str, datetime]]] = {
        "replaced_at": [
            (account, identity.canonical, at)
            for _, account, at, renaming in renamings
            for identity in renaming.old
        ],
        "adopted_at": [
            (account, identity.canonical, at)
            for _, account, at, renaming in renamings
            for identity in renaming.new
        ],
    }
    for column, rows in sides.items():
        if rows:
            conn.execute(
                sql.SQL(
                    """
                    UPDATE conversation_identities i SET {column} = greatest(i.{column}, n.at)
                      FROM (SELECT account, canonical, max(at) AS at
                              FROM unnest(%s::text[], %s::text[], %s::timestamptz[])
                                   AS u (account, canonical, at)
                             GROUP BY account, canonical) n
                     WHERE i.phone_number_id = n.account AND i.canonical = n.canonical
                    """
                ).format(column=sql.Identifier(column)),
                [list(values) for values in zip(*rows, strict=True)],  # one array per column
            )
    ids = sorted({conversation_id for conversation_id, *_ in renamings})
    _rename(conn, ids)
    keep_one_lead(conn, ids)


def keep_one_lead(conn: Connection, ids: Sequence[int]) -> None:
    """Delete the leads of each of these conversations except the earliest one."""
    conn.execute(queries.load("conversations/keep_one_lead"), {"conversations": list(ids)})


def latest_conversations(conn: Connection, limit: int) -> list[tuple[int, str | None, str, str | None, int]]:
    """Return up to `limit` conversations, the latest first.

    Each is (id, profile name, match status, last message at, number of messages).
    """
    return conn.execute(
        """
        SELECT c.id, c.profile_name, c.match_status, c.last_message_at::text,
               (SELECT count(*) FROM conversation_messages m WHERE m.conversation_id = c.id)
          FROM conversations c ORDER BY c.last_message_at DESC NULLS LAST LIMIT %s
        """,
        (limit,),
    ).fetchall()

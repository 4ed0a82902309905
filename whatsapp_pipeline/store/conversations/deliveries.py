"""Storing the items of deliveries in bulk: messages, statuses, other events, leads.

What belongs here: one set-based pass over any number of items. What does not: leases and retries
(steps/conversations/process_webhooks.py).

The pass is idempotent, and its end state does not depend on the order or grouping of the items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from whatsapp_pipeline.domain.conversations import (
    DeliveredMessage,
    Item,
    Other,
    Status,
    Unaddressed,
    read_unaddressed,
)
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.assistant import add_questions
from whatsapp_pipeline.store.conversations.conversations import (
    keep_one_lead,
    lock_accounts,
    note_renamings,
    resolve_conversations,
)
from whatsapp_pipeline.store.queries import load

_LAST_INBOX_ID = 2**63 - 1  # for a delivery that is no longer in the inbox
# Types of messages that change an earlier message.
_CHANGES = ("edit", "revoke")

_T = TypeVar("_T", DeliveredMessage, Status, Other)


@dataclass(frozen=True, slots=True)
class Received:
    """One item and the delivery that contains it."""

    inbox_id: int
    delivery_id: UUID
    received_at: datetime
    item: Item


@dataclass(frozen=True, slots=True)
class Stored:
    """The number of rows that one pass added, by kind."""

    messages: int = 0
    duplicates: int = 0
    conversations: int = 0
    statuses: int = 0
    others: int = 0
    leads: int = 0


def store_items(
    conn: Connection,
    received: Sequence[Received],
    tenants: Mapping[str, int | None],
    *,
    ask_assistant: bool = False,
) -> Stored:
    """Store items of any deliveries. Return how many rows were added.

    The caller opens a transaction, whose end releases the locks of the accounts. `tenants` gives the tenant
    of each account's new conversations and leads. With `ask_assistant`, new messages that need a reply become
    questions for the assistant, unless they are too old.
    """
    messages, statuses, others = (
        _of(received, DeliveredMessage),
        _of(received, Status),
        _of(received, Other),
    )
    lock_accounts(
        conn,
        (r.item.phone_number_id for r in received if type(r.item) is not Other),
    )
    inserted, conversations = _add_messages(conn, messages, tenants) if messages else ([], 0)
    others = _complete_copies(conn, messages, others)
    _apply_changes(conn, [m for _, m in messages])
    leads = _add_leads(conn, messages, tenants)
    added_statuses = _add_statuses(conn, statuses)
    _raise_statuses(
        conn,
        [(m.phone_number_id, m.provider_id) for _, m in messages if m.provider_id]
        + [(s.phone_number_id, s.provider_id) for _, s in statuses],
    )
    if ask_assistant and inserted:
        add_questions(conn, inserted)
    return Stored(
        messages=len(inserted),
        duplicates=len(messages) - len(inserted),
        conversations=conversations,
        statuses=added_statuses,
        others=_add_others(conn, others),
        leads=leads,
    )


def _of(received: Sequence[Received], kind: type[_T]) -> list[tuple[Received, _T]]:
    return [(r, r.item) for r in received if isinstance(r.item, kind)]


def _message_key(received: Received, message: DeliveredMessage) -> str:
    return message.provider_id or message.key or f"{received.delivery_id}:{message.position}"


class _MessageRow(NamedTuple):
    """A row of conversation_messages, in the order of the INSERT."""

    conversation_id: int
    role: str
    text: str
    raw_json: str
    origin: str
    type: str
    phone_number_id: str
    provider_id: str | None
    message_key: str
    provider_time: datetime | None
    sent_at: datetime
    inbox_id: int
    position: int
    status: str | None
    reply_to: str | None
    new_text: str | None
    sender_id: str | None
    sender_canonical: str | None
    sender_name: str | None


def _message_row(r: Received, m: DeliveredMessage, conversation_id: int) -> _MessageRow:
    return _MessageRow(
        conversation_id,
        m.role,
        m.text,
        m.raw_json,
        m.origin,
        m.type,
        m.phone_number_id,
        m.provider_id,
        _message_key(r, m),
        m.provider_time,
        m.provider_time or r.received_at,
        r.inbox_id,
        m.position,
        m.status,
        m.reply_to,
        m.new_text,
        m.sender.value if m.sender else None,
        m.sender.canonical if m.sender else None,
        m.sender_name,
    )


# The same ranks as the database functions message_richness, message_origin_rank and message_status_rank.
_RICHNESS = {"media_placeholder": 0, "unknown": 1, "unsupported": 2}
_ORIGINS = ("message", "echo", "history")
_STATUSES = {"sent": 1, "failed": 2, "delivered": 3, "read": 4, "played": 5}


def _with_copy(row: _MessageRow, copy: _MessageRow) -> _MessageRow:
    """Combine a row with a later copy of the same message.

    The result has the richer content, the origin that is closest to live, and the higher status.
    """
    origin = min(row.origin, copy.origin, key=_ORIGINS.index)
    status = max(row.status, copy.status, key=lambda status: _STATUSES.get(status or "", 0))
    sender = {
        name: getattr(row, name) or getattr(copy, name)
        for name in ("sender_id", "sender_canonical", "sender_name")
    }
    if _RICHNESS.get(copy.type, 3) <= _RICHNESS.get(row.type, 3):
        return row._replace(origin=origin, status=status, **sender)
    return copy._replace(
        conversation_id=row.conversation_id,
        origin=origin,
        inbox_id=row.inbox_id,
        position=row.position,
        sent_at=row.sent_at,
        provider_time=row.provider_time,
        status=status,
        **sender,
    )


def _add_messages(
    conn: Connection, messages: Sequence[tuple[Received, DeliveredMessage]], tenants: Mapping[str, int | None]
) -> tuple[list[int], int]:
    """Insert the new messages. Return their ids, and how many conversations were created."""
    ids, made = resolve_conversations(conn, [(m.phone_number_id, m.identities) for _, m in messages], tenants)
    rows = _write_rows(conn, (_message_row(*pair, of) for pair, of in zip(messages, ids, strict=True)))
    _touch_conversations(conn, messages, ids)
    note_renamings(
        conn,
        [
            (conversation_id, m.phone_number_id, m.provider_time or r.received_at, m.renaming)
            for (r, m), conversation_id in zip(messages, ids, strict=True)
            if m.renaming is not None
        ],
    )
    return [row_id for row_id, is_new in rows if is_new], made


def _write_rows(conn: Connection, rows: Iterable[_MessageRow]) -> list[tuple[int, bool]]:
    """Insert messages or complete stored ones. Return (id, whether it is new) of each written row."""
    first: dict[tuple[str, str], _MessageRow] = {}
    for row in sorted(rows, key=lambda row: (row.inbox_id, row.position)):
        known = first.get((row.phone_number_id, row.message_key))
        first[row.phone_number_id, row.message_key] = row if known is None else _with_copy(known, row)
    return conn.execute(
        load("conversations/add_messages"), [list(column) for column in zip(*first.values(), strict=True)]
    ).fetchall()


def _complete_copies(
    conn: Connection,
    messages: Sequence[tuple[Received, DeliveredMessage]],
    others: Sequence[tuple[Received, Other]],
) -> list[tuple[Received, Other]]:
    """Complete stored messages by copies that name no recipient. Return the items that completed none.

    The copies are those of this pass, and those that were stored as events because they came before their
    message.
    """
    copies = [(r, o.message) for r, o in others if isinstance(o, Unaddressed)]
    keys = {(m.phone_number_id, m.provider_id) for _, m in copies}
    keys |= {(m.phone_number_id, m.provider_id) for _, m in messages if m.role == "assistant"}
    wanted = sorted((account, name) for account, name in keys if name is not None)
    if not wanted:
        return list(others)
    columns = [list(column) for column in zip(*wanted, strict=True)]
    conversation = {
        (account, name): conversation_id
        for account, name, conversation_id in conn.execute(
            """
            SELECT m.phone_number_id, m.message_key, m.conversation_id
              FROM unnest(%s::text[], %s::text[]) AS k (account, name)
              JOIN conversation_messages m ON m.phone_number_id = k.account AND m.message_key = k.name
            """,
            columns,
        )
    }
    copies += _waiting_copies(conn, columns) if messages else []
    found = [pair for pair in copies if (pair[1].phone_number_id, pair[1].provider_id) in conversation]
    if found:
        of = [conversation[m.phone_number_id, m.provider_id or ""] for _, m in found]
        _write_rows(conn, (_message_row(*pair, at) for pair, at in zip(found, of, strict=True)))
    completed = {id(m) for _, m in found}
    return [(r, o) for r, o in others if not (isinstance(o, Unaddressed) and id(o.message) in completed)]


def _waiting_copies(conn: Connection, keys: Sequence[list[str]]) -> list[tuple[Received, DeliveredMessage]]:
    """Remove the copies of some messages from the events, and return the copies.

    Until its message is stored, a copy is stored as an event. An event that can't be read as a copy is kept.
    """
    rows = conn.execute(
        """
        SELECT e.id, coalesce(i.id, %s), e.delivery_id, e.position, e.received_at, e.phone_number_id, e.kind,
               e.raw_json::text
          FROM webhook_events e LEFT JOIN webhook_inbox i USING (delivery_id)
         WHERE (e.phone_number_id, e.provider_id) IN (
               SELECT k.account, k.name FROM unnest(%s::text[], %s::text[]) AS k (account, name)
                 JOIN conversation_messages m ON m.phone_number_id = k.account AND m.message_key = k.name)
         ORDER BY e.id FOR UPDATE OF e
        """,
        (_LAST_INBOX_ID, *keys),
    ).fetchall()
    taken: list[int] = []
    copies = []
    for id_, inbox_id, delivery_id, position, received_at, account, kind, raw_json in rows:
        if (copy := read_unaddressed(account, kind, raw_json, received_at)) is not None:
            message = replace(copy.message, position=position)
            copies.append((Received(inbox_id, delivery_id, received_at, copy), message))
            taken.append(id_)
    conn.execute("DELETE FROM webhook_events WHERE id = ANY(%s)", (taken,))
    return copies


def _apply_changes(conn: Connection, messages: Sequence[DeliveredMessage]) -> None:
    """Apply edits and revocations to their messages. A change may arrive before its message.

    Only the author's changes are applied: change and message must have the same role. A message id of the
    provider (wamid) is unique in its account.
    """
    changed = {(m.phone_number_id, m.reply_to) for m in messages if m.type in _CHANGES and m.reply_to}
    keys = sorted(changed | {(m.phone_number_id, m.provider_id) for m in messages if m.provider_id})
    if not keys:
        return
    conn.execute(
        load("conversations/apply_changes"),
        {"accounts": [account for account, _ in keys], "provider_ids": [name for _, name in keys]},
    )


def _touch_conversations(
    conn: Connection, messages: Sequence[tuple[Received, DeliveredMessage]], ids: Sequence[int]
) -> None:
    """Update the conversations' latest message time and profile name."""
    latest: dict[int, datetime] = {}
    names: dict[int, tuple[datetime, str]] = {}
    for (r, m), conversation_id in zip(messages, ids, strict=True):
        at = m.provider_time or r.received_at
        latest[conversation_id] = max(at, latest.get(conversation_id, at))
        if m.profile_name:
            named = (at, m.profile_name)
            names[conversation_id] = max(named, names.get(conversation_id, named))
    conn.execute(
        load("conversations/carry_activity"),
        (
            list(latest),
            list(latest.values()),
            [names[c][0] if c in names else None for c in latest],
            [names[c][1] if c in names else None for c in latest],
        ),
    )


def _add_leads(
    conn: Connection, messages: Sequence[tuple[Received, DeliveredMessage]], tenants: Mapping[str, int | None]
) -> int:
    """Add one lead per writer who is no contact, with the number that wrote first.

    Return the number of new leads.
    """
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for r, m in sorted(messages, key=lambda pair: pair[1].provider_time or pair[0].received_at):
        if m.role != "user" or m.origin != "message":
            continue
        numbers = [identity for identity in m.identities if identity.kind == "wa_id"]
        for identity in numbers[:1]:
            found.setdefault(
                (m.phone_number_id, identity.canonical),
                (
                    m.phone_number_id,
                    identity.canonical,
                    identity.value,
                    m.profile_name,
                    tenants.get(m.phone_number_id),
                    m.provider_time or r.received_at,
                ),
            )
    if not found:
        return 0
    added = conn.execute(
        load("conversations/add_leads"), [list(column) for column in zip(*found.values(), strict=True)]
    ).fetchall()
    if added:
        keep_one_lead(conn, [conversation_id for (conversation_id,) in added])
    return len(added)


def _add_statuses(conn: Connection, statuses: Sequence[tuple[Received, Status]]) -> int:
    if not statuses:
        return 0
    first: dict[tuple[str, str, str, str], tuple[Any, ...]] = {}
    for r, s in sorted(statuses, key=lambda pair: (pair[1].time or pair[0].received_at, pair[0].inbox_id)):
        key = (s.phone_number_id, s.provider_id, s.status, s.participant or "")
        row = (*key, s.time or r.received_at, s.recipient, s.raw_json, s.reason)
        known = first.setdefault(key, row)
        first[key] = known if known[-1] else (*known[:-1], s.reason)
    rows = conn.execute(
        """
        INSERT INTO message_statuses
               (phone_number_id, provider_id, status, participant, status_time, recipient, raw_json, reason)
        SELECT account, provider_id, status, participant, at, recipient, raw_json::json, reason
          FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
                      %s::text[], %s::text[])
               AS s (account, provider_id, status, participant, at, recipient, raw_json, reason)
        ON CONFLICT (phone_number_id, provider_id, status, participant) DO UPDATE
           SET status_time = least(EXCLUDED.status_time, message_statuses.status_time),
               reason = coalesce(message_statuses.reason, EXCLUDED.reason)
         WHERE EXCLUDED.status_time < message_statuses.status_time
            OR (message_statuses.reason IS NULL AND EXCLUDED.reason IS NOT NULL)
        RETURNING xmax = 0
        """,
        [list(column) for column in zip(*first.values(), strict=True)],
    ).fetchall()
    return sum(is_new for (is_new,) in rows)


def _raise_statuses(conn: Connection, keys: Sequence[tuple[str, str]]) -> None:
    """Set each message's status to the highest status that is stored for it. The status is never lowered."""
    if not keys:
        return
    conn.execute(
        """
        UPDATE conversation_messages m SET status = best.status
          FROM (SELECT DISTINCT ON (s.phone_number_id, s.provider_id)
                       s.phone_number_id, s.provider_id, s.status
                  FROM unnest(%s::text[], %s::text[]) AS k (account, provider_id)
                  JOIN message_statuses s
                    ON s.phone_number_id = k.account AND s.provider_id = k.provider_id
                 ORDER BY s.phone_number_id, s.provider_id, message_status_rank(s.status) DESC, s.status) best
         WHERE m.phone_number_id = best.phone_number_id AND m.message_key = best.provider_id
           AND message_status_rank(best.status) > message_status_rank(m.status)
        """,
        [list(column) for column in zip(*keys, strict=True)],
    )


def _add_others(conn: Connection, others: Sequence[tuple[Received, Other]]) -> int:
    if not others:
        return 0
    return conn.execute(
        """
        INSERT INTO webhook_events
               (delivery_id, position, phone_number_id, kind, raw_json, received_at, provider_id)
        SELECT e.delivery_id, e.position, e.account, e.kind, e.raw_json::json, e.received_at, e.provider_id
          FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                      %s::text[])
               AS e (delivery_id, position, account, kind, raw_json, received_at, provider_id)
        ON CONFLICT (delivery_id, position) DO NOTHING
        """,
        [
            [r.delivery_id for r, _ in others],
            [o.position for _, o in others],
            [o.phone_number_id for _, o in others],
            [o.kind for _, o in others],
            [o.raw_json for _, o in others],
            [r.received_at for r, _ in others],
            [o.message.provider_id if isinstance(o, Unaddressed) else None for _, o in others],
        ],
    ).rowcount

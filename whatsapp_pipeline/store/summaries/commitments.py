"""The table `commitments`: promises in messages, and their outcomes.

What belongs here: writing this table, and reading the mentions in message_readings. What does not: reading
texts and finding the outcomes of commitments (domain/commitments), and lists for people
(store/summaries/commitment_lists.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.status import Commitment, Said
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load

if TYPE_CHECKING:
    from whatsapp_pipeline.store.summaries.summary_work import MeasuredBatch

_COLUMNS = (
    "source",
    "message_id",
    "number",
    "id_contato",
    "id_chat_file",
    "conversation_id",
    "kind",
    "side",
    "said_at",
    "amount",
    "length",
    "due_on",
    "due_time",
    "id_ordem_servico",
    "evidence_start",
    "evidence_end",
    "outcome",
    "outcome_source",
    "outcome_id",
)


class Owner(NamedTuple):
    """The owner of a commitment: a customer, or a chat or live conversation without a customer.

    Exactly one field is set.
    """

    id_contato: int | None = None
    id_chat_file: int | None = None
    conversation_id: int | None = None


class _OrderSession(NamedTuple):
    """A session that is linked to an order."""

    started_at: datetime
    ended_at: datetime
    order: int


def encode_mentions(mentions: Sequence[Mention]) -> list[list[Any]]:
    """Convert mentions to the form in which message_readings stores them."""
    return [
        [
            m.kind,
            m.side,
            m.start,
            m.end,
            None if m.amount is None else str(m.amount),
            m.due,
            m.length,
            m.sort,
        ]
        for m in mentions
    ]


@lru_cache(maxsize=20_000)
def _mentions_of(direction: str, stored: str) -> tuple[Mention, ...]:
    """Parse mentions from JSON, and keep those of the side that wrote the message.

    The result is cached, because most texts have the same few mentions.
    """
    side = "customer" if direction == "from" else "staff"
    return tuple(mention for mention in map(_decode, json.loads(stored)) if mention.side == side)


def _decode(stored: list[Any]) -> Mention:
    kind, side, start, end, amount, due, length, sort = stored
    return Mention(kind, side, start, end, None if amount is None else Decimal(amount), due, length, sort)


def staged_mentions(conn: Connection) -> Iterator[tuple[int, list[Said]]]:
    """Yield (contact or chat key, mentions) for work_messages with mentions.

    The mentions are oldest first.
    """
    sessions = _staged_sessions(conn)
    contact, said = None, list[Said]()
    for number, ref, at, direction, stored in conn.execute(load("summaries/commitments_mentions")):
        if number != contact:
            if contact is not None:
                yield contact, said
            contact, said = number, []
        if mentions := _mentions_of(direction, stored):
            order = _order_at(sessions.get(number, ()), at)
            said.extend(Said(ref, at, mention, order) for mention in mentions)
    if contact is not None:
        yield contact, said


def _staged_sessions(conn: Connection) -> dict[int, list[_OrderSession]]:
    """Return the staged sessions by contact, in the order in which `_order_at` tries them."""
    sessions: dict[int, list[_OrderSession]] = {}
    for contact, *session in conn.execute(
        """
        SELECT id_contato, started_at, ended_at, id_ordem_servico FROM work_sessions
         WHERE ended_at IS NOT NULL
         ORDER BY id_contato, confidence DESC NULLS LAST, started_at DESC, id_ordem_servico
        """
    ):
        sessions.setdefault(contact, []).append(_OrderSession(*session))
    return sessions


def _order_at(sessions: Iterable[_OrderSession], at: datetime) -> int | None:
    """Return the order of the first session that includes the time `at`, or None."""
    return next((session.order for session in sessions if session.started_at <= at <= session.ended_at), None)


def orders_closed(batch: MeasuredBatch) -> dict[int, date]:
    """Return the closing date of each finished order of the staged batch, by order id."""
    return dict(
        batch.conn.execute(
            """
            SELECT id, data_conclusao::date FROM ordens_servico
             WHERE id IN (SELECT id_ordem_servico FROM work_sessions) AND data_conclusao IS NOT NULL
               AND situacao::text IN ('2', '3')
            """
        ).fetchall()
    )


def orders_turned_down(batch: MeasuredBatch) -> frozenset[int]:
    """Return the staged batch's orders that were not approved or were cancelled."""
    rows = batch.conn.execute(
        """
        SELECT id FROM ordens_servico
         WHERE id IN (SELECT id_ordem_servico FROM work_sessions) AND situacao::text IN ('4', '7')
        """
    )
    return frozenset(order for (order,) in rows)


def save_commitments(batch: MeasuredBatch, found: Iterable[tuple[Owner, Commitment]]) -> int:
    """Replace the commitments of the batch's contacts.

    Return the number of rows that were written or deleted.
    """
    _stage_commitments(batch.conn, found)
    removed = batch.conn.execute(
        """
        DELETE FROM commitments k USING work_contacts c
         WHERE c.batch = %(batch)s AND k.id_contato = c.id_contato
           AND NOT EXISTS (SELECT FROM work_commitments w
                            WHERE (w.source, w.message_id, w.number) = (k.source, k.message_id, k.number))
        """,
        {"batch": batch.number},
    ).rowcount
    return removed + _write_commitments(batch.conn)


def save_unlinked_commitments(conn: Connection, batch: int, found: Iterable[tuple[Owner, Commitment]]) -> int:
    """Replace the commitments of a batch's chats without a customer. Return the number of changed rows."""
    _stage_commitments(conn, found)
    removed = conn.execute(
        """
        DELETE FROM commitments k USING work_unlinked u
         WHERE u.batch = %(batch)s AND coalesce(k.id_chat_file, -k.conversation_id) = u.key
           AND NOT EXISTS (SELECT FROM work_commitments w
                            WHERE (w.source, w.message_id, w.number) = (k.source, k.message_id, k.number))
        """,
        {"batch": batch},
    ).rowcount
    return removed + _write_commitments(conn)


def _stage_commitments(conn: Connection, found: Iterable[tuple[Owner, Commitment]]) -> None:
    """Write commitments to the temporary table work_commitments."""
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    statements = sql.SQL(
        "DROP TABLE IF EXISTS work_commitments;"
        " CREATE TEMP TABLE work_commitments AS SELECT {} FROM commitments LIMIT 0"
    )
    conn.execute(statements.format(names))
    with conn.cursor().copy(sql.SQL("COPY work_commitments ({}) FROM STDIN").format(names)) as copy:
        for owner, commitment in found:
            copy.write_row(_row(owner, commitment))
    conn.execute("CREATE INDEX ON work_commitments (source, message_id, number); ANALYZE work_commitments")


def _write_commitments(conn: Connection) -> int:
    """Write work_commitments to the table. Return the number of rows that are new or differ."""
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    kept = sql.SQL(", ").join(sql.Identifier("kept", name) for name in _COLUMNS)
    new = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in _COLUMNS)
    return conn.execute(
        sql.SQL(
            """
            INSERT INTO commitments AS kept ({names}) SELECT {names} FROM work_commitments
            ON CONFLICT (source, message_id, number) DO UPDATE SET ({names}) = ROW({new})
             WHERE ({kept}) IS DISTINCT FROM ({new})
            """
        ).format(names=names, kept=kept, new=new)
    ).rowcount


def _row(owner: Owner, commitment: Commitment) -> tuple[object, ...]:
    said, mention = commitment.said, commitment.said.mention
    source, _, number = said.ref.partition(":")
    shown_in: tuple[str | None, int | None] = (None, None)
    if commitment.outcome_ref is not None:
        kind, _, message = commitment.outcome_ref.partition(":")
        shown_in = (kind, int(message))
    elif commitment.outcome_order is not None:
        shown_in = ("order", commitment.outcome_order)
    return (
        source,
        int(number),
        commitment.number,
        *owner,
        mention.kind,
        mention.side,
        said.at,
        mention.amount,
        mention.length,
        commitment.due_on,
        commitment.due_time,
        said.order,
        mention.start,
        mention.end,
        commitment.outcome,
        *shown_in,
    )

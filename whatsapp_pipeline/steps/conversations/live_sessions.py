"""Making sessions of live conversations, by the same rules as those of the archive's chats.

What belongs here: reading the messages of due conversations in batches. What does not: the rules
(domain/chat_evidence.py) and linking conversations and sessions (steps/links/live_links.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import polars as pl

from whatsapp_pipeline.domain.chat_evidence import SESSION_SCHEMA, EvidenceCollector
from whatsapp_pipeline.steps.links.live_links import LiveLinking, LiveLinkReport, lock_live_links
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import live_sessions as store
from whatsapp_pipeline.store.locks import in_transaction

_BATCH_CONVERSATIONS = 500
_MESSAGE_SCHEMA = {
    "chat": pl.Int64(),
    "timestamp": pl.Datetime("us"),
    "ordinal": pl.Int64(),
    "direction": pl.String(),
    "text": pl.String(),
}


def make_live_sessions(conn: Connection, *, log: logging.Logger) -> LiveLinkReport:
    """Make and link the sessions of every conversation whose messages changed; return counts of the links.

    One transaction per batch does both, so a conversation stays due until it is linked. A conversation that
    another worker has locked is skipped, and the next call handles it.
    """
    linking, report = LiveLinking(conn, log=log), LiveLinkReport()
    while True:
        with lock_live_links(conn):
            found, linked = in_transaction(conn, partial(_make_batch, conn, linking))
        report += linked
        if found < _BATCH_CONVERSATIONS:
            return report


def _make_batch(conn: Connection, linking: LiveLinking) -> tuple[int, LiveLinkReport]:
    """Make and link the sessions of one batch; return the number of its conversations, and the links."""
    due = store.lock_due(conn, limit=_BATCH_CONVERSATIONS)
    if not due:
        return 0, LiveLinkReport()
    store.write_sessions(conn, due, _sessions_of(conn, due))
    return len(due), linking.link(due)


def _sessions_of(conn: Connection, conversations: Sequence[int]) -> list[store.SessionOfConversation]:
    collector, found, last = EvidenceCollector(), [pl.DataFrame(schema=SESSION_SCHEMA)], None
    for batch in store.said(conn, conversations):
        frame = pl.DataFrame(batch, schema=_MESSAGE_SCHEMA, orient="row")
        last = batch[-1][0]
        over = [chat for chat in frame["chat"].unique().to_list() if chat != last]
        found.append(collector.add(frame, over))
    if last is not None:
        found.append(collector.add(pl.DataFrame(schema=_MESSAGE_SCHEMA), [last]))
    columns = ["chat", "number", "start", "end", "message_count", "order_numbers", "devices", "stages"]
    return pl.concat(found).select(columns).rows()

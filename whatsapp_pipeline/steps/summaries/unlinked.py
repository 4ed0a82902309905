"""Commitments in chats and live conversations that are linked to no customer.

What belongs here: reading their messages, and following the commitments of each chat separately, because it
is not known which chats belong to the same person. What does not: the customers' commitments (summarize.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from whatsapp_pipeline.domain.commitments.status import settle
from whatsapp_pipeline.domain.summaries.text_reading import TEXT_LIMIT
from whatsapp_pipeline.steps.summaries.read_texts import TextReader
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.summaries.commitments import (
    Owner,
    save_unlinked_commitments,
    staged_mentions,
)
from whatsapp_pipeline.store.summaries.summary_work import read_staged_texts
from whatsapp_pipeline.store.summaries.unlinked_work import UnlinkedChats, UnlinkedScope, stage_unlinked


@dataclass(frozen=True, slots=True)
class UnlinkedReport:
    """Counts of chats without a customer, their texts and their commitments."""

    chats_read: int = 0
    texts_read: int = 0
    commitments_changed: int = 0


def settle_unlinked(
    conn: Connection,
    texts: TextReader,
    scope: UnlinkedScope,
    *,
    holidays: Callable[[int], frozenset[date]],
    rebuild: bool,
    batch_messages: int,
) -> UnlinkedReport:
    """Bring the commitments of chats without a customer up to date, in one transaction per batch.

    Args:
        conn: The connection with the work tables of the run.
        texts: The reader of texts.
        scope: The chats to read, and the inputs of their commitments.
        holidays: Function that returns the holidays of a year.
        rebuild: Read all chats, also those whose messages did not change.
        batch_messages: Approximate number of messages in a batch.
    """
    with conn.transaction():
        chats = stage_unlinked(conn, scope)
        removed = chats.remove_missing()
        batches = chats.divide(rebuild=rebuild, batch_size=batch_messages)
    report = UnlinkedReport(commitments_changed=removed)
    for number in batches:
        with conn.transaction():
            done = _settle_batch(chats, number, texts, holidays)
        report = replace(
            report,
            chats_read=report.chats_read + done.chats_read,
            texts_read=report.texts_read + done.texts_read,
            commitments_changed=report.commitments_changed + done.commitments_changed,
        )
    return report


def _settle_batch(
    chats: UnlinkedChats, number: int, texts: TextReader, holidays: Callable[[int], frozenset[date]]
) -> UnlinkedReport:
    keys = chats.stage(number)
    count = read_staged_texts(chats.conn, texts.reader.rules, texts.read, limit=TEXT_LIMIT)
    # Everything is read before the first row is written, because both use one connection.
    found = [
        (Owner(id_chat_file=key) if key > 0 else Owner(conversation_id=-key), one)
        for key, said in staged_mentions(chats.conn)
        for one in settle(said, {}, holidays)
    ]
    changed = save_unlinked_commitments(chats.conn, number, found)
    chats.note_read(number)
    return UnlinkedReport(len(keys), count, changed)

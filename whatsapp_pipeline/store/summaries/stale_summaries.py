"""The table `stale_summaries`: customers whose links a person changed after their summary was computed.

What belongs here: the table stale_summaries, and comparing the inputs of summaries before and after a
decision. What does not: live messages that no summary includes yet (live_summaries.py), and the check that
compares every summary with its inputs (summary_work.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load


class LinksInSummaries(NamedTuple):
    """The links of a chat or live conversation that are inputs of a summary: the customer and the orders."""

    source: str
    id: int
    id_contato: int | None
    id_ordem_servico: int | None
    session_orders: tuple[int | None, ...]


def links_in_summaries(
    conn: Connection, chats: Sequence[int], conversations: Sequence[int]
) -> list[LinksInSummaries]:
    """Return the current links of these chats and live conversations that are inputs of summaries."""
    rows = conn.execute(
        load("summaries/stale_links"),
        {"chats": list(chats), "conversations": list(conversations)},
    )
    return [
        LinksInSummaries(source, number, contact, order, tuple(orders))
        for source, number, contact, order, orders in rows
    ]


def note_changed_links(
    conn: Connection, before: Sequence[LinksInSummaries], after: Sequence[LinksInSummaries]
) -> None:
    """Flag the previous and the current customers of changed links as having a stale summary."""
    changed = {link.id_contato for link in set(before) ^ set(after)}
    contacts = sorted(contact for contact in changed if contact is not None)
    conn.execute(
        """
        INSERT INTO stale_summaries (id_contato)
        SELECT id FROM unnest(%s::bigint[]) AS k (id) ORDER BY id
        ON CONFLICT (id_contato) DO UPDATE SET stale_since = clock_timestamp()
        """,
        (contacts,),
    )


def decided_and_quiet(
    conn: Connection, *, quiet: timedelta, held_months: Sequence[str], limit: int
) -> list[tuple[int, datetime]]:
    """Return (contact, time of the latest decision) of up to `limit` flagged customers, longest first.

    The latest decision is older than `quiet`. Customers with chats in `held_months` are left out, because a
    run does not compute their summaries.
    """
    return conn.execute(
        """
        SELECT d.id_contato, d.stale_since FROM stale_summaries d
         WHERE d.stale_since <= now() - %(quiet)s
           AND NOT EXISTS (SELECT FROM chat_files f
                            WHERE f.id_contato = d.id_contato AND f.month = ANY (%(held)s))
         ORDER BY d.stale_since, d.id_contato LIMIT %(limit)s
        """,
        {"quiet": quiet, "held": list(held_months), "limit": limit},
    ).fetchall()


def stage_stale(conn: Connection, contacts: Sequence[int] | None) -> None:
    """Copy the current rows of these contacts (None: all) to the work table of the run."""
    conn.execute(
        """
        INSERT INTO work_stale SELECT id_contato, stale_since FROM stale_summaries
         WHERE %(contacts)s::bigint[] IS NULL OR id_contato = ANY (%(contacts)s)
        """,
        {"contacts": None if contacts is None else list(contacts)},
    )


def unstage_months(conn: Connection, months: Sequence[str]) -> None:
    """Delete the staged rows of contacts with chats in `months`, whom this run does not summarise."""
    conn.execute(
        """
        DELETE FROM work_stale w
         WHERE EXISTS (SELECT FROM chat_files f WHERE f.id_contato = w.id_contato AND f.month = ANY (%s))
        """,
        (list(months),),
    )


def delete_staged(conn: Connection) -> None:
    """Delete the rows of stale_summaries that are staged.

    A row that a decision has changed since the start of the run, or is changing now, stays.
    """
    conn.execute(
        """
        DELETE FROM stale_summaries d USING (
            SELECT k.id_contato FROM stale_summaries k JOIN work_stale w USING (id_contato, stale_since)
             ORDER BY k.id_contato FOR UPDATE OF k SKIP LOCKED) done
         WHERE d.id_contato = done.id_contato
        """
    )

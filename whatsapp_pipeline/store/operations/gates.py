"""Pauses, and checkpoints between phases with their waivers.

What belongs here: pauses and waivers, and the data that checkpoints depend on. What does not: the steps that
are stopped by them (steps/operations/gates.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import erp_passes


class Pause(NamedTuple):
    """The current pause."""

    reason: str
    made_by: str
    began_at: datetime


class Waiver(NamedTuple):
    """A waived checkpoint. `month` None means every month."""

    checkpoint: str
    month: str | None
    reason: str
    made_by: str
    made_at: datetime


def current_pause(conn: Connection) -> Pause | None:
    """Return the current pause, or None."""
    row = conn.execute("SELECT reason, made_by, began_at FROM pauses WHERE ended_at IS NULL").fetchone()
    return Pause(*row) if row else None


def pause(conn: Connection, reason: str) -> bool:
    """Begin a pause. Return False if there is one already."""
    return (
        conn.execute("INSERT INTO pauses (reason) VALUES (%s) ON CONFLICT DO NOTHING", (reason,)).rowcount
        == 1
    )


def resume(conn: Connection) -> bool:
    """End the pause. Return whether there was one."""
    return conn.execute("UPDATE pauses SET ended_at = now() WHERE ended_at IS NULL").rowcount == 1


def waive(conn: Connection, checkpoint: str, month: str | None, reason: str) -> None:
    """Waive a checkpoint for one month or for all months. An earlier waiver is replaced."""
    with conn.transaction():
        conn.execute(
            "UPDATE checkpoint_waivers SET removed_at = now()"
            " WHERE checkpoint = %s AND month IS NOT DISTINCT FROM %s AND removed_at IS NULL",
            (checkpoint, month),
        )
        conn.execute(
            "INSERT INTO checkpoint_waivers (checkpoint, month, reason) VALUES (%s, %s, %s)",
            (checkpoint, month, reason),
        )


def waivers(conn: Connection) -> list[Waiver]:
    """Return the waivers in force."""
    rows = conn.execute(
        "SELECT checkpoint, month, reason, made_by, made_at FROM checkpoint_waivers"
        " WHERE removed_at IS NULL ORDER BY checkpoint, month NULLS FIRST"
    )
    return [Waiver(*row) for row in rows]


def waived_months(conn: Connection, checkpoint: str, months: list[str]) -> set[str]:
    """Return those of `months` for which the checkpoint is waived."""
    given = {waiver.month for waiver in waivers(conn) if waiver.checkpoint == checkpoint}
    return {month for month in months if None in given or month in given}


def broken_pass(conn: Connection, resource: str) -> tuple[str, int, int | None] | None:
    """Return (status, items, expected) of the newest pass over a resource of the ERP if it is not complete.

    A pass that another run is working on is ignored.
    """
    with erp_passes.nobody_reads(conn, resource) as quiet:
        row = conn.execute(
            """SELECT status, items, expected FROM erp_passes
               WHERE resource = %s AND (%s OR status <> 'running') ORDER BY id DESC LIMIT 1""",
            (resource, quiet),
        ).fetchone()
    return row if row is not None and row[0] != "complete" else None


def no_contact_normalized(conn: Connection) -> bool:
    """Return whether contacts have phones but normalized_contacts has read none."""
    row = conn.execute(
        """
        SELECT NOT EXISTS (SELECT FROM contact_phone_inputs)
           AND EXISTS (SELECT FROM contatos WHERE concat(celular, telefone) ~ '[0-9]')
        """
    ).fetchone()
    return row == (True,)


def chats_without_evidence(conn: Connection, months: list[str]) -> dict[str, int]:
    """Return, by month, the number of chats in the archive that can be opened and are not indexed."""
    rows = conn.execute(
        """
        SELECT month, count(*) FROM chat_files
        WHERE month = ANY(%s) AND indexed_hash IS NULL AND processing_status NOT IN ('failed', 'vanished')
        GROUP BY month
        """,
        (months,),
    )
    return {month: int(count) for month, count in rows}


def loaded_months(conn: Connection) -> list[str]:
    """Return the months that have loaded chats."""
    rows = conn.execute("SELECT DISTINCT month FROM chat_files WHERE processing_status = 'loaded' ORDER BY 1")
    return [row[0] for row in rows]

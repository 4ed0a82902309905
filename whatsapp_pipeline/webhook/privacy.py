"""One contact out of everything the webhook kept: tables, spool, quarantine, damaged segments.

`export_contact` and `erase_contact` are what the command line calls.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from whatsapp_pipeline import private_files
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import privacy_webhooks as tables
from whatsapp_pipeline.webhook import quarantine, records
from whatsapp_pipeline.webhook.drainer import CORRUPT, drain_now


def export_contact(conn: Connection, id_contato: int, spool_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """Return everything the webhook holds of a contact, by table; the spool is emptied into the inbox first.

    Raw deliveries that were processed are not repeated: each of their messages is in
    `conversation_messages`, raw JSON included. Raises PipelineError when the spool does not empty.
    """
    _empty_spool(conn, spool_dir)
    return tables.export_person(conn, tables.person_of_contact(conn, id_contato))


def erase_contact(conn: Connection, id_contato: int, spool_dir: Path) -> tables.Erased:
    """Erase a contact from the webhook's tables and files; run it before the contact itself is deleted.

    The spool is first emptied into the inbox, by its owner or by us. Raises PipelineError when it does not
    empty (the receiver can't reach the database): erased data would come back from it.
    """
    _empty_spool(conn, spool_dir)
    person = tables.person_of_contact(conn, id_contato)
    with conn.transaction():
        erased = tables.erase_person(conn, person)
    if person.canonicals:
        quarantined = quarantine.files(quarantine.quarantine_directory(spool_dir))
        for path in [*quarantined, *sorted((spool_dir / CORRUPT).glob("*"))]:
            _rewrite_file(path, person.canonicals)
    return erased


def _empty_spool(conn: Connection, spool_dir: Path) -> None:
    if not drain_now(spool_dir, conn):
        raise PipelineError(
            f"the webhook spool {spool_dir} does not empty, and it may hold messages of this contact; "
            "see that the receiver reaches the database, then try again"
        )


def _rewrite_file(path: Path, canonicals: Collection[str]) -> None:
    """Write the file anew without the person; a damaged one keeps its whole records only."""
    kept = []
    changed = False
    for delivery_id, received_at, body in records.read_file(path):
        cleaned = tables.cleaned_body(body, canonicals)
        changed = changed or cleaned is not None
        kept.append(
            records.encode(
                body if cleaned is None else cleaned, delivery_id=delivery_id, received_at=received_at
            )
        )
    if changed:
        private_files.write(path, b"".join(kept))

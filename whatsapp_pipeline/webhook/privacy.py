"""One person out of everything the webhook kept: tables, spool, quarantine, damaged segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whatsapp_pipeline import private_files
from whatsapp_pipeline.domain.redaction import NameTest, scrub_text
from whatsapp_pipeline.domain.webhook_json import dumps
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import privacy_webhooks as tables
from whatsapp_pipeline.webhook import quarantine, records
from whatsapp_pipeline.webhook.drainer import damaged, drain_now
from whatsapp_pipeline.webhook.spool import set_aside


def empty_spool(conn: Connection, spool_dir: Path) -> None:
    """Empty the spool into the inbox, by its owner or by us, before a person is looked for.

    Raises PipelineError when it does not empty (the receiver can't reach the database): erased data would
    come back from it.
    """
    if not drain_now(spool_dir, conn):
        raise PipelineError(
            f"the webhook spool {spool_dir} does not empty, and it may hold messages of this person; "
            "see that the receiver reaches the database, then try again"
        )


def export_webhooks(
    conn: Connection, person: tables.Person, spool_dir: Path
) -> dict[str, list[dict[str, Any]]]:
    """Return everything the webhook holds of a person, by table, raw deliveries and kept files included."""
    held = tables.export_person(conn, person)
    held["webhook_files"] = [
        {"file": path.name, "received_at": f"{received_at}", "raw_json": dumps(item)}
        for path in _kept_files(spool_dir)
        for _, received_at, body in records.read_file(path)
        for item in tables.items_about(body, person.is_named)
    ]
    return held


def rewrite_files(spool_dir: Path, is_person: NameTest) -> None:
    """Take a person out of quarantined bodies and damaged segments."""
    for path in _kept_files(spool_dir):
        _rewrite_file(path, is_person)


def _kept_files(spool_dir: Path) -> list[Path]:
    quarantined = quarantine.files(quarantine.quarantine_directory(spool_dir))
    strays = [path for path in set_aside(spool_dir) if path.is_file() and not path.is_symlink()]
    return [*quarantined, *damaged(spool_dir), *strays]


def _rewrite_file(path: Path, is_person: NameTest) -> None:
    """Write the file anew without the person; a damaged one keeps its whole records only."""
    kept = []
    # Of a damaged segment the torn part may name the person, and no whole record.
    text = tables.text_of_body(path.read_bytes())
    changed = scrub_text(text, is_person) != text
    for delivery_id, received_at, body in records.read_file(path):
        cleaned = tables.cleaned_body(body, is_person)
        changed = changed or cleaned is not None
        kept.append(
            records.encode(
                body if cleaned is None else cleaned, delivery_id=delivery_id, received_at=received_at
            )
        )
    if changed:
        private_files.write(path, b"".join(kept))

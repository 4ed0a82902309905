"""Export and erasure of one person in the webhook's files: spool, quarantine, damaged segments, strays.

What belongs here: finding these files and rewriting them. What does not: the webhook's tables
(store/operations/privacy_webhooks.py) and the order of an erasure (steps/operations/privacy.py).
"""

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
from whatsapp_pipeline.webhook.spool import list_stray


def empty_spool(conn: Connection, spool_dir: Path) -> None:
    """Drain the spool into the inbox before a person is exported or erased.

    Raises PipelineError when the spool stays non-empty, for example because the receiver can't reach the
    database. Later draining would bring erased data back.
    """
    if not drain_now(spool_dir, conn):
        raise PipelineError(
            f"the webhook spool {spool_dir} could not be drained, and it may contain messages of this "
            f"person; make sure that the receiver reaches the database, then try again"
        )


def export_webhooks(
    conn: Connection, person: tables.Person, spool_dir: Path
) -> dict[str, list[dict[str, Any]]]:
    """Return all rows about a person by table, and under `webhook_files` the person's data in the webhook's
    files.
    """
    held = tables.export_webhook_data(conn, person)
    held["webhook_files"] = [
        {"file": path.name, "received_at": f"{received_at}", "raw_json": dumps(item)}
        for path in _kept_files(spool_dir)
        for _, received_at, body in records.read_file(path)
        for item in tables.items_about(body, person.is_named)
    ]
    return held


def rewrite_files(spool_dir: Path, is_person: NameTest) -> None:
    """Remove a person from quarantined bodies, damaged segments and strays."""
    for path in _kept_files(spool_dir):
        _rewrite_file(path, is_person)


def _kept_files(spool_dir: Path) -> list[Path]:
    quarantined = quarantine.files(quarantine.quarantine_directory(spool_dir))
    strays = [path for path in list_stray(spool_dir) if path.is_file() and not path.is_symlink()]
    return [*quarantined, *damaged(spool_dir), *strays]


def _rewrite_file(path: Path, is_person: NameTest) -> None:
    """Rewrite a file without the person if it names them. Only complete records are kept."""
    kept = []
    # The person may be named only in the damaged part of the file, outside the complete records.
    text = tables.text_of_body(path.read_bytes())
    changed = scrub_text(text, is_person) != text
    for delivery_id, received_at, body in records.read_file(path):
        cleaned = tables.cleaned_body(body, is_person)
        changed = changed or cleaned is not None
        kept.append(
            records.encode_record(
                body if cleaned is None else cleaned, delivery_id=delivery_id, received_at=received_at
            )
        )
    if changed:
        private_files.replace_file(path, b"".join(kept))

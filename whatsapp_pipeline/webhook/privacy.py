"""Export and erasure of a person's data in the webhook's files.

These are quarantined bodies, damaged segments, and files that the receiver did not create. The spool is moved
into the inbox table first.

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


def drain_spool(conn: Connection, spool_dir: Path) -> None:
    """Drain the spool into the inbox before a person is exported or erased.

    Raises PipelineError if the current records could not be moved within 10 seconds, for example because the
    receiver can't reach the database. If they were moved later, erased data would come back.
    """
    if not drain_now(spool_dir, conn):
        raise PipelineError(
            f"the webhook spool {spool_dir} could not be drained, and it may contain messages of this "
            f"person; make sure that the receiver reaches the database, then try again"
        )


def export_webhooks(
    conn: Connection, person: tables.Person, spool_dir: Path
) -> dict[str, list[dict[str, Any]]]:
    """Return all rows about a person by table. The key `webhook_files` has the person's data in the files."""
    exported = tables.export_webhook_data(conn, person)
    exported["webhook_files"] = [
        {"file": path.name, "received_at": f"{received_at}", "raw_json": dumps(item)}
        for path in _files(spool_dir)
        for _, received_at, body in records.read_file(path)
        for item in tables.items_about(body, person.has_identity)
    ]
    return exported


def rewrite_files(spool_dir: Path, is_person: NameTest) -> None:
    """Remove a person from quarantined bodies, damaged segments, and files of other origin."""
    for path in _files(spool_dir):
        _rewrite_file(path, is_person)


def _files(spool_dir: Path) -> list[Path]:
    quarantined = quarantine.files(quarantine.quarantine_directory(spool_dir))
    strays = [path for path in list_stray(spool_dir) if path.is_file() and not path.is_symlink()]
    return [*quarantined, *damaged(spool_dir), *strays]


def _rewrite_file(path: Path, is_person: NameTest) -> None:
    """If the file names the person, remove the person's data and write the file again.

    Incomplete or damaged records are then dropped.
    """
    kept = []
    # The text of the whole file is checked: the person's number can be in a damaged part and in no complete
    # record.
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

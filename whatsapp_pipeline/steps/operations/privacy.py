"""Privacy: all that is held of a contact, erasing it, and keeping it from coming back.

What belongs here: the order in which tables, files and the suppression list are dealt with. What does not:
the statements (store/operations/privacy.py, store/operations/privacy_webhooks.py).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from whatsapp_pipeline import privacy_key, private_files
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.grants import WRITER
from whatsapp_pipeline.store.locks import in_transaction
from whatsapp_pipeline.store.operations import privacy, suppression
from whatsapp_pipeline.store.operations.privacy_webhooks import person_of_contact
from whatsapp_pipeline.webhook import privacy as webhooks
from whatsapp_pipeline.webhook.spool import spool_directory

# Beside the key: what a restored backup from before an erasure does not know.
LIST_FILE = "privacy.list"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure removed, by table or place, and what stays and why."""

    removed: dict[str, int]
    stays: dict[str, str] = field(default_factory=dict)


def export_contact(conn: Connection, settings: Settings, id_contato: int) -> dict[str, Any]:
    """Return everything held of a contact: rows by table, webhook rows, saved ERP pages; audited.

    Raises PipelineError when there is no such contact.
    """
    with _as_writer("export a contact"):
        subject = _subject(conn, id_contato)
        held = privacy.export(conn, subject)
        held.update(webhooks.export_contact(conn, id_contato, spool_directory(settings)))
        held["erp_backup"] = [item for _, item in _saved_items(settings.local_dir / "erp_backup", id_contato)]
        key = privacy_key.find_or_make()
        privacy.audit(
            conn, "privacy.export", suppression.hash_of(key, "contact", str(id_contato)),
            {name: len(rows) for name, rows in held.items() if rows},
        )  # fmt: skip
    return held


def erase_contact(
    conn: Connection, settings: Settings, id_contato: int, *, keep_contact_row: bool, log: logging.Logger
) -> Erasure:
    """Erase a contact everywhere, and see that the next run does not bring them back.

    The database's part is one transaction. Files follow; a kill between the two is mended by running it
    again. Raises PipelineError when there is no such contact, or the role may not erase.
    """
    with _as_writer("erase a contact"):
        subject = _subject(conn, id_contato)
        stays = privacy.remaining(conn, subject)
        user_ids = [name for name in person_of_contact(conn, id_contato).canonicals if name.startswith("id:")]
        # First, since it looks the person's numbers up in the tables that are emptied below.
        from_webhooks = webhooks.erase_contact(conn, id_contato, spool_directory(settings))

        def erase() -> dict[str, int]:
            entries = privacy.suppression_entries(conn, subject)
            entries += [("identity", name) for name in [*_identities(subject), *user_ids]]
            suppression.add(conn, entries)
            removed = privacy.erase(conn, subject, keep_contact_row=keep_contact_row)
            key = suppression.key_in_use(conn)
            privacy.audit(
                conn, "privacy.erase", suppression.hash_of(key, "contact", str(id_contato)), removed
            )
            return removed

        removed = in_transaction(conn, erase)
        _remember(settings, suppression.entries(conn))
    removed["conversations"] = from_webhooks.conversations
    removed["conversation_messages"] = from_webhooks.messages
    removed["webhook deliveries"] = from_webhooks.deliveries
    removed["leads"] = from_webhooks.leads
    removed["saved ERP pages"] = _scrub_pages(settings.local_dir / "erp_backup", id_contato)
    log.info("one contact erased: %s", ", ".join(f"{n} {name}" for name, n in removed.items() if n))
    return Erasure(removed, _what_stays(stays, subject, keep_contact_row=keep_contact_row))


@contextmanager
def _as_writer(what: str) -> Iterator[None]:
    """Turn the server's refusal into what to do about it."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise PipelineError(
            f"this role may not {what} ({error.diag.message_primary}); run it under a login in {WRITER} "
            f"(`whatsapp-pipeline grants` makes that role), or as the owner of the tables"
        ) from None


def _subject(conn: Connection, id_contato: int) -> privacy.Subject:
    subject = privacy.find_subject(conn, id_contato)
    if subject is None:
        raise PipelineError(f"there is no contact {id_contato} in contatos")
    return subject


def _identities(subject: privacy.Subject) -> list[str]:
    """Spell the phones as webhooks know them (domain/conversations.py, wa_identity)."""
    return [
        f"wa:{key[1:]}" if key.startswith("+") else f"wa:55{key}"
        for key in subject.phone_keys
        if key[0] == "+" or key.isdigit()
    ]


def _what_stays(stays: dict[str, int], subject: privacy.Subject, *, keep_contact_row: bool) -> dict[str, str]:
    reasons = {
        "the chat files in the archive": "they are the company's originals; delete them there "
        "(`privacy export` lists their paths)",
        "backups of the database": "until they are rotated out; `restore` erases the contact again",
        "the ERP": "erase the contact there too",
    }
    if stays["service orders"]:
        reasons[f"{stays['service orders']} service order(s)"] = "tax and warranty records, under the bare id"
    if stays["group chats with their messages"]:
        reasons[f"{stays['group chats with their messages']} group chat(s)"] = "what they wrote among others"
    if subject.shared_phones:
        reasons[f"{subject.shared_phones} phone(s)"] = "another contact has the same number"
    if keep_contact_row:
        reasons["the row in contatos"] = "as asked"
    return reasons


def reapply_erasures(url: str, settings: Settings, *, log: logging.Logger) -> int:
    """Erase from the database at `url` everybody on the suppression list; return how many contacts.

    For a restored backup: it may be older than an erasure, and then lacks the list's newer entries too.
    """
    with connect(url) as conn:
        remembered = _remembered(settings)
        if not suppression.has_list(conn):
            if remembered:
                log.warning("the restored database is older than the list of erased people; migrate it, then")
                log.warning("run `whatsapp-pipeline privacy reapply`")
            return 0
        suppression.add_hashes(conn, remembered)
        if suppression.is_empty(conn):
            return 0
        key = suppression.key_in_use(conn)
        suppression.record_key(conn, key)
        return _erase_listed(conn, settings)


def _erase_listed(conn: Connection, settings: Settings) -> int:
    count = 0
    for id_contato in sorted(suppression.suppressed_contact_ids(conn, privacy.contact_ids(conn))):
        subject = privacy.find_subject(conn, id_contato)
        assert subject is not None  # noqa: S101  # its id was just read
        webhooks.erase_contact(conn, id_contato, spool_directory(settings))
        with conn.transaction():
            removed = privacy.erase(conn, subject, keep_contact_row=False)
            if sum(removed.values()) > removed["contatos"]:
                count += 1
    listed = suppression.suppressed_chats(conn, privacy.chats_known_by(conn))
    with conn.transaction():
        privacy.delete_chats(conn, sorted(listed))
    return count


def _remember(settings: Settings, entries: list[tuple[str, bytes]]) -> None:
    """Keep the list beside the key as well, for databases restored from before its last entries."""
    path = settings.local_dir / LIST_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    everything = sorted({*entries, *_remembered(settings)})
    private_files.write(path, "".join(f"{kind} {value.hex()}\n" for kind, value in everything))


def _remembered(settings: Settings) -> list[tuple[str, bytes]]:
    path = settings.local_dir / LIST_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").split("\n")
    return [
        (kind, bytes.fromhex(value)) for kind, _, value in (line.partition(" ") for line in lines) if value
    ]


def _saved_items(folder: Path, id_contato: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each saved object that is the contact, or an order's mention of it, with its file."""
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else ():
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError:  # a page that was cut while being written holds nothing that can be told apart
            continue
        for found in _objects(content, id_contato, is_contact_page="contatos" in path.parts):
            yield path, found


def _objects(value: object, id_contato: int, *, is_contact_page: bool) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, id_contato, is_contact_page=is_contact_page)
    elif isinstance(value, dict):
        if is_contact_page and str(value.get("id")) == str(id_contato):
            yield value
            return
        for name, item in value.items():
            is_mention = name in {"contato", "cliente"} and isinstance(item, dict)
            if is_mention and str(item.get("id")) == str(id_contato):
                yield item
            else:
                yield from _objects(item, id_contato, is_contact_page=is_contact_page)


def _scrub_pages(folder: Path, id_contato: int) -> int:
    """Leave only the id of the contact in saved pages: the page's count of items stays true."""
    changed = 0
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else ():
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError:
            continue
        found = [
            item
            for item in _objects(content, id_contato, is_contact_page="contatos" in path.parts)
            if set(item) != {"id"}
        ]
        for item in found:
            kept = item["id"]
            item.clear()
            item["id"] = kept
        if found:
            private_files.write(path, json.dumps(content))
            changed += 1
    return changed

"""Exporting and erasing one person's data, and preventing that erased people are stored again.

What belongs here: the order of the work on tables, files and the suppression list. What does not: the
statements (store/operations/privacy.py, store/operations/privacy_webhooks.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from whatsapp_pipeline import privacy_key
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.domain.redaction import NameTest
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.shared_folder import kept_folder, local_folder, shared_folder
from whatsapp_pipeline.steps.operations import local_copies
from whatsapp_pipeline.steps.operations.backup import BackupOptions, kept_backups, rewrite
from whatsapp_pipeline.steps.operations.data_files import forget_missing_files, mark_backups_clean
from whatsapp_pipeline.steps.operations.local_erasures import apply_erasures
from whatsapp_pipeline.store import statistics
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.grants import WRITER
from whatsapp_pipeline.store.locks import in_transaction, named_lock
from whatsapp_pipeline.store.operations import (
    data_files,
    privacy,
    privacy_chats,
    privacy_texts,
    suppression,
)
from whatsapp_pipeline.store.operations.data_files import DataFile
from whatsapp_pipeline.store.operations.erasure_queue import (
    ErasureHost,
    erasure_hosts,
    has_queue,
    queue_erasure,
)
from whatsapp_pipeline.store.operations.privacy_webhooks import Erased, erase_listed_people
from whatsapp_pipeline.store.operations.privacy_webhooks import erase_webhook_data as erase_from_tables
from whatsapp_pipeline.webhook import privacy as webhooks
from whatsapp_pipeline.webhook.spool import spool_directory

# Key in the counts of an erasure: other people's chats whose file name contains the number.
_OTHERS = "chats of files so named"
# Copy of the suppression list outside the database, because a database from an older backup lacks entries.
LIST_FILE = "privacy.list"


@dataclass(frozen=True, slots=True)
class Erasure:
    """The result of an erasure.

    `removed` counts removed rows and files by table or place. `stays` has the data that was not erased, with
    the reason or what to do. `waiting` are the hosts that have not erased their copies yet. `outdated` are
    the registered files that may contain this person or somebody who was erased earlier.
    """

    removed: dict[str, int]
    stays: dict[str, str] = field(default_factory=dict)
    waiting: list[ErasureHost] = field(default_factory=list)
    outdated: list[DataFile] = field(default_factory=list)


FindSubject = Callable[[Connection], privacy.Subject]


def contact_finder(id_contato: int) -> FindSubject:
    """Return a function that finds a contact. It raises PipelineError if there is no such contact."""

    def find(conn: Connection) -> privacy.Subject:
        subject = privacy.find_contact(conn, id_contato)
        if subject is None:
            raise PipelineError(f"there is no contact {id_contato} in contatos")
        return subject

    return find


def phone_finder(text: str, *, default_area_code: str | None) -> FindSubject:
    """Return a function that finds a person who is not a contact by phone, in any written form.

    Raises PipelineError if `text` is not the phone of one person.
    """
    read = parse_phone(text, default_area_code=default_area_code)
    if read is None or read.key is None:
        raise PipelineError(
            "--phone is not a phone number of one person; write it with its area code: +55 41 90000-0000"
        )
    key = read.key
    return lambda conn: privacy.find_phone(conn, key)


def conversation_finder(conversation_id: int) -> FindSubject:
    """Return a function that finds a person who is not a contact by the id of a conversation."""
    return lambda conn: privacy.find_conversation(conn, conversation_id)


def export_person(conn: Connection, settings: Settings, find: FindSubject) -> dict[str, Any]:
    """Return all data about a person: rows by table, raw deliveries, saved ERP pages.

    The audit log records the export. Raises PipelineError when there is no such person.
    """
    spool = spool_directory(settings)
    with _as_writer("export a person"):
        webhooks.drain_spool(conn, spool)
        subject = find(conn)
        held = privacy.export_rows(conn, subject)
        held.update(webhooks.export_webhooks(conn, subject.person, spool))
        held["erp_backup"] = (
            []
            if subject.id_contato is None
            else local_copies.saved_items(settings, str(subject.id_contato).__eq__)
        )
        _refuse_nobody(subject, held)
        key = privacy_key.find_or_make()
        counts = {name: len(rows) for name, rows in held.items() if rows}
        privacy.add_audit_row(conn, "privacy.export", _audit_subject(key, subject), counts)
    return held


def subject_hash(conn: Connection, find: FindSubject) -> bytes:
    """Return the keyed hash of a person; raises PipelineError when there is no such person."""
    with _as_writer("export a person"):
        return _audit_subject(privacy_key.find_or_make(), find(conn))


def erase_person(
    conn: Connection,
    settings: Settings,
    find: FindSubject,
    *,
    keep_contact_row: bool = False,
    log: logging.Logger,
) -> Erasure:
    """Erase a person everywhere, and add them to the suppression list, so that no later run stores them.

    First the tables are erased in one transaction, then this host's files. Other hosts erase theirs from the
    queue. If the process is killed in between, running the command again, `privacy apply` or `privacy
    reapply` completes the erasure. Raises PipelineError if there is no such person, or if the role may not
    erase.
    """
    spool = spool_directory(settings)
    with _as_writer("erase a person"):
        webhooks.drain_spool(conn, spool)
        subject = find(conn)
        if subject.id_contato is None:
            _refuse_nobody(
                subject,
                {
                    **privacy.export_rows(conn, subject),
                    **webhooks.export_webhooks(conn, subject.person, spool),
                },
            )
        orders = privacy.count_orders(conn, subject)
        removed, from_webhooks = in_transaction(
            conn,
            lambda: _erase_from_database(conn, settings, subject, keep_contact_row=keep_contact_row),
        )
        statistics.forget_deleted_rows(conn, privacy.TABLES)
        of_files = _erase_files(conn, settings, log)
        waiting = [host for host in erasure_hosts(conn) if host.unconfirmed]
        forget_missing_files(conn, settings, ("export", "person", "report"))
        outdated = [file for file in data_files.registered_files(conn) if file.outdated_by == "erasure"]
    removed |= _webhook_counts(from_webhooks) | of_files
    log.info(
        "one person erased: %s",
        ", ".join(f"{n} {name}" for name, n in removed.items() if n),
        extra=fields(counts=removed),
    )
    stays = _what_stays(orders, subject, keep_contact_row=keep_contact_row)
    if removed[_OTHERS]:
        stays[f"the files of {removed[_OTHERS]} chat(s) of others"] = (
            "their names contain this number; rename them in the archive, and the next run reads them again"
        )
    return Erasure(removed, stays, waiting, outdated)


def _erase_from_database(
    conn: Connection, settings: Settings, subject: privacy.Subject, *, keep_contact_row: bool
) -> tuple[dict[str, int], Erased]:
    """Erase a person from the tables, list them, and queue the erasure for all hosts, in one transaction.

    Return the counts of removed rows by table, and those of the webhook's tables.
    """
    suppression.add_entries(conn, privacy.suppression_entries(conn, subject))
    from_webhooks = erase_from_tables(conn, subject.person)
    removed = privacy.erase_rows(conn, subject, keep_contact_row=keep_contact_row)
    removed[_OTHERS] = _erase_named_files(conn, subject.person.has_identity, subject.person.like_patterns())
    hashed = _audit_subject(suppression.key_in_use(conn), subject)
    privacy.add_audit_row(conn, "privacy.erase", hashed, removed)
    queue_erasure(conn, hashed, settings.host)
    data_files.flag_erased(conn, hashed)
    return removed, from_webhooks


def _webhook_counts(erased: Erased) -> dict[str, int]:
    return {
        "conversations": erased.conversations,
        "conversation_messages": erased.messages,
        "webhook deliveries": erased.deliveries,
        "leads": erased.leads,
    }


def _erase_files(conn: Connection, settings: Settings, log: logging.Logger) -> dict[str, int]:
    """Add the erased person to the list beside the database, and erase from the files of this host.

    Raises PipelineError if this fails. The person was already erased from the database then.
    """
    try:
        _write_list_file(conn, settings)
        return apply_erasures(conn, settings, register=False, log=log).removed
    except (PipelineError, OSError) as error:
        why = str(error) if isinstance(error, PipelineError) else type(error).__name__
        raise PipelineError(
            f"this person is erased from the database, but not from all files ({why}); "
            "fix the cause, then run `whatsapp-pipeline privacy apply`"
        ) from error


def _erase_named_files(conn: Connection, is_person: NameTest, patterns: list[str] | None) -> int:
    """Erase other people's chats whose file names contain the person's number; return how many.

    The index finds a file by its path, so it can't store the path without the number. The caller must open a
    transaction.
    """
    chats = privacy_chats.chats_of_named_files(conn, is_person, patterns, ())
    suppression.add_entries(conn, [("file", suppression.file_value(*chat)) for chat in chats])
    return privacy.delete_chats(conn, chats)


def _refuse_nobody(subject: privacy.Subject, held: dict[str, Any]) -> None:
    """Raise PipelineError for a phone or conversation about which no data is stored."""
    if subject.id_contato is None and not any(held.values()):
        raise PipelineError(
            "no data is stored about this person; check that the phone is right, including its area code"
        )


def _audit_subject(key: bytes, subject: privacy.Subject) -> bytes:
    if subject.id_contato is not None:
        return suppression.hash_of(key, "contact", str(subject.id_contato))
    return suppression.hash_of(key, "identity", min(subject.person.canonicals, default=""))


@contextmanager
def _as_writer(what: str) -> Iterator[None]:
    """Turn a missing privilege into a PipelineError that names the role with this privilege."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise PipelineError(
            f"this role may not {what} ({error.diag.message_primary}); run it under a login in {WRITER} "
            f"(`whatsapp-pipeline grants` makes that role), or as the owner of the tables"
        ) from None


def _what_stays(orders: int, subject: privacy.Subject, *, keep_contact_row: bool) -> dict[str, str]:
    reasons = {
        "the chat files in the archive": "they are the company's originals; delete them there "
        "(`privacy export` lists their paths)",
        "backups of the database": "until they are rotated out, or `privacy clean-backups` rewrites them; "
        "`restore` erases the person again",
    }
    if subject.id_contato is not None:
        reasons["the ERP"] = "erase the contact there too"
    if orders:
        reasons[f"{orders} service order(s)"] = "tax and warranty records, under the bare id"
    if subject.shared_phones:
        reasons[f"{subject.shared_phones} phone(s)"] = "another contact has the same number"
    if keep_contact_row:
        reasons["the row in contatos"] = "kept, as requested"
    return reasons


def recall_erasures(url: str, settings: Settings, *, log: logging.Logger) -> int:
    """Synchronize the database's suppression list with the list file in SHARED_DIR or `.local`.

    Return the number of changes by erasure, 0 if nothing was erased. Every command that migrates a database
    and every run calls this function, because a new database, or one restored from an older backup, lacks
    entries of the file. The people of such entries are erased from the database. Entries that only the
    database has are added to the file. Raises PipelineError if the key of the list is missing or SHARED_DIR
    does not answer.
    """
    with connect(url) as conn:
        if not suppression.has_list(conn):
            return 0
        known = set(suppression.entries(conn))
        remembered = _read_list_files(settings)
        if not remembered <= known:
            return _recall(conn, settings, remembered, log=log)
        if known - remembered and suppression.is_key_of(conn, privacy_key.find_key()):
            _write_list_file(conn, settings)
    return 0


def reapply_erasures(
    url: str,
    settings: Settings,
    *,
    log: logging.Logger,
    with_files: bool = True,
    here: bool = True,
    listed: frozenset[tuple[str, bytes]] = frozenset(),
) -> int:
    """Erase everybody on the suppression list from the database at `url`; return the number of changes.

    Call this function for a restored backup, which may be older than an erasure and then lacks newer entries
    of the list. `listed` are the entries of another database. With `with_files`, this host's files are
    erased, too, and other hosts erase theirs from the queue. Without `here`, this host's files also wait in
    the queue, because its spool belongs to another database.
    """
    with connect(url) as conn:
        remembered = _read_list_files(settings) | listed
        if not suppression.has_list(conn):
            if remembered:
                log.warning(
                    "the restored database is older than the list of erased people; "
                    "run `whatsapp-pipeline migrate`, which erases these people from it"
                )
            return 0
        return _recall(conn, settings, remembered, log=log, with_files=with_files, here=here)


def _recall(
    conn: Connection,
    settings: Settings,
    remembered: frozenset[tuple[str, bytes]],
    *,
    log: logging.Logger,
    with_files: bool = True,
    here: bool = True,
) -> int:
    """Add remembered entries to the database's list and erase everybody on it, in one transaction."""
    has_hosts = has_queue(conn)  # a database from an old backup may not have the tables yet

    def recall() -> int:
        suppression.add_hashes_of_key(conn, remembered)
        if suppression.has_no_entries(conn):
            return 0
        if with_files and has_hosts:
            queue_erasure(conn, None, settings.host)
        count = _erase_listed(conn)
        if with_files and data_files.has_register(conn):
            data_files.flag_erased(conn, None)
        return count

    count = in_transaction(conn, recall)
    if with_files and not suppression.has_no_entries(conn):
        _write_list_file(conn, settings)
    if count:
        statistics.forget_deleted_rows(conn, privacy.TABLES)
    if with_files and here and has_hosts:
        apply_erasures(conn, settings, register=False, log=log)
    elif with_files and here:
        is_contact, is_name = suppression.contact_test(conn), suppression.identity_test(conn)
        local_copies.erase_own_files(settings, is_contact, is_name)
        local_copies.erase_shared_files(settings, is_contact)
    if count:
        log.info("the people on the suppression list were erased again", extra=fields(changes=count))
    return count


def clean_backups(url: str, settings: Settings, options: BackupOptions, *, log: logging.Logger) -> list[str]:
    """Rewrite every backup that contains people on the list; return the names of the rewritten backups.

    Each backup is restored into a scratch database and the people are erased there. If that changed
    something, the database is dumped again. A backup that is too old to have the list's table is not changed,
    and a warning is logged.
    """
    too_old: list[str] = []
    rewritten = []
    with connect(url) as conn:
        begun_at = data_files.flagging_time(conn)
        for taken in (found := kept_backups(options.place)):

            def erase(scratch: str, file: str = taken.file) -> bool:
                with connect(scratch) as old:
                    if not suppression.has_list(old):
                        too_old.append(file)
                listed = frozenset(suppression.entries(conn))
                changes = reapply_erasures(scratch, settings, log=log, with_files=False, listed=listed)
                return changes > 0

            if rewrite(url, taken, options, erase, log=log):
                rewritten.append(taken.file)
        options.register(url)
        cleaned = [taken.file for taken in found if taken.file not in too_old]
        mark_backups_clean(conn, settings, options, cleaned, begun_at)
    return rewritten


def _erase_listed(conn: Connection) -> int:
    """Erase everybody on the list from the tables: contacts, then people of webhooks, mentions and chats."""
    count = 0
    for id_contato in sorted(suppression.suppressed_contact_ids(conn, privacy.contact_ids(conn))):
        subject = contact_finder(id_contato)(conn)
        from_webhooks = erase_from_tables(conn, subject.person)
        removed = privacy.erase_rows(conn, subject, keep_contact_row=False)
        if any(removed.values()) or from_webhooks.conversations:
            count += 1
    listed = suppression.suppressed_chats(conn, privacy.chat_identifiers(conn))
    if (is_erased := suppression.identity_test(conn)) is not None:
        # This erases people who are not contacts, and numbers that the restored tables link to no person.
        rest = erase_listed_people(conn, is_erased)
        count += rest.conversations + rest.messages + rest.deliveries + rest.leads
        count += privacy_chats.erase_mentions(conn, is_erased, None, ())
        count += privacy_texts.erase_from_texts(conn, is_erased, None)
        count += _erase_named_files(conn, is_erased, None)
        count += privacy_chats.forget_paths(conn, is_erased, None)
        privacy_chats.forget_phones(conn, suppression.suppressed_phone_keys)
    return count + privacy.delete_chats(conn, sorted(listed))


_FINGERPRINT = "key"  # first word of the line that has the fingerprint of the privacy key


def _write_list_file(conn: Connection, settings: Settings) -> None:
    """Write the list to SHARED_DIR or `.local`, too, for databases that are new or restored from a backup.

    The lock prevents that two hosts that erase at the same time overwrite each other's entries.
    """
    fingerprint = suppression.fingerprint_of(privacy_key.find_or_make())
    with named_lock(conn, "list of erased people"):
        entries = {*suppression.entries(conn), *_read_list_files(settings)}
        lines = [(_FINGERPRINT, fingerprint), *sorted(entries)]
        content = "".join(f"{kind} {value.hex()}\n" for kind, value in lines)
        kept_folder(settings, "").write(LIST_FILE, content)


def _read_list_files(settings: Settings) -> frozenset[tuple[str, bytes]]:
    """Return the entries of the list files in SHARED_DIR and `.local`.

    Raises PipelineError if one of them is damaged or was made with another key.
    """
    found: frozenset[tuple[str, bytes]] = frozenset()
    for folder in filter(None, (local_folder(settings, ""), shared_folder(settings))):
        with suppress(FileNotFoundError):
            found |= _entries_of(folder.read(LIST_FILE), f"{folder.address.rstrip('/').rsplit('/', 1)[-1]}")
    return found


def _entries_of(content: bytes, place: str) -> frozenset[tuple[str, bytes]]:
    try:
        lines = [line.split(" ") for line in content.decode("ascii").splitlines() if line]
        found = [(kind, bytes.fromhex(value)) for kind, value in lines]
    except ValueError:
        raise PipelineError(
            f"{place}/{LIST_FILE}, the list of erased people, is damaged; restore the file from a backup of "
            "that folder, so that nobody on the list is stored again"
        ) from None
    fingerprints = [value for kind, value in found if kind == _FINGERPRINT]
    if fingerprints:
        suppression.require_key(fingerprints[0])
    return frozenset((kind, value) for kind, value in found if kind != _FINGERPRINT)

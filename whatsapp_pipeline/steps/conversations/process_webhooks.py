"""Processing the webhook inbox: lease deliveries, store their items, and handle failures.

The step stores a chunk of deliveries in one set-based transaction. If that fails, it stores the chunk again
item by item, each in a savepoint, so that a bad item does not affect the others. A later run retries a failed
delivery. After the last attempt the delivery is a dead letter. If the database is down or refuses to write,
no attempt is counted.

What belongs here: the order of processing, errors and retries. What does not: reading a delivery
(domain/conversations.py) and statements (store/conversations/).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

import psycopg

from whatsapp_pipeline.domain.conversations import Other, read_delivery
from whatsapp_pipeline.domain.redaction import NameTest, without_person
from whatsapp_pipeline.domain.webhook_json import UnreadableBodyError, dumps, loads
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import detail_log, fields
from whatsapp_pipeline.steps.conversations.live_sessions import make_live_sessions
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import accounts, inbox
from whatsapp_pipeline.store.conversations.conversations import message_contexts
from whatsapp_pipeline.store.conversations.deliveries import Received, Stored, store_items
from whatsapp_pipeline.store.operations import suppression
from whatsapp_pipeline.store.operations.privacy_webhooks import cleaned_body

_MAX_ID = 2**63 - 1
# SQLSTATE classes of errors whose cause is the server, not the data: connection, transaction rollback,
# insufficient resources, operator intervention, system error. 25006 means a read-only server.
_SERVER_TROUBLE = ("08", "40", "53", "57", "58", "25006")


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Settings of the processing: features, chunk size, and limits for leases, attempts and crashes."""

    multitenant: bool = False
    ask_assistant: bool = False
    chunk: int = 1000
    lease_seconds: float = 120
    max_attempts: int = 5
    max_crashes: int = 3


@dataclass(slots=True)
class ProcessReport:
    """The counts of one run."""

    deliveries: int = 0
    messages: int = 0
    duplicates: int = 0
    conversations: int = 0
    statuses: int = 0
    others: int = 0
    leads: int = 0
    parked: int = 0
    failed: int = 0
    dead: int = 0
    links_changed: int = 0
    sessions_linked: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    def add(self, stored: Stored) -> None:
        """Add the counts of stored items."""
        for name, value in asdict(stored).items():
            setattr(self, name, getattr(self, name) + value)


class DatabaseTroubleError(PipelineError):
    """The connection was lost, or the database refused to write.

    No data is lost, and no attempt is counted.
    """


@dataclass(slots=True)
class _Read:
    """One decoded delivery and the outcome of its processing."""

    delivery: inbox.Delivery
    received: list[Received] = field(default_factory=list)
    body_without_erased: bytes | None = None  # replaces the received body; None keeps it
    unknown_accounts: list[str] = field(default_factory=list)
    error: str | None = None
    is_dead: bool = False  # there is no further attempt: the delivery is a dead letter


def process_batch(
    conn: Connection, batch_id: int, options: ProcessOptions, *, log: logging.Logger
) -> ProcessReport:
    """Process the due deliveries in one batch's range, then close the batch.

    Raises DatabaseTroubleError when the database fails; the batch then stays open for another launch.
    """
    batch = inbox.batch(conn, batch_id)
    if batch is None:
        raise PipelineError(f"there is no webhook batch {batch_id}")
    report = _process_range(conn, options, batch.first_id, batch.last_id, log)
    inbox.close_batch(conn, batch_id)
    _log_report(report, log)
    return report


def process_due(conn: Connection, options: ProcessOptions, *, log: logging.Logger) -> ProcessReport:
    """Process every due delivery, then link conversations to contacts and orders that were added later.

    Any number of workers may run this at the same time.
    """
    report = _process_range(conn, options, 0, _MAX_ID, log)
    linked = link_live(conn, log=log)
    report.links_changed += linked.contacts
    report.sessions_linked += linked.sessions
    _log_report(report, log)
    return report


def _process_range(
    conn: Connection, options: ProcessOptions, first_id: int, last_id: int, log: logging.Logger
) -> ProcessReport:
    """Process the due deliveries of a range of the inbox, and link their conversations."""
    report = ProcessReport()
    for suspects in (False, True):
        rows = 1 if suspects else options.chunk
        while True:
            token, leased = inbox.lease(
                conn, first_id, last_id, rows=rows, seconds=options.lease_seconds, suspects=suspects
            )
            if not leased:
                break
            _process_leased(conn, token, leased, options, report, log)
    accounts.pass_on_tenants(conn)
    linked = make_live_sessions(conn, log=log)
    report.links_changed, report.sessions_linked = linked.contacts, linked.sessions
    return report


def _log_report(report: ProcessReport, log: logging.Logger) -> None:
    log.info(
        "webhooks: %s",
        ", ".join(f"{n} {name}" for name, n in report.counts().items() if n) or "nothing",
        extra=fields(counts=report.counts()),
    )


def _process_leased(
    conn: Connection,
    token: UUID,
    leased: Sequence[inbox.Delivery],
    options: ProcessOptions,
    report: ProcessReport,
    log: logging.Logger,
) -> None:
    """Store the items of leased deliveries, set the status of the deliveries, and add to `report`."""
    report.deliveries += len(leased)
    try:
        is_erased = suppression.identity_test(conn)
        reads = [_read(delivery, options, is_erased) for delivery in leased]
        _store_reads(conn, token, reads, options, report, log)
    except psycopg.Error as error:
        if not conn.closed:
            _release(conn, token, log)
        raise DatabaseTroubleError(
            f"the database failed ({_error_name(error)}); the deliveries stay in the inbox, process them "
            "later"
        ) from error
    _log_messages(conn, [read.delivery.id for read in reads])
    _report_outcomes(reads, report, log)


def _store_reads(
    conn: Connection,
    token: UUID,
    reads: Sequence[_Read],
    options: ProcessOptions,
    report: ProcessReport,
    log: logging.Logger,
) -> None:
    """Store all deliveries in one transaction or, if that fails, each delivery in its own transaction."""
    try:
        with conn.transaction():
            stored = _store_all(conn, token, reads, options)
        report.add(stored)
    except Exception as error:  # any failure of one item, even a bug here, must not affect the others
        if _is_server_trouble(conn, error):
            raise
        log.warning(
            "storing %d deliveries together failed (%s); storing them item by item now",
            len(reads),
            _error_name(error),
            extra=fields(reason=_error_name(error), counts={"deliveries": len(reads)}),
        )
        for read in reads:
            with conn.transaction():
                report.add(_store_one_by_one(conn, token, read, options))


def _release(conn: Connection, token: UUID, log: logging.Logger) -> None:
    """Release the leased deliveries, so that another worker can process them at once."""
    try:
        inbox.release(conn, token)
    except psycopg.Error as error:  # the database refuses this too; the lease expires after its time
        log.warning(
            "the lease could not be released (%s); it expires after its time",
            _error_name(error),
            extra=fields(reason=_error_name(error)),
        )


def _report_outcomes(reads: Sequence[_Read], report: ProcessReport, log: logging.Logger) -> None:
    """Count the parked, failed and dead deliveries, and log the reason of each failure."""
    for read in reads:
        report.parked += bool(read.unknown_accounts) and read.error is None
        report.failed += read.error is not None
        if read.error is not None:
            log.warning(
                "delivery %d: %s",
                read.delivery.id,
                read.error,
                extra=fields(delivery_id=read.delivery.id, reason=read.error),
            )
            report.dead += read.is_dead


def _log_messages(conn: Connection, inbox_ids: list[int]) -> None:
    """Log each stored message at debug level, with its conversation and the size of its context."""
    log = detail_log()
    if not log.isEnabledFor(logging.DEBUG):
        return
    for message_id, conversation_id, kind, context in message_contexts(conn, inbox_ids):
        log.debug(
            "message stored",
            extra=fields(
                asset="conversations",
                conversation_id=conversation_id,
                message_id=message_id,
                type=kind,
                context_messages=context,
            ),
        )


def _read(delivery: inbox.Delivery, options: ProcessOptions, is_erased: NameTest | None) -> _Read:
    """Decode a delivery. Items that name an erased person are removed, also from the stored body."""
    read = _Read(delivery)
    if delivery.crashes >= options.max_crashes:
        read.error, read.is_dead = f"its worker was killed {delivery.crashes} times", True
        return read
    if delivery.body is None:
        read.error, read.is_dead = "the raw body was redacted", True
        return read
    try:
        payload = loads(delivery.body)
    except UnreadableBodyError as error:
        read.error, read.is_dead = str(error), True
        if is_erased is not None:
            read.body_without_erased = cleaned_body(bytes(delivery.body), is_erased)
        return read
    if is_erased is not None:
        cleaned = without_person(payload, is_erased)
        if cleaned.changed:
            payload, read.body_without_erased = cleaned.value, dumps(cleaned.value).encode()
    try:
        for item in read_delivery(payload, delivery.received_at):
            if isinstance(item, Other) and item.raw_json == "null":  # `without_person` removed this item
                continue
            read.received.append(Received(delivery.id, delivery.delivery_id, delivery.received_at, item))
    except Exception as error:  # a bug in the reader: keep the items read so far, report the error
        read.error = f"item {len(read.received)} could not be read ({type(error).__name__})"
    return read


def _store_all(conn: Connection, token: UUID, reads: Sequence[_Read], options: ProcessOptions) -> Stored:
    """Store the items of all deliveries and the outcome of each delivery, in the caller's transaction."""
    tenants = _remove_refused(conn, reads, options)
    items = [received for read in reads for received in read.received]
    stored = store_items(conn, items, tenants, ask_assistant=options.ask_assistant) if items else Stored()
    _store_outcomes(conn, token, reads, options)
    return stored


def _store_one_by_one(conn: Connection, token: UUID, read: _Read, options: ProcessOptions) -> Stored:
    """Store the items of one delivery, each in a savepoint.

    Record the items that fail, and keep the others.
    """
    tenants = _remove_refused(conn, [read], options)
    report = ProcessReport()
    errors: list[str] = []
    for received in read.received:
        try:
            with conn.transaction():
                report.add(store_items(conn, [received], tenants, ask_assistant=options.ask_assistant))
        except Exception as error:  # as above: this item is retried later, the other items are stored
            if _is_server_trouble(conn, error):
                raise
            errors.append(f"item {received.item.position}: {_error_name(error)}")
    if errors and read.error is None:
        read.error = f"{len(errors)} of {len(read.received)} items failed: " + "; ".join(errors[:5])
    _store_outcomes(conn, token, [read], options)
    return Stored(
        report.messages, report.duplicates, report.conversations, report.statuses, report.others, report.leads
    )


def _remove_refused(
    conn: Connection, reads: Sequence[_Read], options: ProcessOptions
) -> Mapping[str, int | None]:
    """Remove items whose account is refused, and return the tenants of the known accounts.

    A disabled account is refused. An unknown account is refused if the installation has several tenants. The
    refused accounts are set in `unknown_accounts` of each delivery. Also replace the stored bodies of
    deliveries that name erased people.
    """
    for read in reads:
        inbox.replace_body(conn, read.delivery.id, read.body_without_erased)
    named = {name for read in reads for r in read.received if (name := _account(r)) is not None}
    known = accounts.known_accounts(conn, named)
    refused = {
        name
        for name in named
        if (name in known and not known[name].is_active) or (options.multitenant and name not in known)
    }
    if refused:
        for read in reads:
            waiting = [r for r in read.received if _account(r) in refused]
            read.unknown_accounts = sorted({r.item.phone_number_id for r in waiting})
            if waiting:
                read.received = [r for r in read.received if _account(r) not in refused]
    return {name: account.tenant_id for name, account in known.items()}


def _account(received: Received) -> str | None:
    """Return the account (phone number id) of an item; None for an event that belongs to no conversation."""
    return None if type(received.item) is Other else received.item.phone_number_id


def _store_outcomes(conn: Connection, token: UUID, reads: Sequence[_Read], options: ProcessOptions) -> None:
    done = [r.delivery.id for r in reads if r.error is None and not r.unknown_accounts]
    inbox.finish_deliveries(conn, done, token)
    for read in reads:
        if read.error is not None:
            attempts = 1 if read.is_dead else options.max_attempts
            read.is_dead = inbox.fail_delivery(
                conn, read.delivery.id, token, read.error, max_attempts=attempts
            )
        elif read.unknown_accounts:
            inbox.park(conn, read.delivery.id, token, read.unknown_accounts)


def _is_server_trouble(conn: Connection, error: Exception) -> bool:
    if conn.closed or conn.broken:
        return True
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_SERVER_TROUBLE)


def _error_name(error: Exception) -> str:
    """Return an error's type and constraint without its text, which may quote stored values."""
    constraint = error.diag.constraint_name if isinstance(error, psycopg.Error) else None
    return f"{type(error).__name__}{f' on {constraint}' if constraint else ''}"

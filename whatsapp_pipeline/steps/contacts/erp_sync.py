"""tiny_contacts and tiny_orders: reading the ERP's listings completely into the database.

What belongs here: passes over listings whose rows may move during the reading, and resuming a killed pass at
its last page. What does not: HTTP (erp/) and SQL (store/). Rows that the ERP no longer lists stay in the
database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import blake2b
from math import ceil
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import psycopg

from whatsapp_pipeline.erp.items import Item, ItemError, item_id, parse_erp_time
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.erp.source import ErpSource, Resource
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.shared_folder import FileFolder
from whatsapp_pipeline.steps.contacts import erp_unchanged
from whatsapp_pipeline.steps.contacts.erased_contacts import blank_contacts, blank_mentions
from whatsapp_pipeline.steps.contacts.erp_backup import PageBackup
from whatsapp_pipeline.steps.contacts.erp_load import ContactLoader, Loaded, OrderLoader
from whatsapp_pipeline.store import exceptions
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import erp as erp_store
from whatsapp_pipeline.store.contacts import erp_passes
from whatsapp_pipeline.store.locks import named_lock

# An incremental pass starts this long before the watermark, because clocks differ and times have whole
# seconds.
OVERLAP: Final = timedelta(minutes=10)
LARGEST_LOAD: Final = 2000
# Number of orders whose details are read between two commits. If a pass runs out of time, the committed
# orders are kept.
_DETAILS_BATCH: Final = 20
# Largest number of readings of one listing in a pass.
_SWEEPS: Final = 4
# Largest number of consecutive pages without a new row; more mean that the ERP ignores paging. At the end of
# a listing, repeated rows fill at most two pages: if the total is too high, the second has only the overlap.
_MAX_STALE_PAGES: Final = 2

# Initial state of a reading. `last_id` is 0 if the last row had no id; `digest` is a hash of the rows read so
# far.
_FIRST_READING: Final[dict[str, Any]] = {
    "offset": 0,
    "last_id": None,
    "total": None,
    "moved": False,
    "bad": 0,
    "digest": "",
}

_Log: TypeAlias = logging.Logger


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Counts of a pass.

    `expected` is the ERP's own count, and `items` is the number of different rows that it listed.
    `same_pages` is 1 if no page was read, because pages and rows are unchanged since the last pass.
    """

    pages: int = 0
    items: int = 0
    expected: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    truncated: int = 0
    exceptions: int = 0
    details_read: int = 0
    read_again: int = 0
    resumed: int = 0
    incremental: int = 0
    v2_names: int = 0
    same_pages: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(slots=True)
class _Tally:
    """The counts of a running pass."""

    pages: int = 0
    expected: int = 0
    read_again: int = 0
    loaded: Loaded = field(default_factory=Loaded)


@dataclass(slots=True)
class _PassReader:
    """Reads the listings of one pass.

    The loader first fetches the details that a page's items lack. Then it writes the items in the transaction
    that also stores the progress of the pass.
    """

    conn: Connection
    run: erp_passes.Pass
    live: bool
    loader: ContactLoader | OrderLoader
    backup: PageBackup | None
    log: _Log
    tally: _Tally = field(default_factory=_Tally)

    def read(self, listing: str, name: str, fetch: Callable[[int], ListingPage]) -> None:
        """Read one listing until every row that the ERP counts has been seen.

        The listing is also complete if two readings have the same rows in the same order. `name` is used in
        file names and messages. Raises PipelineError if pages repeat or if rows move during every reading.
        """
        state = self.run.state
        if listing in state["done"]:
            self.tally.expected += state["done"][listing]
            return
        if state.get("listing") != listing:
            state.update(_FIRST_READING, listing=listing, sweep=0, before=None)
        for key, value in {"digest": "", "before": None}.items():
            state.setdefault(key, value)  # missing if an earlier version of the program began the pass
        for _ in range(_SWEEPS):
            self._sweep(listing, name, fetch)
            seen = erp_passes.count_seen(self.conn, self.run, listing) + state["bad"]
            whole = seen >= state["total"] and not state["moved"]
            # If two readings had the same rows in the same order, no row moved, and the ERP's count is wrong.
            same = state["digest"] == state["before"]
            if whole or same:
                state["done"][listing] = seen
                self.tally.expected += seen
                self._store_count_difference(listing, name)
                return
            self.log.info(
                "%s: rows moved while reading (%d of %d seen), reading again",
                name,
                seen,
                state["total"],
                extra=fields(resource=name, counts={"read": seen, "total": state["total"]}),
            )
            self.tally.read_again += 1
            self._restart()
        self._save(listing)
        raise PipelineError(
            f"the ERP's {name} changed during each of {_SWEEPS} readings; what was read is kept. Run again "
            "in an hour with fewer changes; that run resumes"
        )

    def _restart(self) -> None:
        state = self.run.state
        state.update(_FIRST_READING, sweep=state["sweep"] + 1, before=state["digest"])

    def _store_count_difference(self, listing: str, name: str) -> None:
        """Store the finding that the ERP's count differs from its listing, or delete it."""
        state = self.run.state
        total, resource = state["total"], f"{self.loader.table}: {name}"
        # Only the last reading is used, because earlier readings may contain rows that were deleted during
        # the pass.
        seen = len(erp_passes.seen(self.conn, self.run, listing, state["sweep"])) + state["bad"]
        words = f"the ERP counts {total} rows and lists {seen} different ones"
        found = [self.loader.finding_about(resource, "count_differs", "warning", words)]
        rows = found if seen != total else []
        self.tally.loaded.exceptions += exceptions.replace_for_files(
            self.conn, self.loader.stage, [resource], rows
        )
        if rows:
            self.log.warning("%s: %s", name, words, extra=fields(resource=name))

    def _save(self, listing: str, ids: Sequence[int] = ()) -> None:
        erp_passes.advance(self.conn, self.run, listing, self.run.state["sweep"], ids)

    def _sweep(self, listing: str, name: str, fetch: Callable[[int], ListingPage]) -> None:
        """Read the listing once, from the current position to the end."""
        state = self.run.state
        seen = erp_passes.seen(self.conn, self.run, listing, state["sweep"])
        offset: int | None = state["offset"]
        before: list[int] = []
        stale = 0  # consecutive pages without a new id
        while offset is not None:
            page = fetch(offset)
            self.tally.pages += 1
            ids = [order for item in page.items if (order := _id_or_none(item)) is not None]
            is_new = not seen.issuperset(ids) or (not ids and offset < page.total)
            stale = 0 if is_new or not page.items else stale + 1
            if self.live and stale and (ids == before or stale > _MAX_STALE_PAGES):
                self._fail_repeated(listing, name, offset)
            items = self._without_overlap(page.items)
            bad = sum(_id_or_none(item) is None for item in items)
            if state["total"] not in (None, page.total):
                state["moved"] = True
            seen.update(ids)
            before = ids
            if self.backup is not None:
                self.backup.save_page(name, page)
            state.update(
                total=page.total,
                bad=state["bad"] + bad,
                offset=page.next_offset,
                last_id=(_id_or_none(page.items[-1]) or 0) if page.items else state["last_id"],
                digest=_digest(state["digest"], page.total, ids),
            )
            self._load(listing, items, ids)
            offset = page.next_offset
            if self.tally.pages % 20 == 0:
                self.log.info(
                    "%s: %d of %d",
                    name,
                    len(seen),
                    page.total,
                    extra=fields(resource=name, counts={"read": len(seen), "total": page.total}),
                )

    def _fail_repeated(self, listing: str, name: str, offset: int) -> NoReturn:
        """Store that the next pass starts the listing again, and raise PipelineError."""
        self._restart()
        self._save(listing)
        raise PipelineError(
            f"the ERP returned the same rows of {name} again at offset {offset}: it ignores paging; "
            "no data is lost. If it happens again, report it to the ERP's support"
        )

    def _without_overlap(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items of a page without the first one, which repeats the last row of the previous page.

        If a live page does not begin with that row, record that rows moved.
        """
        state = self.run.state
        if not self.live or not items or state["last_id"] is None:
            return items
        if _id_or_none(items[0]) == (state["last_id"] or None):
            return items[1:]
        state["moved"] = True
        return items

    def _load(self, listing: str, items: Sequence[Item], ids: Sequence[int]) -> None:
        """Load the items of a page in batches. The last batch also stores the progress of the pass."""
        size = _DETAILS_BATCH if self.live and isinstance(self.loader, OrderLoader) else LARGEST_LOAD
        for start in range(0, max(1, len(items)), size):
            batch = items[start : start + size]
            self.loader.prepare(batch)
            with self.conn.transaction():
                self.tally.loaded.add(self.loader.load(batch))
                if start + size >= len(items):
                    self._save(listing, ids)

    def items(self) -> int:
        """Return the number of different rows that the pass has seen."""
        return erp_passes.count_seen(self.conn, self.run)


def sync_contacts(
    conn: Connection, source: ErpSource, *, full: bool, backup_dir: FileFolder | Path | None, log: _Log
) -> SyncReport:
    """Write the ERP's contacts to `contatos`: all contacts, or those changed since the last pass.

    All contacts are read with `full`, before the first complete pass over this source, after an interrupted
    full pass, and after an incremental pass without rows. Saved pages are read completely, or not at all if
    nothing can have changed. With `backup_dir`, each page is saved before it is loaded. After a
    PipelineError, the next call resumes.
    """
    with named_lock(
        conn,
        erp_passes.LOCKS["contatos"],
        on_wait=lambda: log.info("another run reads the contacts; waiting"),
    ):
        known = erp_passes.watermark(conn, "contatos", source.name)
        full = full or (source.live and erp_passes.is_unfinished(conn, "contatos", "full", source.name))
        since = None if full or known is None or not source.live else known - OVERLAP
        report = _read_contacts(conn, source, since, known, full=full, backup_dir=backup_dir, log=log)
        # An incremental pass lists at least the contact with the last known change, unless its date was set
        # back or the ERP has failed.
        if since is not None and report.items == 0 and erp_store.knows_contacts(conn):
            log.warning(
                "contatos: the ERP listed no change, not even the last known one; reading all contacts"
            )
            report = _read_contacts(conn, source, None, known, full=True, backup_dir=backup_dir, log=log)
        return report


def _read_contacts(
    conn: Connection,
    source: ErpSource,
    since: datetime | None,
    known: datetime | None,
    *,
    full: bool,
    backup_dir: FileFolder | Path | None,
    log: _Log,
) -> SyncReport:
    """Make one pass over the contacts that changed since a time (None: all contacts).

    The caller must hold the lock. `known` is the watermark of earlier passes.
    """
    state = _state(source, "contatos", since)
    if not full and (same := _same_pages(conn, "contatos", state, log)):
        return same
    run = erp_passes.begin(conn, "contatos", "full" if since is None else "incremental", state)
    began = erp_passes.began(conn, run)
    loader = ContactLoader(conn, began)
    backup = _backup(backup_dir, source, run)
    reader = _PassReader(conn, run, source.live, loader, backup, log)

    def fetch(status: str, at: int) -> ListingPage:
        page = source.contacts_page(status, at, since)
        page = replace(page, items=blank_contacts(conn, page.items))
        run.state["newest"] = _later(run.state["newest"], page, began)
        return page

    def work() -> None:
        for status in source.contact_scopes:
            reader.read(status, f"contatos/{status}" if status else "contatos", partial(fetch, status))

    _run(conn, run, reader, work)
    newest = parse_erp_time(run.state["newest"] or "")
    elapsed = erp_passes.elapsed_seconds(conn, run)
    # If the clock was set back during the pass, its duration is unknown, so the watermark stays.
    if newest is None or elapsed < 0:
        return _finish(conn, run, reader, until=known)
    # The watermark is before the start of the pass, so that the next pass reads rows that change during this
    # one.
    until = newest - timedelta(seconds=ceil(elapsed))
    # A full pass may set the watermark back, because a change that it did not list does not exist.
    return _finish(conn, run, reader, until=until if since is None or known is None else max(until, known))


def sync_orders(
    conn: Connection,
    source: ErpSource,
    *,
    since: date | None,
    backup_dir: FileFolder | Path | None,
    log: _Log,
    full: bool = False,
) -> SyncReport:
    """Write to `ordens_servico` the orders issued from `since` on (None: all orders).

    Orders that were issued earlier and are still open are read one by one. Saved pages are skipped if nothing
    can have changed, unless `full`. After a PipelineError, the next call resumes.
    """
    with named_lock(
        conn,
        erp_passes.LOCKS["ordem-servico"],
        on_wait=lambda: log.info("another run reads the orders; waiting"),
    ):
        state = _state(source, "ordem-servico", since)
        if not full and (same := _same_pages(conn, "ordem-servico", state, log)):
            return same
        run = erp_passes.begin(conn, "ordem-servico", "window", state)
        backup = _backup(backup_dir, source, run)
        loader = OrderLoader(conn, source, backup, log)
        reader = _PassReader(conn, run, source.live, loader, backup, log)

        def fetch(at: int) -> ListingPage:
            page = source.orders_page(at, since)
            return replace(page, items=blank_mentions(conn, page.items))

        def work() -> None:
            reader.read("", "ordem-servico/list", fetch)
            _recheck_open(reader, loader, since)

        _run(conn, run, reader, work)
        return _finish(conn, run, reader, until=None)


def _recheck_open(reader: _PassReader, loader: OrderLoader, since: date | None) -> None:
    """Read again the open orders that were issued before `since`.

    The ERP can't list orders by the date of their last change.
    """
    state = reader.run.state
    if loader.columns["data_emissao"].family not in {"date", "time"}:
        return  # without dates in the user's table, the orders before `since` are unknown
    while batch := erp_store.open_orders(
        reader.conn, issued_before=since, after=state.get("rechecked", 0), limit=_DETAILS_BATCH
    ):
        state["rechecked"] = batch[-1].id_ordem_servico
        loader.prepare_open(batch)
        with reader.conn.transaction():
            reader.tally.loaded.add(loader.load_open(batch))
            erp_passes.advance(reader.conn, reader.run, "recheck", 0, ())


def _state(source: ErpSource, resource: Resource, since: date | None) -> dict[str, Any]:
    """Return the initial state of a pass: its source, period and saved pages."""
    return {
        "source": source.name,
        "since": since.isoformat() if since else None,
        "pages": erp_unchanged.pages_fingerprint(source, resource),
        "done": {},
        "newest": None,
    }


def _same_pages(conn: Connection, resource: Resource, state: dict[str, Any], log: _Log) -> SyncReport | None:
    """Return the report of a pass over unchanged saved pages; None if a pass is needed."""
    counts = erp_unchanged.counts_if_unchanged(conn, resource, state)
    if counts is None:
        return None
    last = SyncReport(**counts)
    kept = last.inserted + last.updated + last.unchanged
    log.info(
        "%s: the saved pages are unchanged since the last pass, %d rows as before",
        resource,
        kept,
        extra=fields(resource=resource, counts={"unchanged": kept}),
    )
    return SyncReport(
        items=last.items,
        expected=last.expected,
        unchanged=kept,
        truncated=last.truncated,
        exceptions=last.exceptions,
        v2_names=last.v2_names,
        same_pages=1,
    )


def _backup(folder: FileFolder | Path | None, source: ErpSource, run: erp_passes.Pass) -> PageBackup | None:
    # Saved pages are their own backup.
    if folder is None or not source.live:
        return None
    backup = PageBackup(folder, run.state.get("backup"))
    run.state["backup"] = backup.name
    return backup


def _run(conn: Connection, run: erp_passes.Pass, reader: _PassReader, work: Callable[[], None]) -> None:
    """Call `work` for a pass. If it fails, store the pass as failed with its progress."""
    if run.resumed:
        reader.log.info(
            "resuming the unfinished pass over %s", run.resource, extra=fields(resource=run.resource)
        )
    else:
        reader.loader.forget_unreadable()
    try:
        work()
    except BaseException:
        # If the connection failed, the pass keeps the status `running`. The next pass resumes it, too.
        with suppress(psycopg.Error):
            erp_passes.fail_pass(conn, run, items=reader.items(), expected=reader.tally.expected)
        raise


def _finish(
    conn: Connection, run: erp_passes.Pass, reader: _PassReader, *, until: datetime | None
) -> SyncReport:
    tally, items = reader.tally, reader.items()
    loaded = tally.loaded
    report = SyncReport(
        pages=tally.pages,
        items=items,
        expected=tally.expected,
        read_again=tally.read_again,
        resumed=int(run.resumed),
        incremental=int(run.scope == "incremental"),
        **asdict(loaded),
    )
    with conn.transaction():
        erp_unchanged.add_version(conn, run, report.counts())
        # `expected` is at most `items`: a row that moved from one listing to another is counted twice.
        erp_passes.complete(conn, run, until=until, items=items, expected=min(tally.expected, items))
    reader.log.info(
        "%s: %d rows, %d new, %d changed, %d as before",
        run.resource,
        items,
        loaded.inserted,
        loaded.updated,
        loaded.unchanged,
        extra=fields(
            resource=run.resource,
            rows=items,
            new=loaded.inserted,
            changed=loaded.updated,
            unchanged=loaded.unchanged,
        ),
    )
    if loaded.v2_names:
        reader.log.info(
            "%d of them have the field names of API v2",
            loaded.v2_names,
            extra=fields(resource=run.resource, counts={"v2_names": loaded.v2_names}),
        )
    return report


def _id_or_none(item: Item) -> int | None:
    try:
        return item_id(item)
    except ItemError:
        return None


def _later(newest: str | None, page: ListingPage, began: datetime) -> str | None:
    """Return the latest change so far, including this page, that is before the start of the pass.

    A contact may have a date in the future. With that date as the watermark, the pipeline would miss every
    change until then. The start of the pass would be a wrong watermark too, because no contact has that date.
    """
    times = (parse_erp_time(str(item.get("dataAtualizacao") or "")) for item in page.items)
    known = parse_erp_time(newest or "")
    found = max((time for time in (*times, known) if time is not None and time <= began), default=None)
    return found.isoformat(" ") if found else None


def _digest(before: str, total: int, ids: Sequence[int]) -> str:
    """Return a hash of the rows of a reading up to this page.

    Equal pages in equal order give equal hashes.
    """
    return blake2b(f"{before} {total} {ids}".encode(), digest_size=16).hexdigest()

"""tiny_contacts and tiny_orders: the ERP's listings, read whole and kept in the database.

What belongs here: passes over listings that move while one reads, page by page, so that a killed pass goes on
where it was. What does not: HTTP (erp/) and SQL (store/). Rows that the ERP no longer lists stay.
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
from typing import Any, Final, TypeAlias

import psycopg

from whatsapp_pipeline.erp.items import Item, ItemError, item_id, parse_erp_time
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.erp.source import ErpSource, Resource
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.steps.contacts import erp_unchanged
from whatsapp_pipeline.steps.contacts.erased_contacts import blank_contacts, blank_mentions
from whatsapp_pipeline.steps.contacts.erp_backup import Backup
from whatsapp_pipeline.steps.contacts.erp_load import ContactLoader, Loaded, OrderLoader
from whatsapp_pipeline.store import exceptions
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import erp as erp_store
from whatsapp_pipeline.store.contacts import erp_passes
from whatsapp_pipeline.store.locks import named_lock

# An incremental pass looks back this far behind the watermark: clocks differ, and times have whole seconds.
OVERLAP: Final = timedelta(minutes=10)
LARGEST_LOAD: Final = 2000
# Orders whose details are asked for between two commits: a pass that is out of time keeps those before.
_DETAILS_BATCH: Final = 20
_SWEEPS: Final = 4
# Duplicates at a listing's end fill two pages at most: the second is the overlap where the total is too high.
_MOST_STALE_PAGES: Final = 2

# What a reading of a listing begins with; `last_id` is 0 where the last row had no id, and `digest` names the
# rows that the reading has brought so far.
_FIRST_READING: Final[dict[str, Any]] = {
    "offset": 0, "last_id": None, "total": None, "moved": False, "bad": 0, "digest": "",
}  # fmt: skip

_Log: TypeAlias = logging.Logger


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a pass did. `expected` is what the ERP counts, `items` the different rows it gave.

    `same_pages`: none was read, since they are those of the last pass and the rows are as it left them.
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
        """Return the counts, ready to show."""
        return asdict(self)


@dataclass(slots=True)
class _Tally:
    """The counts of a pass while it runs."""

    pages: int = 0
    expected: int = 0
    read_again: int = 0
    loaded: Loaded = field(default_factory=Loaded)


@dataclass(slots=True)
class _Reader:
    """One pass at work.

    The loader first fetches what a page's items lack, then keeps them in the transaction that also keeps how
    far the pass is.
    """

    conn: Connection
    run: erp_passes.Pass
    live: bool
    loader: ContactLoader | OrderLoader
    backup: Backup | None
    log: _Log
    tally: _Tally = field(default_factory=_Tally)

    def read(self, listing: str, name: str, fetch: Callable[[int], ListingPage]) -> None:
        """Read one listing until every row that it counts has been seen; `name` is for files and messages.

        Raises PipelineError when the listing repeats itself or never holds still.
        """
        state = self.run.state
        if listing in state["done"]:
            self.tally.expected += state["done"][listing]
            return
        if state.get("listing") != listing:
            state.update(_FIRST_READING, listing=listing, sweep=0, before=None)
        for key, value in {"digest": "", "before": None}.items():
            state.setdefault(key, value)  # an earlier version began the pass
        for _ in range(_SWEEPS):
            self._sweep(listing, name, fetch)
            seen = erp_passes.count_seen(self.conn, self.run, listing) + state["bad"]
            whole = seen >= state["total"] and not state["moved"]
            # Two readings that brought the same rows in the same order: nothing moved, the count is wrong.
            same = state["digest"] == state["before"]
            if whole or same:
                state["done"][listing] = seen
                self.tally.expected += seen
                self._keep_difference(listing, name)
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
            f"the ERP's {name} changed during each of {_SWEEPS} readings; what was read is kept, the "
            "next run resumes: choose a quieter hour"
        )

    def _restart(self) -> None:
        state = self.run.state
        state.update(_FIRST_READING, sweep=state["sweep"] + 1, before=state["digest"])

    def _keep_difference(self, listing: str, name: str) -> None:
        """Make it a finding that the ERP counts other rows than it lists, or drop an earlier pass's."""
        state = self.run.state
        total, resource = state["total"], f"{self.loader.table}: {name}"
        # The last reading alone: together they also hold rows that were deleted meanwhile.
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
        """Read the listing once from where it stands to its end."""
        state = self.run.state
        seen = erp_passes.seen(self.conn, self.run, listing, state["sweep"])
        offset: int | None = state["offset"]
        before: list[int] = []
        stale = 0  # pages in a row that brought no new id
        while offset is not None:
            page = fetch(offset)
            self.tally.pages += 1
            ids = [order for item in page.items if (order := _id_or_none(item)) is not None]
            is_new = not seen.issuperset(ids) or (not ids and offset < page.total)
            stale = 0 if is_new or not page.items else stale + 1
            if self.live and stale and (ids == before or stale > _MOST_STALE_PAGES):
                self._restart()
                self._save(listing)
                raise PipelineError(
                    f"the ERP gave the same rows of {name} again at offset {offset}: it ignores paging; "
                    "nothing is lost, report it to the ERP's support if it stays so"
                )
            items = page.items
            if self.live and items and state["last_id"] is not None:
                if _id_or_none(items[0]) == (state["last_id"] or None):
                    items = items[1:]  # the row that overlaps is loaded already
                else:
                    state["moved"] = True
            bad = sum(_id_or_none(item) is None for item in items)
            if state["total"] not in (None, page.total):
                state["moved"] = True
            seen.update(ids)
            before = ids
            if self.backup is not None:
                self.backup.save_page(name, page)
            state.update(
                total=page.total, bad=state["bad"] + bad, offset=page.next_offset,
                last_id=(_id_or_none(page.items[-1]) or 0) if page.items else state["last_id"],
                digest=_digest(state["digest"], page.total, ids),
            )  # fmt: skip
            self._keep(listing, items, ids)
            offset = page.next_offset
            if self.tally.pages % 20 == 0:
                self.log.info(
                    "%s: %d of %d",
                    name,
                    len(seen),
                    page.total,
                    extra=fields(resource=name, counts={"read": len(seen), "total": page.total}),
                )

    def _keep(self, listing: str, items: Sequence[Item], ids: Sequence[int]) -> None:
        size = _DETAILS_BATCH if self.live and isinstance(self.loader, OrderLoader) else LARGEST_LOAD
        for start in range(0, max(1, len(items)), size):
            part = items[start : start + size]
            self.loader.prepare(part)
            with self.conn.transaction():
                self.tally.loaded.add(self.loader.load(part))
                if start + size >= len(items):
                    self._save(listing, ids)

    def items(self) -> int:
        """Count the different rows the pass has seen."""
        return erp_passes.count_seen(self.conn, self.run)


def sync_contacts(
    conn: Connection, source: ErpSource, *, full: bool, backup_dir: Path | None, log: _Log
) -> SyncReport:
    """Bring `contatos` to what the ERP lists: every contact, or those changed since the last pass.

    It reads everything when `full`, when no pass over this source has ended well, and when a full pass broke
    off or an incremental one brought nothing; of saved pages everything or, where nothing could come of it,
    nothing. Each page is saved under `backup_dir` (None: not) before it is loaded. Raises PipelineError; the
    next call resumes.
    """
    with named_lock(
        conn, erp_passes.LOCKS["contatos"],
        on_wait=lambda: log.info("another run reads the contacts; waiting"),
    ):  # fmt: skip
        known = erp_passes.watermark(conn, "contatos", source.name)
        full = full or (source.live and erp_passes.is_unfinished(conn, "contatos", "full", source.name))
        since = None if full or known is None or not source.live else known - OVERLAP
        report = _read_contacts(conn, source, since, known, full=full, backup_dir=backup_dir, log=log)
        # The contact that changed last is listed again, unless its date was set back or the ERP fails.
        if since is not None and report.items == 0 and erp_store.knows_contacts(conn):
            log.warning("contatos: the ERP listed no change, not even the last one; reading every contact")
            report = _read_contacts(conn, source, None, known, full=True, backup_dir=backup_dir, log=log)
        return report


def _read_contacts(
    conn: Connection,
    source: ErpSource,
    since: datetime | None,
    known: datetime | None,
    *,
    full: bool,
    backup_dir: Path | None,
    log: _Log,
) -> SyncReport:
    """Make one pass over the contacts that changed since a time (None: over all); the caller holds the lock.

    `known` is the watermark of the passes before.
    """
    state = _state(source, "contatos", since)
    if not full and (same := _same_pages(conn, "contatos", state, log)):
        return same
    run = erp_passes.begin(conn, "contatos", "full" if since is None else "incremental", state)
    began = erp_passes.began(conn, run)
    loader = ContactLoader(conn, began)
    backup = _backup(backup_dir, source, run)
    reader = _Reader(conn, run, source.live, loader, backup, log)

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
    # A clock that was set back during the pass can't say how long it took: the watermark stays.
    if newest is None or elapsed < 0:
        return _finish(conn, run, reader, until=known)
    # Changed before the pass began: a row that changed behind the reader's back is read next time.
    until = newest - timedelta(seconds=ceil(elapsed))
    # A full pass may set the watermark back: what it did not list can't be the newest change.
    return _finish(conn, run, reader, until=until if since is None or known is None else max(until, known))


def sync_orders(
    conn: Connection,
    source: ErpSource,
    *,
    since: date | None,
    backup_dir: Path | None,
    log: _Log,
    full: bool = False,
) -> SyncReport:
    """Bring `ordens_servico` to what the ERP lists from the emission date `since` on (None: all of them).

    Orders issued before and still open are asked for one by one. Saved pages are passed over where nothing
    could come of them, unless `full`. Raises PipelineError; the next call resumes.
    """
    with named_lock(
        conn, erp_passes.LOCKS["ordem-servico"],
        on_wait=lambda: log.info("another run reads the orders; waiting"),
    ):  # fmt: skip
        state = _state(source, "ordem-servico", since)
        if not full and (same := _same_pages(conn, "ordem-servico", state, log)):
            return same
        run = erp_passes.begin(conn, "ordem-servico", "window", state)
        backup = _backup(backup_dir, source, run)
        loader = OrderLoader(conn, source, backup, log)
        reader = _Reader(conn, run, source.live, loader, backup, log)

        def fetch(at: int) -> ListingPage:
            page = source.orders_page(at, since)
            return replace(page, items=blank_mentions(conn, page.items))

        def work() -> None:
            reader.read("", "ordem-servico/list", fetch)
            _recheck_open(reader, loader, since)

        _run(conn, run, reader, work)
        return _finish(conn, run, reader, until=None)


def _recheck_open(reader: _Reader, loader: OrderLoader, since: date | None) -> None:
    """Ask again for orders that were open and lie before the window: the ERP has no updated-since filter."""
    state = reader.run.state
    if loader.columns["data_emissao"].family not in {"date", "time"}:
        return  # the user's own table can't say which orders lie before the window
    while batch := erp_store.open_orders(
        reader.conn, issued_before=since, after=state.get("rechecked", 0), limit=_DETAILS_BATCH
    ):
        state["rechecked"] = batch[-1].id_ordem_servico
        loader.prepare_open(batch)
        with reader.conn.transaction():
            reader.tally.loaded.add(loader.load_open(batch))
            erp_passes.advance(reader.conn, reader.run, "recheck", 0, ())


def _state(source: ErpSource, resource: Resource, since: date | None) -> dict[str, Any]:
    """What a pass begins with: what it reads, and that it has read nothing yet."""
    return {
        "source": source.name, "since": since.isoformat() if since else None,
        "pages": erp_unchanged.pages_of(source, resource), "done": {}, "newest": None,
    }  # fmt: skip


def _same_pages(conn: Connection, resource: Resource, state: dict[str, Any], log: _Log) -> SyncReport | None:
    """Return the report of a pass that need not be made, None where it must."""
    counts = erp_unchanged.counts_of_same(conn, resource, state)
    if counts is None:
        return None
    last = SyncReport(**counts)
    kept = last.inserted + last.updated + last.unchanged
    log.info(
        "%s: the saved pages are those of the last pass, %d rows as before",
        resource,
        kept,
        extra=fields(resource=resource, counts={"unchanged": kept}),
    )
    return SyncReport(
        items=last.items, expected=last.expected, unchanged=kept, truncated=last.truncated,
        exceptions=last.exceptions, v2_names=last.v2_names, same_pages=1,
    )  # fmt: skip


def _backup(folder: Path | None, source: ErpSource, run: erp_passes.Pass) -> Backup | None:
    # Saved pages are their own backup.
    if folder is None or not source.live:
        return None
    backup = Backup(folder, run.state.get("backup"))
    run.state["backup"] = backup.name
    return backup


def _run(conn: Connection, run: erp_passes.Pass, reader: _Reader, work: Callable[[], None]) -> None:
    """Do the work of a pass; one that fails is closed as failed, with how far it came."""
    if run.resumed:
        reader.log.info(
            "resuming the pass over %s that did not end", run.resource, extra=fields(resource=run.resource)
        )
    else:
        reader.loader.forget_unreadable()
    try:
        work()
    except BaseException:
        # The connection may be what failed: then the pass stays `running` and is resumed all the same.
        with suppress(psycopg.Error):
            erp_passes.fail(conn, run, items=reader.items(), expected=reader.tally.expected)
        raise


def _finish(conn: Connection, run: erp_passes.Pass, reader: _Reader, *, until: datetime | None) -> SyncReport:
    tally, items = reader.tally, reader.items()
    loaded = tally.loaded
    report = SyncReport(
        pages=tally.pages, items=items, expected=tally.expected, read_again=tally.read_again,
        resumed=int(run.resumed), incremental=int(run.scope == "incremental"), **asdict(loaded),
    )  # fmt: skip
    with conn.transaction():
        erp_unchanged.keep(conn, run, report.counts())
        # Each listing was verified; together they may count a row twice that moved between two of them.
        erp_passes.complete(conn, run, until=until, items=items, expected=min(tally.expected, items))
    reader.log.info(
        "%s: %d rows, %d new, %d changed, %d as before",
        run.resource, items, loaded.inserted, loaded.updated, loaded.unchanged,
        extra=fields(
            resource=run.resource, rows=items, new=loaded.inserted, changed=loaded.updated,
            unchanged=loaded.unchanged,
        ),
    )  # fmt: skip
    if loaded.v2_names:
        reader.log.info(
            "%d of them came with the field names of API v2",
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
    """Return the latest change seen so far, with a page's, of those before the pass began.

    A contact can carry a date in the future. A watermark taken from it would hide every change until then;
    one set to the pass's beginning would promise a contact there, and the next pass would list none.
    """
    times = (parse_erp_time(str(item.get("dataAtualizacao") or "")) for item in page.items)
    known = parse_erp_time(newest or "")
    found = max((time for time in (*times, known) if time is not None and time <= began), default=None)
    return found.isoformat(" ") if found else None


def _digest(before: str, total: int, ids: Sequence[int]) -> str:
    """Name the rows of a reading up to and including a page; equal for equal pages in equal order."""
    return blake2b(f"{before} {total} {ids}".encode(), digest_size=16).hexdigest()

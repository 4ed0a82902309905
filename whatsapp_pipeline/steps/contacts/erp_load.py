"""Loading one page of the ERP into the database: finding changed rows, fitting, writing and reporting them.

What belongs here: one page. What does not: the sequence of pages (`erp_sync`). `load` and `load_open` write
in the caller's transaction. `prepare` and `prepare_open` must be called before it begins.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from whatsapp_pipeline import logs
from whatsapp_pipeline.erp.client import ErpAddressError
from whatsapp_pipeline.erp.items import (
    ErpContact,
    Identified,
    Item,
    ItemError,
    identify,
    read_contact,
    read_order,
)
from whatsapp_pipeline.erp.source import ErpSource
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.contacts.erased_contacts import blank_mentions
from whatsapp_pipeline.steps.contacts.erp_backup import PageBackup
from whatsapp_pipeline.store import exceptions
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import erp, erp_rows
from whatsapp_pipeline.store.operations import adoption, suppression

# Largest number of consecutive orders whose details can't be fetched. More of them mean that the ERP has
# failed.
_MAX_FAILURES = 2
_FUTURE = "data_atualizacao: a date in the future, which incremental reading ignores"


@dataclass(slots=True)
class Loaded:
    """Counts of the loaded rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    truncated: int = 0
    exceptions: int = 0
    details_read: int = 0
    v2_names: int = 0

    def add(self, other: Loaded) -> None:
        """Add another page's counts."""
        for column in fields(self):
            setattr(self, column.name, getattr(self, column.name) + getattr(other, column.name))


class _Loader:
    """Base class for loading contacts and loading orders."""

    def __init__(self, conn: Connection, table: erp.Table) -> None:
        self.conn, self.table, self.stage = conn, table, erp.STAGES[table]
        self.columns = adoption.columns_by_name(conn, table)
        if "id" not in self.columns or self.columns["id"].family != "integer":
            raise PipelineError(
                f"the column {table}.id is no integer, so the ERP's rows can't be stored in {table}"
            )

    def write(
        self,
        rows: Iterable[tuple[int, Mapping[str, erp_rows.Value]]],
        rejected: Mapping[int, Mapping[str, str]],
        loaded: Loaded,
        *,
        future: Iterable[int] = (),
    ) -> erp_rows.Fitted:
        """Fit rows to the columns and write them. Values that do not fit are stored as findings."""
        listed = list(rows)
        if not listed:
            return erp_rows.Fitted()
        fitted = erp_rows.fit_values(self.columns, listed, rejected)
        written = erp_rows.upsert(self.conn, self.table, self.columns, fitted)
        loaded.inserted += written.inserted
        loaded.updated += written.updated
        loaded.unchanged += len(fitted.rows) - written.inserted - written.updated
        loaded.truncated += sum(misfit.kind == "truncated" for misfit in fitted.misfits)
        loaded.exceptions += exceptions.replace_for_files(
            self.conn,
            self.stage,
            [self.place(row_id) for row_id, _ in listed],
            [
                *(self.finding(m.id, m.kind, "warning", m.detail) for m in fitted.misfits),
                *(self.finding(row_id, "future_date", "warning", _FUTURE) for row_id in future),
            ],
        )
        return fitted

    def store_unreadable(self, reasons: Sequence[str], loaded: Loaded) -> None:
        """Store a finding for each reason why an item without an id could not be read.

        The findings of earlier pages are kept.
        """
        if not reasons:
            return
        known = exceptions.details(self.conn, self.stage, self.place("?"))
        rows = [
            self.finding("?", "unreadable_item", "error", reason)
            for reason in dict.fromkeys([*known, *reasons])
        ]
        loaded.exceptions += exceptions.replace_for_files(self.conn, self.stage, [self.place("?")], rows)

    def forget_unreadable(self) -> None:
        """Delete the findings about items without an id. The new pass finds those that still exist."""
        exceptions.replace_for_files(self.conn, self.stage, [self.place("?")], [])

    def place(self, row_id: int | str) -> str:
        """Return the name of a row in findings, for example `contatos/123`."""
        return f"{self.table}/{row_id}"

    def finding(self, row_id: int | str, kind: str, severity: str, detail: str) -> exceptions.ExceptionRow:
        """Return a finding about a row."""
        return self.finding_about(self.place(row_id), kind, severity, detail)

    def finding_about(self, place: str, kind: str, severity: str, detail: str) -> exceptions.ExceptionRow:
        """Return a finding about the row or listing `place`."""
        return exceptions.ExceptionRow(self.stage, place, None, None, None, kind, severity, detail)

    def identified(self, items: Sequence[Item], loaded: Loaded) -> dict[int, Identified]:
        """Return the items of a page by id. Of several items with the same id, the last one is returned.

        Items without an id are findings.
        """
        found: dict[int, Identified] = {}
        reasons: list[str] = []
        for item in items:
            try:
                row = identify(item)
            except ItemError as reason:
                reasons.append(str(reason))
                continue
            found[row.id] = row
        self.store_unreadable(reasons, loaded)
        return found


class ContactLoader(_Loader):
    """Loads pages of contacts."""

    def __init__(self, conn: Connection, began: datetime) -> None:
        """Load into the database of `conn`. `began` is the start of the pass in the ERP's local time."""
        super().__init__(conn, "contatos")
        self._tomorrow = began + timedelta(days=1)

    def prepare(self, items: Sequence[Item]) -> None:
        """Do nothing, because a page has all data of its contacts."""

    def load(self, items: Sequence[Item]) -> Loaded:
        """Write a page of contacts. Unchanged contacts need only one lookup per page."""
        loaded = Loaded()
        listed = self.identified(items, loaded)
        for erased in suppression.suppressed_contact_ids(self.conn, listed):
            del listed[erased]
        same = erp.unchanged_contacts(self.conn, {row.id: row.item_hash for row in listed.values()})
        changed = [read_contact(row.item) for row in listed.values() if row.id not in same]
        loaded.unchanged += len(same)
        names = Counter([*same.values(), *(contact.field_names for contact in changed)])
        loaded.v2_names += names["v2"]
        fitted = self.write(
            ((contact.id, contact.values) for contact in changed),
            {contact.id: contact.rejected for contact in changed},
            loaded,
            future=[c.id for c in changed if c.updated is not None and c.updated > self._tomorrow],
        )
        erp.remember_contacts(
            self.conn,
            [
                _source(contact, listed[contact.id].item_hash, fitted.cut_columns(contact.id))
                for contact in changed
                if contact.id in fitted.rows
            ],
        )
        return loaded


def _source(contact: ErpContact, item_hash: bytes, cut: list[str]) -> erp.ContactSource:
    return erp.ContactSource(
        contact.id,
        contact.situacao,
        contact.updated,
        contact.values.get("telefone"),
        contact.values.get("celular"),
        item_hash,
        contact.field_names,
        cut,
    )


class OrderLoader(_Loader):
    """Loads pages of orders, and the details that a listing does not have."""

    def __init__(
        self, conn: Connection, source: ErpSource, backup: PageBackup | None, log: logging.Logger
    ) -> None:
        super().__init__(conn, "ordens_servico")
        self._source, self._backup, self._log = source, backup, log
        self._details: dict[int, Identified] = {}
        self._missing: set[int] = set()
        self._foreign: set[int] = set()  # orders for which the ERP returned another order's details
        self._failing: dict[int, str] = {}  # orders whose details failed → the ERP's answer
        self._failed_in_a_row = 0
        self._asked = 0

    def prepare(self, items: Sequence[Item]) -> None:
        """Fetch the details of a page's orders that are new or changed, before the transaction begins."""
        listed = self.identified(items, Loaded())
        known = erp.known_orders(self.conn, list(listed))
        self._fetch([o.id for o in listed.values() if not self._source.live or _changed(o, known.get(o.id))])

    def load(self, items: Sequence[Item]) -> Loaded:
        """Write a page of orders, with the details that `prepare` fetched."""
        loaded = Loaded(details_read=self._asked)
        listed = self.identified(items, loaded)
        known = erp.known_orders(self.conn, list(listed))
        sources, rows = [], []
        rejected: dict[int, dict[str, str]] = {}
        for order in listed.values():
            detail = self._details.get(order.id)
            before = known.get(order.id)
            if not _changed(order, before) and (detail is None or not _changed_in_detail(detail, before)):
                loaded.unchanged += 1
                continue
            read = [read_order(item) for item in (order.item, *([detail.item] if detail else []))]
            values = {name: value for one in read for name, value in one.values.items()}
            rejected[order.id] = {
                c: shape for one in read for c, shape in one.rejected.items() if c not in values
            }
            rows.append((order.id, values))
            # An order without details keeps its old hash, so that the next pass reads the order again.
            unread = before if order.id in self._missing else None
            item_hash = unread.item_hash if unread else order.item_hash
            sources.append((order.id, item_hash, detail.item_hash if detail else None))
        self._write_orders(rows, rejected, sources, loaded)
        return loaded

    def prepare_open(self, batch: Sequence[erp.OrderSource]) -> None:
        """Fetch the details of open orders outside the period, before the transaction begins."""
        self._fetch([order.id_ordem_servico for order in batch])

    def load_open(self, batch: Sequence[erp.OrderSource]) -> Loaded:
        """Write the details of orders outside the period."""
        loaded = Loaded(details_read=self._asked)
        sources, rows = [], []
        rejected: dict[int, dict[str, str]] = {}
        for before in batch:
            detail = self._details.get(before.id_ordem_servico)
            if detail is None or not _changed_in_detail(detail, before):
                loaded.unchanged += 1
                continue
            read = read_order(detail.item)
            rows.append((detail.id, read.values))
            rejected[detail.id] = read.rejected
            sources.append((detail.id, before.item_hash, detail.item_hash))
        self._write_orders(rows, rejected, sources, loaded)
        return loaded

    def _fetch(self, ids: Sequence[int]) -> None:
        self._details, self._missing, self._foreign, self._failing, self._asked = {}, set(), set(), {}, 0
        found: dict[int, Item] = {}
        for order_id in ids:
            item = self._detail(order_id)
            self._asked += 1
            if self._asked % 50 == 0 and self._source.live:
                self._log.info(
                    "details of %d of %d orders",
                    self._asked,
                    len(ids),
                    extra=logs.fields(counts={"orders_asked": self._asked, "orders": len(ids)}),
                )
            if item is not None:
                found[order_id] = item
        kept = blank_mentions(self.conn, list(found.values()))
        for order_id, item in zip(found, kept, strict=True):
            with suppress(ItemError):  # raised if the answer of the ERP is not an order
                detail = identify(item)
                if detail.id == order_id:
                    self._details[order_id] = detail
                else:
                    self._foreign.add(order_id)
        self._missing = {order_id for order_id in ids if order_id not in self._details}
        if self._backup is not None:
            self._backup.save_details([detail.item for detail in self._details.values()])

    def _detail(self, order_id: int) -> Item | None:
        """Return the details of an order. Raises ErpAddressError after too many consecutive failures."""
        try:
            item = self._source.order(order_id)
        except ErpAddressError as error:
            self._failed_in_a_row += 1
            if self._failed_in_a_row > _MAX_FAILURES:
                raise
            self._failing[order_id] = str(error)
            return None
        self._failed_in_a_row = 0
        return item

    def _write_orders(
        self,
        rows: Sequence[tuple[int, Mapping[str, erp_rows.Value]]],
        rejected: Mapping[int, Mapping[str, str]],
        sources: Sequence[tuple[int, bytes, bytes | None]],
        loaded: Loaded,
    ) -> None:
        fitted = self.write(rows, rejected, loaded)
        erp.remember_orders(
            self.conn,
            [
                erp.OrderSource(order_id, item_hash, detail_hash, fitted.cut_columns(order_id))
                for order_id, item_hash, detail_hash in sources
                if order_id in fitted.rows
            ],
        )
        if self._source.live and self._missing:
            loaded.exceptions += exceptions.replace_for_files(
                self.conn,
                self.stage,
                [self.place(order_id) for order_id in self._missing],
                [self._finding_without_details(order_id) for order_id in self._missing],
            )

    def _finding_without_details(self, order_id: int) -> exceptions.ExceptionRow:
        if order_id in self._foreign:
            words = "the ERP answered with the details of another order; they were not stored"
            return self.finding(order_id, "other_details", "warning", words)
        if order_id in self._failing:
            return self.finding(order_id, "no_details", "warning", self._failing[order_id])
        return self.finding(
            order_id, "no_details", "info", "the ERP lists the order but has no details of it"
        )


def _changed(order: Identified, before: erp.OrderSource | None) -> bool:
    """Return whether to read the details of an order.

    They are read if the order is new, changed, without details, or was truncated.
    """
    return (
        before is None
        or before.item_hash != order.item_hash
        or before.detail_hash is None
        or bool(before.truncated)
    )


def _changed_in_detail(detail: Identified, before: erp.OrderSource | None) -> bool:
    """Return whether an order's details changed since the last reading, or were truncated."""
    return before is None or before.detail_hash != detail.item_hash or bool(before.truncated)

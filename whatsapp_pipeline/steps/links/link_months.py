"""Linking by month, for both contact_links and order_links.

What belongs here: locks, fingerprints, and the input hashes that the backfill planner compares. What does
not: deciding (link_contacts.py, link_orders.py).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

from whatsapp_pipeline.domain.gc_disabled import gc_disabled
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.steps.links.link_counts import LinkReport, count_links
from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import fingerprints, link_parts, queue_refresh
from whatsapp_pipeline.store.links.decisions import Tally
from whatsapp_pipeline.store.links.fingerprints import Stage
from whatsapp_pipeline.store.locks import in_transaction, month_lock

Fitted: TypeAlias = Literal["model", "phone_weights"]


class MonthLinking(ABC):
    """Links the months of one run. Data that all months share is read once, for the first month."""

    stage: ClassVar[Stage]
    unit: ClassVar[Literal["chats", "sessions"]]
    written: ClassVar[tuple[str, ...]]
    """The kinds of rows that `_decide_and_write` counts."""

    def __init__(self, *, log: logging.Logger) -> None:
        self._log = log
        self._versions: str | None = None
        self._orders = ""

    def link(self, conn: Connection, month: str) -> LinkReport:
        """Link every chat or session of `month` (`YYYY-MM`), in one transaction.

        If no input of the links has changed since the last run, nothing is decided. The run then only repairs
        rows of the review queue that differ from the links.
        """
        with month_lock(conn, self.stage, month), gc_disabled():
            return in_transaction(conn, lambda: self._link(conn, month))

    def _link(self, conn: Connection, month: str) -> LinkReport:
        if self._versions is None:
            # The hashes are read before all other data, so that later changes make the month stale.
            self._versions = fingerprints.versions(conn, self.stage)
            self._orders = link_parts.orders_version(conn)
        rules = self._rules(conn)
        before = self._hashes_before_deciding(conn, month)
        inputs = fingerprints.input_fingerprint(conn, self.stage, month, self._versions, rules_hash(), *rules)
        changed: Mapping[str, int] = dict.fromkeys(self.written, 0)
        if not fingerprints.is_current(conn, self.stage, month, inputs):
            with queue_refresh.refresh_month_at_end(conn, month):
                changed = self._decide_and_write(conn, month)
            fingerprints.store_fingerprint(conn, self.stage, month, inputs)
            same = link_parts.orders_version(conn) == self._orders
            orders = link_parts.orders_part(conn, month) if same else link_parts.CHANGED_MEANWHILE
            input_hashes = {**self.input_hashes(conn, month, before), "orders": orders}
            link_parts.store_parts(conn, self.stage, month, input_hashes)
        elif differing := queue_refresh.repair_month(conn, month):
            self._log.warning(
                "%s: repaired the review queue's rows of %s chats, which differed from their links",
                month,
                differing,
                extra=fields(month=month),
            )
        return count_links(month, self.unit, self._tally(conn, month), changed)

    @abstractmethod
    def input_hashes(
        self, conn: Connection, month: str, before: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return one hash per kind of input of the month's links, except orders.

        The backfill planner compares them. `before` is the result of `_hashes_before_deciding`, if it is
        known.
        """

    @abstractmethod
    def models_to_refit(self, conn: Connection, month: str) -> list[Fitted]:
        """Return the models that a run of the month would fit again before it links."""

    @abstractmethod
    def _rules(self, conn: Connection) -> tuple[str, ...]:
        """Fit the models that are due, and return options and models as text."""

    def _hashes_before_deciding(self, conn: Connection, month: str) -> dict[str, str]:
        """Return hashes that must be read before deciding, because other programs write to these tables."""
        return {}

    @abstractmethod
    def _decide_and_write(self, conn: Connection, month: str) -> Mapping[str, int]:
        """Decide the month, write the differences, and return the number of changed rows by kind."""

    @abstractmethod
    def _tally(self, conn: Connection, month: str) -> list[Tally]:
        """Return the counts of the month's current links."""

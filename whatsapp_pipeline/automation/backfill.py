"""Months that need work, with reasons: missing, failed, or stale.

What belongs here: finding these months in Dagster's events, the archive and the database. What does not:
running them (headless.py, schedules). A month is stale after a change of its files, of data that its links
depend on, or of the code of an asset. Contacts that are not normalized yet make every month stale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import dagster as dg

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.assets.partition_status import MONTHLY, failed_partitions
from whatsapp_pipeline.assets.partitions import MONTHS, month_ranges
from whatsapp_pipeline.dagster_private import AssetGraph
from whatsapp_pipeline.steps.operations.retention import first_month_kept
from whatsapp_pipeline.store.chats.ignored import ignored_paths
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import backlog

if TYPE_CHECKING:
    from whatsapp_pipeline.archive import ChatArchive

Kind: TypeAlias = Literal["missing", "failed", "stale"]
KINDS: tuple[Kind, ...] = ("missing", "failed", "stale")
CODE_VERSION_TAG = "dagster/code_version"
_EVENTS = 1000  # number of events per query


@dataclass(frozen=True, slots=True)
class Plan:
    """Months that need work, with the reasons of each as text, and the kinds of these reasons."""

    reasons: Mapping[str, list[str]] = field(default_factory=dict)
    kinds: Mapping[str, set[Kind]] = field(default_factory=dict)

    @property
    def months(self) -> list[str]:
        """The months, in order."""
        return sorted(self.reasons)

    @property
    def ranges(self) -> list[tuple[str, str]]:
        """The necessary runs: first and last month of each range of consecutive months."""
        return month_ranges(self.months)


@dataclass(frozen=True, slots=True)
class _Last:
    """The last materialization of an asset for a month."""

    timestamp: float
    code_version: str | None


def plan(
    graph: AssetGraph,
    instance: dg.DagsterInstance,
    conn: Connection,
    archive: ChatArchive,
    *,
    kinds: Collection[Kind] = KINDS,
    since: str | None = None,
) -> Plan:
    """Return the archive's months from `since` on that are missing, failed or stale, if `kinds` has the kind.

    Months before FIRST_MONTH, and months that retention deletes, are never included.
    """
    known = set(MONTHS.get_partition_keys())
    kept = first_month_kept(settings.load_settings().retention_months, clock.today())
    oldest = max(since or "", kept or "")
    months = [m for m in archive.months() if m in known and m >= oldest]
    reasons: dict[str, list[str]] = defaultdict(list)
    found: dict[str, set[Kind]] = defaultdict(set)

    def add(month: str, kind: Kind, words: str) -> None:
        if kind in kinds:
            reasons[month].append(words)
            found[month].add(kind)

    last = {asset: _last(instance, asset) for asset in MONTHLY}
    for month, asset in failed_partitions(instance, months):
        add(month, "failed", f"{asset} failed")
    for month in months:
        absent = [asset for asset in MONTHLY if month not in last[asset]]
        if absent:
            add(month, "missing", f"{', '.join(absent)} never materialized")
    if "stale" in kinds:
        done = [month for month in months if all(month in last[asset] for asset in MONTHLY)]
        for month, words in _stale(graph, conn, archive, done, last):
            add(month, "stale", words)
    return Plan(dict(reasons), dict(found))


def _last(instance: dg.DagsterInstance, asset: str) -> dict[str, _Last]:
    key = dg.AssetKey(asset)
    ids = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    latest: dict[str, _Last] = {}
    stored = list(ids.values())
    for start in range(0, len(stored), _EVENTS):
        batch = stored[start : start + _EVENTS]
        for record in instance.fetch_materializations(
            dg.AssetRecordsFilter(key, storage_ids=batch), limit=_EVENTS
        ).records:
            if (materialization := record.asset_materialization) and materialization.partition:
                tags = materialization.tags or {}
                latest[materialization.partition] = _Last(record.timestamp, tags.get(CODE_VERSION_TAG))
    return latest


def _stale(
    graph: AssetGraph,
    conn: Connection,
    archive: ChatArchive,
    months: Sequence[str],
    last: Mapping[str, Mapping[str, _Last]],
) -> list[tuple[str, str]]:
    """Return (month, reason) pairs for the materialized months that are stale."""
    versions = _code_versions(graph)
    found = _links_behind(conn, months)
    for month in months:
        for asset in MONTHLY:
            then = last[asset][month].code_version
            if then is not None and then != versions[asset]:
                found.append((month, f"{asset}: code version {then} → {versions[asset]}"))
        if words := files_changed(conn, archive, month):
            found.append((month, words))
    return found


def _links_behind(conn: Connection, months: Sequence[str]) -> list[tuple[str, str]]:
    """Return (month, reason) pairs for months that a run would link again.

    Contacts that are not normalized yet are a reason for every month.
    """
    from whatsapp_pipeline.steps.contacts.normalize_contacts import waiting_contacts
    from whatsapp_pipeline.steps.links.staleness import stale_months

    area_code = settings.load_settings().default_area_code
    found = list(stale_months(conn, months, default_area_code=area_code))
    if waiting := waiting_contacts(conn, default_area_code=area_code):
        words = "1 contact is" if waiting == 1 else f"{waiting:,} contacts are"
        found += [(month, f"{words} not normalized") for month in months]
    return found


def _code_versions(graph: AssetGraph) -> dict[str, str | None]:
    return {asset: graph.get(dg.AssetKey(asset)).code_version for asset in MONTHLY}


def files_changed(conn: Connection, archive: ChatArchive, month: str) -> str | None:
    """Return the numbers of new, changed and missing files of a month as text; None if there are none.

    The files in the month's folder are compared with the index by path, size and time.
    """
    ignored = ignored_paths(conn)
    files = [file for file in archive.listing(month).files if file.path not in ignored]
    listed = {file.path: (file.size, file.modified_at) for file in files}
    known = backlog.indexed_files(conn, month)
    unknown = sorted(set(listed) - set(known))
    new = len(set(unknown) - backlog.erased_paths(conn, unknown))
    missing = len(set(known) - set(listed))
    changed = sum(listed[path] != known[path] for path in set(listed) & set(known))
    words = [f"{n} {what}" for n, what in ((new, "new"), (changed, "changed"), (missing, "missing")) if n]
    return f"files: {', '.join(words)}" if words else None

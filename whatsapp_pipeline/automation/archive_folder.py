"""The sensor that loads new and changed exports minutes after they arrive. It is off by default.

What belongs here: finding months whose files changed and then stayed the same for a while, and requesting
runs of these months. What does not: comparing files with the index (backfill.py) and loading them
(steps/chats/).

The cursor has for each month: a digest of its files, the time since which the digest is unchanged, and
whether these files are loaded. So a tick without changes only lists files and does not query the database.
Files are loaded if a run has seen them and Dagster has recorded a materialization of `chat_messages` for the
month by that run. A run that ends early because of a pause is successful, but has no such materialization.
After such a run, or a failed run, the month is requested again, each time after a longer pause.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.automation.backfill import files_changed
from whatsapp_pipeline.automation.run_status import UNFINISHED
from whatsapp_pipeline.automation.schedules import MAX_MONTHS_IN_PROGRESS, monthly_chats
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import PARTITION, RANGE_END, RANGE_START
from whatsapp_pipeline.steps.operations.gates import pause_in_words
from whatsapp_pipeline.steps.operations.retention import first_month_kept
from whatsapp_pipeline.store.connection import Connection

if TYPE_CHECKING:
    from whatsapp_pipeline.archive import ChatArchive

QUIET = timedelta(minutes=2)
"""Time without changes after which a month is loaded. Before that, somebody may still be copying files."""
INTERVAL_SECONDS = 60


@dg.sensor(
    job=monthly_chats,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Load a month of the archive two minutes after the last of its files was added or changed. "
    "Off by default: turn it on if exports arrive during the day.",
)
def archive_folder_sensor(
    context: dg.SensorEvaluationContext, database: Database, archive: dg.ResourceParam[Archive]
) -> dg.SensorResult:
    """Request one run for each month whose files changed and then stayed unchanged."""
    seen: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
    try:
        files = archive.open()
        unchanged = _update_digests(files, seen)
        with database.connect(application_name="whatsapp-pipeline folder sensor") as conn:
            if words := pause_in_words(conn):
                return dg.SensorResult(skip_reason=words, cursor=json.dumps(seen))
            requests, waiting = _requests(context.instance, conn, files, seen, unchanged)
    except PipelineError as error:
        return dg.SensorResult(skip_reason=f"new files can't be found now: {error}", cursor=context.cursor)
    waiting += [
        f"{month}: its files are still changing" for month in sorted(seen) if _is_changing(seen[month])
    ]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(waiting[:5]) or "no new or changed files",
        cursor=json.dumps(seen),
    )


def _update_digests(archive: "ChatArchive", seen: dict[str, Any]) -> list[str]:
    """Update the digest of each month in `seen`.

    Return the months whose files no longer change and are not known to be loaded.
    """
    known = set(MONTHS.get_partition_keys())
    oldest = first_month_kept(settings.load_settings().retention_months, clock.today()) or ""
    months = [month for month in archive.months() if month in known and month >= oldest]
    for month in set(seen) - set(months):
        del seen[month]
    for month in months:
        digest = hashlib.sha256()
        for file in archive.listing(month).files:
            digest.update(f"{file.path}\0{file.size}\0{file.modified_at.isoformat()}\n".encode())
        short = digest.hexdigest()[:16]
        if seen.get(month, {}).get("digest") != short:
            seen[month] = {"digest": short, "since": clock.now().timestamp(), "loaded": False}
    return [month for month in months if not seen[month]["loaded"] and not _is_changing(seen[month])]


def _is_changing(state: dict[str, Any]) -> bool:
    return clock.now() - datetime.fromtimestamp(state["since"], UTC) < QUIET


def _requests(
    instance: dg.DagsterInstance,
    conn: Connection,
    archive: "ChatArchive",
    seen: dict[str, Any],
    unchanged: list[str],
) -> tuple[list[dg.RunRequest], list[str]]:
    """Return the runs to request, and the reasons why other months wait.

    Set the months that are loaded in `seen`.
    """
    requests: list[dg.RunRequest] = []
    waiting: list[str] = []
    under_way = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    free_runs = MAX_MONTHS_IN_PROGRESS - sum(run.job_name == monthly_chats.name for run in under_way)
    for month in unchanged:
        state = seen[month]
        words = files_changed(conn, archive, month)
        since = datetime.fromtimestamp(state["since"], UTC)
        loaded = _newest(instance, "chat_messages", month)
        failed, unsuccessful = _runs_after(instance, month, loaded)
        if loaded and loaded.run_began >= since:
            state["loaded"] = True  # the run has seen these files, so another run would do nothing
        elif words is None and not failed and not _index_is_newer(instance, month, loaded):
            state["loaded"] = True
        elif any(_covers(run.tags, month) for run in under_way):
            waiting.append(f"{month}: a run is under way")
        elif (again := _next_request_at(unsuccessful)) > clock.now():
            waiting.append(
                f"{month}: the last run failed or was held; the next one is requested at {again:%H:%M} UTC"
            )
        elif len(requests) >= free_runs:
            waiting.append(f"{month}: {words or 'its messages are not loaded'}")
        else:
            # Dagster never starts two runs with the same key, so the key contains the time of the request.
            key = f"folder:{month}:{state['digest']}:{clock.now():%Y%m%dT%H%M%S}"
            requests.append(dg.RunRequest(run_key=key, partition_key=month))
    return requests, waiting


def _covers(tags: Mapping[str, str], month: str) -> bool:
    first, last = tags.get(RANGE_START), tags.get(RANGE_END)
    return tags.get(PARTITION) == month or bool(first and last and first <= month <= last)


class _Load(NamedTuple):
    """The newest materialization of an asset in a month.

    `at` is its time. `run_began` is the time when its run, or the first attempt of that run, was created.
    """

    at: datetime
    run_began: datetime


def _newest(instance: dg.DagsterInstance, asset: str, month: str) -> _Load | None:
    chosen = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[month])
    found = instance.fetch_materializations(chosen, limit=1).records
    if not found:
        return None
    at = datetime.fromtimestamp(found[0].timestamp, UTC)
    # A later attempt skips the steps that succeeded before, so the first attempt has listed the files.
    run = instance.get_run_by_id(found[0].run_id)
    record = instance.get_run_record_by_id((run and run.root_run_id) or found[0].run_id)
    return _Load(at, record.create_timestamp if record else datetime.min.replace(tzinfo=UTC))


def _index_is_newer(instance: dg.DagsterInstance, month: str, loaded: _Load | None) -> bool:
    """Return whether a run has indexed the month's files but not loaded their messages."""
    indexed = _newest(instance, "chat_file_index", month)
    return indexed is not None and (loaded is None or indexed.at > loaded.at)


def _runs_after(
    instance: dg.DagsterInstance, month: str, loaded: _Load | None
) -> tuple[bool, list[dg.RunRecord]]:
    """Return whether the newest run since the newest load failed, and the ended runs since that load."""
    chosen = dg.RunsFilter(job_name=monthly_chats.name, tags={PARTITION: month})
    records = [
        record
        for record in instance.get_run_records(chosen, limit=10)
        if record.dagster_run.is_finished and (loaded is None or record.create_timestamp > loaded.at)
    ]
    return bool(records) and not records[0].dagster_run.is_success, records


def _next_request_at(unsuccessful: list[dg.RunRecord]) -> datetime:
    """Return the time from which a month may be requested again.

    The pause grows with the number of unsuccessful runs in a row, to at most one hour.
    """
    if not unsuccessful:
        return datetime.min.replace(tzinfo=UTC)
    newest = max(record.create_timestamp for record in unsuccessful)
    return newest + timedelta(minutes=min(60, 2 ** len(unsuccessful)))


SENSORS = [archive_folder_sensor]

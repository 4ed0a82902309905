"""The sensor that requests a run after somebody chose other reading options for a file in the console.

What belongs here: requesting the run of a month with such files. What does not: the choice (console/pages/)
and reading (steps/chats/). The sensor has no cursor; it reads the table. A month is requested until a run has
read its files. The pause grows after each unsuccessful run.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
from datetime import datetime, timedelta

import dagster as dg

from whatsapp_pipeline import clock
from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.automation.run_status import UNFINISHED
from whatsapp_pipeline.automation.schedules import MAX_MONTHS_IN_PROGRESS, monthly_chats
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.run_tags import PARTITION
from whatsapp_pipeline.steps.operations.gates import pause_in_words
from whatsapp_pipeline.store.chats.rereads import WaitingMonth, waiting_months

INTERVAL_SECONDS = 60


@dg.sensor(
    job=monthly_chats,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Load the month of a file again, after a reviewer chose other reading options for the file "
    "in the console.",
)
def reread_sensor(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Request month run for each month with files that wait to be read again."""
    with database.connect(application_name="whatsapp-pipeline reread sensor") as conn:
        if words := pause_in_words(conn):
            return dg.SensorResult(skip_reason=words)
        waiting = waiting_months(conn)
    known = set(MONTHS.get_partition_keys())
    under_way = context.instance.get_runs_count(
        dg.RunsFilter(job_name=monthly_chats.name, statuses=UNFINISHED)
    )
    requests: list[dg.RunRequest] = []
    reasons: list[str] = []
    for month in waiting:
        if month.month not in known:
            reasons.append(f"{month.month}: not a month of the pipeline")
        elif len(requests) + under_way >= MAX_MONTHS_IN_PROGRESS:
            reasons.append(f"{month.month}: {MAX_MONTHS_IN_PROGRESS} runs are under way or requested")
        elif reason := _reason_to_wait(context.instance, month):
            reasons.append(f"{month.month}: {reason}")
        else:
            # Dagster never starts a run key twice, so the key contains the time of the request.
            key = f"reread:{month.month}:{clock.now():%Y%m%dT%H%M%S}"
            requests.append(dg.RunRequest(run_key=key, partition_key=month.month))
    skipped = "; ".join(reasons[:5]) or "no file waits to be read again"
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else skipped)


def _reason_to_wait(instance: dg.DagsterInstance, waiting: WaitingMonth) -> str | None:
    """Return the reason why no run is requested now; None if a run may be requested."""
    chosen = dg.RunsFilter(job_name=monthly_chats.name, tags={PARTITION: waiting.month})
    unsuccessful = 0
    newest: datetime | None = None
    for record in instance.get_run_records(chosen, limit=10):
        if not record.dagster_run.is_finished:
            return "a run is under way"
        if record.create_timestamp < waiting.requested_at:
            break
        newest = newest or record.create_timestamp
        unsuccessful += 1
    if newest is None:
        return None
    again = newest + timedelta(minutes=min(60, 2**unsuccessful))
    if again <= clock.now():
        return None
    return f"the last {unsuccessful} run(s) did not read it; the next month is requested at {again:%H:%M} UTC"


SENSORS = [reread_sensor]

"""The sensor that tells somebody of failed runs and failed checks, once a problem.

A problem is a job's months, or a check. It is told when it begins and is over when the same months, or the
check, succeed; the cursor holds the problems that are open. What could not be delivered is tried again.
"""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from whatsapp_pipeline import settings
from whatsapp_pipeline.automation.step_errors import own_words, shown_error
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.run_tags import months_in_words
from whatsapp_pipeline.steps.operations.alerts import Alert, is_configured, send

_RUNS_AT_ONCE = 200
_WILL_RETRY = "dagster/will_retry"


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tell of runs and checks that began to fail (ALERT_WEBHOOK_URL, ALERT_EMAIL_TO).",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Tell of runs and checks that began to fail (ALERT_WEBHOOK_URL, ALERT_EMAIL_TO), each problem once."""
    configured = settings.load()
    if not is_configured(configured):
        return dg.SensorResult(skip_reason="set ALERT_WEBHOOK_URL or ALERT_EMAIL_TO to be told of failures")
    # What failed before anybody asked to be told is not news.
    state: dict[str, Any] = json.loads(context.cursor) if context.cursor else {"since": _now(), "open": []}
    now, open_ = _now(), set(state["open"])
    failing, over = _problems(context, float(state["since"]))
    open_ -= over
    told = 0
    for alert in failing:
        if alert.problem in open_:
            continue
        try:
            send(configured, alert)
        except PipelineError as error:
            # Keep what was told, look at the same runs again next time.
            context.log.error(f"an alert could not be delivered and will be tried again: {error}")
            cursor = json.dumps({"since": state["since"], "open": sorted(open_)})
            return dg.SensorResult(skip_reason=f"not delivered: {error}", cursor=cursor)
        open_.add(alert.problem)
        told += 1
    return dg.SensorResult(
        skip_reason=f"{told} told, {len(open_)} open",
        cursor=json.dumps({"since": now, "open": sorted(open_)}),
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _problems(context: dg.SensorEvaluationContext, since: float) -> tuple[list[Alert], set[str]]:
    """Return the problems that are, and the names of those that are over, by the newest run of each."""
    newest: dict[str, dg.RunRecord] = {}
    records = context.instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS],
            updated_after=datetime.fromtimestamp(since, UTC),
        ),
        limit=_RUNS_AT_ONCE,
    )
    for record in records:  # newest first
        newest.setdefault(_run_name(record.dagster_run), record)
    failing, over = [], set()
    for name, record in newest.items():
        run = record.dagster_run
        if run.status == dg.DagsterRunStatus.SUCCESS:
            over.add(name)
        elif run.tags.get(_WILL_RETRY) != "true":
            reason = _reason(context.instance, run.run_id)
            if reason is not None:
                failing.append(Alert("run", name, f"{name} failed: {reason} (run {run.run_id[:8]})"))
    for name, words in _checks(context):
        if words is None:
            over.add(name)
        else:
            failing.append(Alert("check", name, f"{name} failed: {words}"))
    return failing, over


def _run_name(run: dg.DagsterRun) -> str:
    return f"{run.job_name} {months_in_words(run.tags)}".strip()


def _reason(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Say which step failed and why; None for a pause, which is no problem.

    Only this project's own errors are quoted: their texts hold no personal data.
    """
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        event = entry.dagster_event
        error = shown_error(event.step_failure_data.error) if event else None
        if error is None or event is None:
            continue
        if error.cls_name == "PausedError":
            return None
        return f"{event.step_key}: {own_words(error) or error.cls_name}"
    return "its process ended or never began"


def _checks(context: dg.SensorEvaluationContext) -> Iterator[tuple[str, str | None]]:
    """Yield each check by name with what it found, None where it passed; warnings are the report's matter."""
    repository = context.repository_def
    keys = list(repository.asset_graph.asset_check_keys) if repository else []
    storage = context.instance.event_log_storage
    for key, summary in storage.get_asset_check_summary_records(keys).items():
        record = summary.last_check_execution_record
        if record is None or record.event is None or record.event.dagster_event is None:
            continue
        if record.status == AssetCheckExecutionRecordStatus.SUCCEEDED:
            yield f"check {key.to_user_string()}", None
        elif record.status == AssetCheckExecutionRecordStatus.FAILED:
            evaluation = record.event.dagster_event.event_specific_data
            if isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.severity.value == "ERROR":
                yield f"check {key.to_user_string()}", evaluation.description or "see its table"


SENSORS = [alerts]

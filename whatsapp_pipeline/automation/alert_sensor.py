"""The sensor that reports failed runs and failed checks to people, each problem once.

A problem is a failed job for some months, or a red check in a month. It is reported when it begins. It ends
when the job succeeds for the same months, or when the month is no longer red. The cursor has the open
problems. If an alert could not be delivered, the next tick tries again. The texts of alerts are in
domain/alert_text.py.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.automation.step_errors import own_words, shown_error
from whatsapp_pipeline.domain.alert_text import (
    NO_FAILED_STEP,
    Alert,
    check_alert,
    failed_step,
    is_check,
    run_alert,
)
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.run_tags import months_in_words
from whatsapp_pipeline.steps.operations.alert_delivery import is_configured, send
from whatsapp_pipeline.steps.operations.quality import standings

_RUNS_AT_ONCE = 200
_WILL_RETRY = "dagster/will_retry"
_CHECK_FAILED = "DagsterAssetCheckFailedError"  # Dagster's error for a blocking check that failed


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Report runs and checks that began to fail (ALERT_WEBHOOK_URL, ALERT_EMAIL_TO).",
)
def alerts(
    context: dg.SensorEvaluationContext, database: Database, rule_book: dg.ResourceParam[RuleBook]
) -> dg.SensorResult:
    """Report runs and checks that began to fail (ALERT_WEBHOOK_URL, ALERT_EMAIL_TO), each problem once."""
    configured = settings.load_settings()
    if not is_configured(configured):
        return dg.SensorResult(
            skip_reason="set ALERT_WEBHOOK_URL or ALERT_EMAIL_TO to be informed of failures"
        )
    # Problems from before alerts were set up are not reported.
    state: dict[str, Any] = json.loads(context.cursor) if context.cursor else {"since": _now(), "open": []}
    now, open_ = _now(), set(state["open"])
    failing, over = _runs(context, float(state["since"]))
    red = _red_months(context, database, rule_book)
    if red is not None:
        failing += red
        over |= {name for name in open_ if is_check(name)} - {alert.problem for alert in red}
    open_ -= over
    reported = 0
    for alert in failing:
        if alert.problem in open_:
            continue
        try:
            send(configured, alert)
        except PipelineError as error:
            # Keep the reported problems. The next tick examines the same runs again.
            context.log.error(
                f"an alert could not be delivered and will be tried again: {error}",
                extra=fields(reason=type(error).__name__),
            )
            cursor = json.dumps({"since": state["since"], "open": sorted(open_)})
            return dg.SensorResult(skip_reason=f"not delivered: {error}", cursor=cursor)
        open_.add(alert.problem)
        reported += 1
    return dg.SensorResult(
        skip_reason=f"{reported} reported, {len(open_)} open",
        cursor=json.dumps({"since": now, "open": sorted(open_)}),
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _runs(context: dg.SensorEvaluationContext, since: float) -> tuple[list[Alert], set[str]]:
    """Return alerts for failed runs, and the problems that are over because the job succeeded again.

    Only the newest run of each job and months counts.
    """
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
                failing.append(run_alert(name, run.run_id, reason))
    return failing, over


def _run_name(run: dg.DagsterRun) -> str:
    return f"{run.job_name} {months_in_words(run.tags)}".strip()


def _reason(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Return the failed step and the reason; None if only checks failed, which are separate problems.

    Only the texts of this project's errors are included, because they have no personal data.
    """
    only_checks = False
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        event = entry.dagster_event
        error = shown_error(event.step_failure_data.error) if event else None
        if error is None or event is None:
            continue
        if error.cls_name == _CHECK_FAILED:
            only_checks = True
            continue
        return failed_step(str(event.step_key), own_words(error) or str(error.cls_name))
    return None if only_checks else NO_FAILED_STEP


def _red_months(
    context: dg.SensorEvaluationContext, database: Database, rule_book: RuleBook
) -> list[Alert] | None:
    """Return one alert per check and red month, for checks with the severity error.

    Warnings are only in the QA report. Return None if the database does not answer; open problems then stay
    open.
    """
    rules = [rule for rule in rule_book.rules() if rule.severity == "error"]
    try:
        with database.connect(application_name="whatsapp-pipeline alerts", dry_run=True) as conn:
            found = standings(conn, rules)
    except PipelineError as error:
        context.log.error(f"the checks could not be read: {error}", extra=fields(reason=type(error).__name__))
        return None
    return [check_alert(standing, verdict.month) for standing in found for verdict in standing.of("red")]


SENSORS = [alerts]

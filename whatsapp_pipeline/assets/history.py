"""What Dagster remembers of runs and checks, as plain rows for the QA report."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from whatsapp_pipeline.run_tags import months_in_words
from whatsapp_pipeline.steps.operations.qa_report import CheckLine, History, RunLine

_RUNS = 40
_TREND = 5


def history(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> History:
    """Read the last runs, newest first, and what each check said last, with the counts before that."""
    lines = [line for key in checks if (line := _check(instance, key)) is not None]
    return History(sorted(lines, key=lambda line: (line.passed, line.asset, line.name)), _runs(instance))


def _check(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> CheckLine | None:
    evaluations = []
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_TREND):
        event = record.event.dagster_event if record.event else None
        if event and isinstance(event.event_specific_data, dg.AssetCheckEvaluation):
            evaluations.append(event.event_specific_data)
    if not evaluations:
        return None
    last = evaluations[0]
    counts = [e.metadata["failing"].value for e in evaluations[1:] if "failing" in e.metadata]
    return CheckLine(
        key.asset_key.to_user_string(), key.name, last.passed, last.severity.value, last.description or "",
        " ← ".join(str(count) for count in counts),
    )  # fmt: skip


def _runs(instance: dg.DagsterInstance) -> list[RunLine]:
    found = []
    for record in instance.get_run_records(limit=_RUNS):
        run, start = record.dagster_run, record.start_time or record.create_timestamp.timestamp()
        found.append(
            RunLine(
                datetime.fromtimestamp(start, UTC), run.job_name, months_in_words(run.tags), run.status.value,
                (record.end_time or start) - start,
            )
        )  # fmt: skip
    return found

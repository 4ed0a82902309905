"""The state of a check in Dagster, computed from its results in all months.

What belongs here: severity and metadata of the state, and earlier results. What does not: evaluating a check
(checks/qa.py) and comparing counts with tolerances (domain/quality.py).
"""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import AssetCheckExecutionRecordStatus
from whatsapp_pipeline.domain.quality import Month, Standing, month_name
from whatsapp_pipeline.store.operations.checks import SAMPLE_ROWS
from whatsapp_pipeline.templates.row_links import console_links

_LISTED = 60  # rows of a check's table: all red months, and as many others as fit
_NARROW = 12  # a run of more months lists no healthy ones
_DONE = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def evaluation(
    standing: Standing, here: Collection[Month], earlier: Sequence[Mapping[str, str]] = (), note: str = ""
) -> dg.AssetCheckResult:
    """Return Dagster's result for a standing.

    It is an error, which blocks, only if a month of this run is red; other red months make it a warning.

    Args:
        standing: The verdicts of all months.
        here: Months of the present run.
        earlier: Earlier results of the check, newest first (`earlier_results`).
        note: Additional text of the description.
    """
    rule = standing.rule
    is_error = rule.severity == "error" and bool(standing.in_months(here).of("red"))
    words = standing.words(here if rule.monthly else None)
    if earlier and (change := standing.failing - int(earlier[0]["failing"])):
        words += f"; {abs(change):,} {'more' if change > 0 else 'fewer'} than before"
    metadata: dict[str, Any] = {
        "failing": standing.failing,
        "examined": standing.examined,
        "failing_rows": table(_failing_rows(standing)),
        "sample_truncated": standing.failing > SAMPLE_ROWS,
        "how_to_fix": rule.how_to_fix,
    }
    if links := console_links(_failing_rows(standing), settings.load_settings().console_url):
        metadata["open_in_console"] = dg.MetadataValue.md(links)
    if rule.why:
        metadata["why_it_matters"] = rule.why
    if rule.monthly:
        metadata["by_month"] = table(_by_month(standing, here), empty="nothing to examine")
    if earlier:
        metadata["earlier_runs"] = table([dict(row) for row in earlier])
    return dg.AssetCheckResult(
        passed=standing.passed,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=f"{words}; {note}" if note else words,
        metadata=metadata,
    )


def _failing_rows(standing: Standing) -> list[dict[str, Any]]:
    """Return sample rows, those of red months first."""
    rows = (dict(row) for verdict in standing.verdicts for row in verdict.result.sample)
    return [row for _, row in zip(range(SAMPLE_ROWS), rows, strict=False)]


def _by_month(standing: Standing, here: Collection[Month]) -> list[dict[str, Any]]:
    """Return one row per month that is red or belongs to this run, and then the sums of the others."""
    narrow = len(here) <= _NARROW
    shown = [
        verdict
        for verdict in standing.verdicts
        if verdict.state in {"red", "accepted"} or (narrow and verdict.month in here)
    ][:_LISTED]
    rows = [
        {
            "month": month_name(verdict.month),
            "state": "nothing to examine" if verdict.state == "empty" else verdict.state,
            "failing": verdict.result.failing,
            "examined": verdict.result.examined,
        }
        for verdict in shown
    ]
    for state in ("red", "accepted", "passed", "empty"):
        others = [verdict for verdict in standing.of(state) if verdict not in shown]
        if others:
            rows.append(
                {
                    "month": f"{len(others)} other month{'s' if len(others) > 1 else ''}",
                    "state": "nothing to examine" if state == "empty" else state,
                    "failing": sum(verdict.result.failing for verdict in others),
                    "examined": sum(verdict.result.examined for verdict in others),
                }
            )
    return rows


def table(rows: Sequence[Mapping[str, Any]], *, empty: str = "nothing found") -> dg.TableMetadataValue:
    """Return rows as a table of texts; rows may have different columns."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["result"]
    records = [
        dg.TableRecord({name: "" if row.get(name) is None else str(row[name]) for name in names})
        for row in rows
    ]
    return dg.MetadataValue.table(
        records or [dg.TableRecord({names[0]: empty})],
        schema=dg.TableSchema(columns=[dg.TableColumn(name=name, type="string") for name in names]),
    )


def earlier_results(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, limit: int = 5
) -> list[dict[str, str]]:
    """Return the last results of the check, newest first: time, failing, examined, passed.

    A run over a range of months leaves one row per month that is never evaluated; the query by status skips
    these.
    """
    found = []
    for record in instance.event_log_storage.get_asset_check_execution_history(
        key, limit=limit, status=_DONE
    ):
        event = record.event.dagster_event if record.event else None
        evaluated = event.event_specific_data if event else None
        if record.event is None or not isinstance(evaluated, dg.AssetCheckEvaluation):
            continue
        if "failing" not in evaluated.metadata or "examined" not in evaluated.metadata:
            continue
        time = datetime.fromtimestamp(record.event.timestamp, UTC)
        found.append(
            {
                "when": f"{time:%Y-%m-%d %H:%M} UTC",
                "failing": str(evaluated.metadata["failing"].value),
                "examined": str(evaluated.metadata["examined"].value),
                "passed": str(evaluated.passed),
            }
        )
    return found


def repeat_last_results(instance: dg.DagsterInstance, keys: Collection[dg.AssetCheckKey]) -> None:
    """Report the newest result of each check again, after a dry run that planned the checks without
    evaluating.

    Otherwise Dagster would show these checks as skipped, instead of their newest results.
    """
    for key in keys:
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=_DONE)
        event = records[0].event.dagster_event if records and records[0].event else None
        evaluated = event.event_specific_data if event else None
        if isinstance(evaluated, dg.AssetCheckEvaluation):
            instance.report_runless_asset_event(evaluated)

"""The state of a check in Dagster, computed from its results in all months.

What belongs here: severity and metadata of the state, and earlier results. What does not: evaluating a check
(checks/qa.py) and comparing counts with tolerances (domain/quality.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import AssetCheckExecutionRecordStatus
from whatsapp_pipeline.domain.quality import Month, Standing, month_name
from whatsapp_pipeline.store.operations.checks import SAMPLE_ROWS
from whatsapp_pipeline.templates.row_links import console_links

# Maximum number of months that the table lists one by one, red months first. Other months are summed by
# state.
_MAX_LISTED_MONTHS = 60
# If a run has more months than this, only red and accepted months are listed.
_MAX_LISTED_RUN_MONTHS = 12
_DONE = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def evaluation(
    standing: Standing,
    run_months: Collection[Month],
    earlier: Sequence[Mapping[str, str]] = (),
    note: str = "",
) -> dg.AssetCheckResult:
    """Return the AssetCheckResult for the verdicts of one check.

    Its severity is ERROR if the rule's severity is `error` and a month of this run is red, otherwise WARN.
    Dagster blocks later assets only on ERROR, and only for a blocking check.

    Args:
        standing: The verdicts of all months.
        run_months: Months of this run.
        earlier: Earlier results of the check, newest first (`earlier_results`).
        note: Additional text of the description.
    """
    rule = standing.rule
    is_error = rule.severity == "error" and bool(standing.in_months(run_months).of("red"))
    words = standing.words(run_months if rule.monthly else None)
    if earlier and (change := standing.failing - int(earlier[0]["failing"])):
        words += f"; {abs(change):,} {'more' if change > 0 else 'fewer'} than before"
    metadata: dict[str, Any] = {
        "failing": standing.failing,
        "examined": standing.examined,
        "failing_rows": text_table(_failing_rows(standing)),
        "sample_truncated": standing.failing > SAMPLE_ROWS,
        "how_to_fix": rule.how_to_fix,
    }
    if links := console_links(_failing_rows(standing), settings.load_settings().console_url):
        metadata["open_in_console"] = dg.MetadataValue.md(links)
    if rule.why:
        metadata["why_it_matters"] = rule.why
    if rule.monthly:
        metadata["by_month"] = text_table(_by_month(standing, run_months), empty="nothing to examine")
    if earlier:
        metadata["earlier_runs"] = text_table([dict(row) for row in earlier])
    return dg.AssetCheckResult(
        passed=standing.passed,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=f"{words}; {note}" if note else words,
        metadata=metadata,
    )


def _failing_rows(standing: Standing) -> list[dict[str, Any]]:
    """Return sample rows, those of red months first."""
    rows = (dict(row) for verdict in standing.verdicts for row in verdict.result.sample)
    return list(itertools.islice(rows, SAMPLE_ROWS))


def _by_month(standing: Standing, run_months: Collection[Month]) -> list[dict[str, Any]]:
    """Return one row per red or accepted month, and per month of a run of at most 12 months.

    One row of sums follows for each state of the other months.
    """
    lists_run = len(run_months) <= _MAX_LISTED_RUN_MONTHS
    shown = [
        verdict
        for verdict in standing.verdicts
        if verdict.state in {"red", "accepted"} or (lists_run and verdict.month in run_months)
    ][:_MAX_LISTED_MONTHS]
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


def text_table(rows: Sequence[Mapping[str, Any]], *, empty: str = "nothing found") -> dg.TableMetadataValue:
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
    """Return up to `limit` results, newest first, each with the texts when, failing, examined and passed.

    For a run over a range of months, Dagster stores one planned record per month, which never gets a result.
    The filter by status excludes these records.
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
    """Report the newest result of each check again after a dry run.

    A dry run plans checks without evaluating them. Dagster would then show them as skipped instead of their
    newest results.
    """
    for key in keys:
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=_DONE)
        event = records[0].event.dagster_event if records and records[0].event else None
        evaluated = event.event_specific_data if event else None
        if isinstance(evaluated, dg.AssetCheckEvaluation):
            instance.report_runless_asset_event(evaluated)

"""Running the jobs without the UI, on the project's Dagster instance and in this process.

What belongs here: the order of jobs for a set of months, and collecting the reports of these runs and of
launched ones. What does not: the texts of the command line (cli/run.py), launching (launching.py) and the
assets of jobs (schedules.py).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets.contacts import FILLED_BY
from whatsapp_pipeline.assets.materialize import PAUSED
from whatsapp_pipeline.assets.partitions import month_ranges
from whatsapp_pipeline.automation import run_origin
from whatsapp_pipeline.automation.step_errors import chain, first_line, own_words, shown_error
from whatsapp_pipeline.run_tags import COMMAND_LINE, LAUNCHED_BY, RANGE_END, RANGE_START, RECORD, RUN_MONTHS
from whatsapp_pipeline.store.operations.dry_run_diff import Change

_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}  # the project's handler prints the progress
# Dagster's error for Ctrl-C during a step.
_INTERRUPTED = (
    f"{dg.DagsterExecutionInterruptedError.__module__}.{dg.DagsterExecutionInterruptedError.__name__}"
)
_INTERRUPTED_WORDS = "interrupted; run the same command again to continue"
_DONE = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
_REPORTED = {*_DONE, dg.DagsterEventType.ASSET_OBSERVATION, dg.DagsterEventType.STEP_FAILURE}
_LOGS = {
    "python_logs": {
        "dagster_handler_config": {
            "handlers": {"pipeline": {"class": "whatsapp_pipeline.logs.PipelineHandler", "level": "INFO"}}
        }
    }
}


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The result of one check in one run.

    `failing_by_month` has the number of failing rows of each month whose state is "red": more rows fail than
    the check tolerates, and nobody accepted them.
    """

    asset: str
    name: str
    passed: bool
    severity: str
    blocking: bool
    description: str
    failing_by_month: Mapping[str, int] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """True if later assets must not run.

        The severity is ERROR only if a month of this run is red. If only other months are red, it is WARN.
        """
        return self.blocking and not self.passed and self.severity == "ERROR"


@dataclass(slots=True)
class Outcome:
    """The result of a chain of runs: counts by asset, and by asset and month; checks; errors."""

    months: list[str]
    assets: dict[str, dict[str, int]] = field(default_factory=dict)
    by_month: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    checks: list[CheckOutcome] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    changes: list[Change] | None = None  # the changes that a dry run would make
    interrupted: bool = False
    paused: str | None = None  # time, person and reason of the pause that ended the run early

    @property
    def ok(self) -> bool:
        """True if every step succeeded, no pause ended the run, and no check blocks later assets."""
        return not self.errors and self.paused is None and not any(check.blocks for check in self.checks)

    @property
    def exit_status(self) -> int:
        """Exit status of the command: 0 success, 130 interrupted (as in shells), otherwise 1."""
        if self.interrupted:
            return 130
        return 0 if self.ok else 1

    def as_json(self) -> dict[str, Any]:
        """Return the object that `run --json` prints."""
        return {
            "ok": self.ok,
            "months": self.months,
            "assets": self.assets,
            "checks": [
                {
                    "asset": check.asset,
                    "name": check.name,
                    "passed": check.passed,
                    "severity": check.severity,
                    "description": check.description,
                }
                for check in self.checks
            ],
            **({"errors": self.errors} if self.errors else {}),
            **({"paused": self.paused} if self.paused else {}),
            **({} if self.changes is None else {"changes": [c.as_dict() for c in self.changes]}),
        }


@contextlib.contextmanager
def open_instance(*, ephemeral: bool) -> Iterator[dg.DagsterInstance]:
    """Open the project's Dagster instance, or a temporary one for dry runs."""
    if ephemeral:
        with dg.DagsterInstance.ephemeral(settings=_LOGS) as instance:
            yield instance
        return
    os.environ.setdefault("DAGSTER_HOME", str(settings.PROJECT_ROOT))
    with dg.DagsterInstance.get() as instance:
        yield instance


def run_chain(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    *,
    months: Sequence[str],
    with_erp: bool,
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Run contacts, then the months, then the summaries.

    A single month is one run. A range of consecutive months, or a sample, is two runs: load, then checks.
    `config` has the configuration of each asset by the asset's name. With `with_erp=False`, the ERP's assets
    are omitted even if an ERP is set. A failed step or blocking check ends the chain, because later assets
    depend on its result.
    """
    outcome = Outcome(months=list(months))
    sampled = "sample" in (config or {}).get("chat_file_index", {})
    for stage in _stages(months, sampled=sampled):
        with contextlib.ExitStack() as stack:
            # A sample omits files on purpose, so the results of its checks are shown but not stored.
            is_recorded = stage.tags.get(RECORD) != "false"
            chosen = instance if is_recorded else stack.enter_context(open_instance(ephemeral=True))
            result = _execute(defs, chosen, stage, config or {}, with_erp=with_erp)
            _collect(outcome, result.all_events)
        if not result.success or not outcome.ok:
            break
    return outcome


def _without_erp(job: dg.JobDefinition) -> dg.JobDefinition:
    """Return the job without the assets that read the ERP, and without the checks on them."""
    erp_assets = {asset.key for asset in FILLED_BY.values()}
    if not erp_assets & job.asset_layer.selected_asset_keys:
        return job
    return job.get_subset(
        asset_selection=set(job.asset_layer.selected_asset_keys) - erp_assets,
        asset_check_selection={
            key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key not in erp_assets
        },
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """One run of the chain: a job and its tags."""

    job: str
    tags: Mapping[str, str] = field(default_factory=dict)


def _stages(months: Sequence[str], *, sampled: bool) -> Iterator[_Stage]:
    yield _Stage("contacts")
    for first, last in month_ranges(list(months)):
        tags = {RANGE_START: first, RANGE_END: last}
        if first == last and not sampled:
            yield _Stage("monthly_chats", tags=tags)
            continue
        # Dagster plans a check once per month of a range, but evaluates it once. So a range is loaded without
        # checks, and a second run evaluates them.
        yield _Stage("monthly_load", tags=tags)
        chosen = ",".join(month for month in months if first <= month <= last)
        record = {RECORD: "false"} if sampled else {}
        yield _Stage("monthly_checks", tags={RUN_MONTHS: chosen, **record})
    yield _Stage("summaries")


def _execute(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    stage: _Stage,
    config: Mapping[str, Mapping[str, Any]],
    *,
    with_erp: bool,
) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def(stage.job)
    if not with_erp:
        job = _without_erp(job)
    chosen = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
    with run_origin.with_origin(instance, stage.job):
        return job.execute_in_process(
            instance=instance,
            tags={**stage.tags, **run_origin.TAGS, LAUNCHED_BY: COMMAND_LINE},
            run_config={
                "loggers": _QUIET,
                "ops": {name: {"config": dict(values)} for name, values in config.items() if name in chosen},
            },
            raise_on_error=False,
        )


def outcome_of_launched(
    instance: dg.DagsterInstance, run_ids: Iterable[str], *, months: Sequence[str]
) -> Outcome:
    """Collect the reports of runs that other processes executed, as `run_chain` does for its own runs.

    If a run was tried again, `run_ids` has the last attempt, and only the errors of that attempt are
    reported. A later attempt does not repeat assets and checks that succeeded before, so their results are
    collected from the earlier attempts.
    """
    outcome = Outcome(months=list(months))
    for run_id in run_ids:
        group = instance.get_run_group(run_id)
        attempts = [run.run_id for run in group[1]] if group else []
        for earlier in attempts:
            if earlier != run_id:
                _collect(outcome, _events(instance, earlier, _DONE))
        _collect(outcome, _events(instance, run_id, _REPORTED))
    # If each month has its own run, a check has one result per run. Only the last one is kept: its table has
    # the red months of all runs.
    outcome.checks = list({(check.asset, check.name): check for check in outcome.checks}.values())
    # Sort by asset, in the order of the runs, then by month.
    position = {asset: number for number, asset in enumerate(outcome.assets)}
    ordered = sorted(outcome.by_month.items(), key=lambda item: (position[item[0][0]], item[0][1]))
    outcome.by_month = dict(ordered)
    return outcome


def _events(
    instance: dg.DagsterInstance, run_id: str, kinds: set[dg.DagsterEventType]
) -> list[dg.DagsterEvent]:
    logged = instance.all_logs(run_id, of_type=kinds)
    return [event for entry in logged if (event := entry.dagster_event) is not None]


def _collect(outcome: Outcome, events: Sequence[dg.DagsterEvent]) -> None:
    for event in events:
        if event.is_step_materialization:
            _collect_materialization(outcome, event)
        elif event.is_asset_observation:
            observation = event.asset_observation_data.asset_observation
            if (pause := observation.metadata.get(PAUSED)) is not None:
                outcome.paused = str(pause.value)
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            outcome.checks.append(_check_outcome(event.asset_check_evaluation_data))
        elif event.is_step_failure:
            error = event.step_failure_data.error
            interrupted = any(first_line(one).startswith(_INTERRUPTED) for one in chain(error))
            outcome.interrupted |= interrupted
            words = _INTERRUPTED_WORDS if interrupted else _error_line(shown_error(error))
            outcome.errors.append(f"{event.step_key}: {words}")


def _collect_materialization(outcome: Outcome, event: dg.DagsterEvent) -> None:
    counts = {
        name.removeprefix("dagster/"): value.value
        for name, value in event.materialization.metadata.items()
        if isinstance(value, dg.IntMetadataValue) and value.value is not None
    }
    asset = event.materialization.asset_key.to_user_string()
    total = outcome.assets.setdefault(asset, {})
    for name, value in counts.items():
        # The row count of the whole table is the same in every partition's event; other counts are summed up.
        total[name] = value if name == "row_count" else total.get(name, 0) + value
    if event.partition:
        outcome.by_month[asset, event.partition] = counts


def _check_outcome(evaluation: dg.AssetCheckEvaluation) -> CheckOutcome:
    table = evaluation.metadata.get("by_month")
    failing = {}
    if isinstance(table, dg.TableMetadataValue):
        red = [record.data for record in table.records if record.data.get("state") == "red"]
        failing = {str(row["month"]): int(str(row["failing"])) for row in red}
    return CheckOutcome(
        asset=evaluation.asset_key.to_user_string(),
        name=evaluation.check_name,
        passed=evaluation.passed,
        severity=evaluation.severity.value,
        blocking=evaluation.blocking or False,
        description=evaluation.description or "",
        failing_by_month=failing,
    )


def _error_line(error: SerializableErrorInfo | None) -> str:
    """Return an error as one line; an error of this project is shown without its class name."""
    if error is None:
        return "failed"
    if error.cls_name == "DagsterAssetCheckFailedError":
        return "a blocking check failed, so the assets after it did not run"
    return own_words(error) or first_line(error) or "failed"

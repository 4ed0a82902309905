"""What every QA check is: a rule, the rows that break it, and the way out.

What belongs here: the shape of a check and its result in Dagster. What does not: the rules (one module per
subject) and their statements (sql/queries/<subject>/check_<name>.sql).

A check looks at the months of its run, one or a range, and at all months when it is run alone; partitioned
checks can't say that for a ranged run, so these have no partitions and show a row a month instead.
"""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import dagster as dg

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.assets.partition_status import MONTHLY
from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import PARTITION, RANGE_END, RANGE_START
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.checks import SAMPLE_ROWS, Findings, find


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule may look at: months, and the clock by which it judges ages."""

    conn: Connection
    months: list[str]
    archive: Archive
    instance: dg.DagsterInstance | None = None
    now: datetime = field(default_factory=clock.now)


@dataclass(frozen=True, slots=True)
class QaCheck:
    """One rule of the QA report.

    `tolerated` is the share of examined rows that may fail before the check does: 0 means not one;
    CHECK_TOLERANCES overrides it. `why` says what would go wrong unseen, and so why it is this grave. Where
    there is no `finder`, the failing rows come from `sql/queries/<subject>/check_<name>.sql`.
    """

    name: str
    subject: str
    asset: str
    description: str
    how_to_fix: str
    finder: Callable[[Scope], Findings] | None = None
    severity: Literal["warn", "error"] = "warn"
    blocking: bool = False
    tolerated: float = 0.0
    why: str = ""

    @property
    def monthly(self) -> bool:
        """Whether the check is about months; all others are about whole tables."""
        return self.asset in MONTHLY

    @property
    def tolerance(self) -> float:
        """The share that may fail, as the settings have it."""
        return dict(settings.load().check_tolerances).get(self.name, self.tolerated)

    def find(self, scope: Scope) -> Findings:
        """Return the rows that break the rule, by month."""
        if self.finder is not None:
            return self.finder(scope)
        params = {"months": scope.months, "today": clock.today(scope.now), "now": scope.now}
        return find(scope.conn, f"{self.subject}/check_{self.name}", params, monthly=self.monthly)


def months_of_run(tags: dict[str, str]) -> list[str]:
    """Return the months a run's tags name, or all of them."""
    known = MONTHS.get_partition_keys()
    if partition := tags.get(PARTITION):
        return [partition]
    first, last = tags.get(RANGE_START, known[0]), tags.get(RANGE_END, known[-1])
    return [month for month in known if first <= month <= last]


def table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    """Show rows as a table, every value as text."""
    names = list(rows[0]) if rows else ["result"]
    records = [dg.TableRecord({k: "" if v is None else str(v) for k, v in row.items()}) for row in rows]
    return dg.MetadataValue.table(
        records or [dg.TableRecord({"result": "nothing found"})],
        schema=dg.TableSchema(columns=[dg.TableColumn(name=name, type="string") for name in names]),
    )


def judge(
    check: QaCheck,
    findings: Findings,
    earlier: Sequence[Mapping[str, str]] = (),
    months: Sequence[str] = (),
) -> dg.AssetCheckResult:
    """Turn what a rule found into Dagster's result: failing rows, how to mend them, and earlier runs."""
    share = findings.failing / findings.examined if findings.examined else float(findings.failing > 0)
    passed = share <= check.tolerance
    words = f"{findings.failing:,} of {findings.examined:,} fail"
    if check.tolerance:
        words += f" ({share:.1%}; {check.tolerance:.0%} are tolerated)"
    if earlier and (change := findings.failing - int(earlier[0]["failing"])):
        words += f"; {abs(change):,} {'more' if change > 0 else 'fewer'} than before"
    metadata: dict[str, Any] = {
        "failing": findings.failing,
        "examined": findings.examined,
        "months": span(check, months),
        "failing_rows": table(findings.rows),
        "sample_truncated": findings.failing > SAMPLE_ROWS,
        "how_to_fix": check.how_to_fix,
    }
    if check.why:
        metadata["why_it_matters"] = check.why
    if earlier:
        metadata["earlier_runs"] = table([dict(row) for row in earlier])
    by_month = dict.fromkeys(months if check.asset in MONTHLY else (), 0) | dict(findings.by_month)
    if by_month:
        metadata["by_month"] = table([{"month": m, "failing": n} for m, n in sorted(by_month.items())])
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=words if findings.failing or words.endswith("before") else "nothing found",
        metadata=metadata,
    )


def history(
    instance: dg.DagsterInstance, check: QaCheck, months: Sequence[str], limit: int = 5
) -> list[dict[str, str]]:
    """Return what the check found before over the same months, newest first: when, failing, examined."""
    key = dg.AssetCheckKey(dg.AssetKey(check.asset), check.name)
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=limit * 4)
    found = []
    for record in records:
        event = record.event.dagster_event if record.event else None
        evaluation = event.event_specific_data if event else None
        if not isinstance(evaluation, dg.AssetCheckEvaluation) or record.event is None:
            continue  # planned, under way, or its run died
        metadata = evaluation.metadata
        if "months" not in metadata or metadata["months"].value != span(check, months):
            continue
        time = datetime.fromtimestamp(record.event.timestamp, UTC)
        found.append(
            {
                "when": f"{time:%Y-%m-%d %H:%M} UTC",
                "failing": str(metadata["failing"].value),
                "examined": str(metadata["examined"].value),
                "passed": str(evaluation.passed),
            }
        )
    return found[:limit]


def span(check: QaCheck, months: Sequence[str]) -> str:
    """Name what a check looked at, for comparing like with like: months, or the whole table."""
    if check.asset not in MONTHLY or not months:
        return "all"
    return months[0] if len(months) == 1 else f"{months[0]}..{months[-1]}"


def build(check: QaCheck, *, run_after: dg.AssetsDefinition | None = None) -> dg.AssetChecksDefinition:
    """Make Dagster's check of a rule; within a run it waits for its asset and for `run_after`."""

    @dg.asset_check(
        asset=check.asset,
        name=check.name,
        description=check.description,
        blocking=check.blocking,
        additional_deps=[run_after] if run_after else None,
    )
    def _check(
        context: dg.AssetCheckExecutionContext, database: Database, archive: Archive
    ) -> dg.AssetCheckResult:
        months = months_of_run(dict(context.run.tags))
        earlier = history(context.instance, check, months)
        with database.connect(application_name=f"whatsapp-pipeline check {check.name}") as conn:
            return judge(check, check.find(Scope(conn, months, archive, context.instance)), earlier, months)

    return _check

"""What every QA check is: a rule, the rows that break it, and the way out.

What belongs here: the shape of a check and its result in Dagster. What does not: the rules (one module an
asset) and their statements (store/checks.py).

A check looks at the months of its run, one or a range, and at all months when it is run alone; partitioned
checks can't say that for a ranged run, so these have no partitions and show a row a month instead.
"""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg

from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.store.checks import SAMPLE_ROWS, Findings
from whatsapp_pipeline.store.connection import Connection

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule may look at."""

    conn: Connection
    months: list[str]
    archive: Archive


@dataclass(frozen=True, slots=True)
class QaCheck:
    """One rule of the QA report.

    `tolerated` is the share of examined rows that may fail before the check does: 0 means not one.
    """

    name: str
    asset: str
    description: str
    how_to_fix: str
    find: Callable[[Scope], Findings]
    severity: Literal["warn", "error"] = "warn"
    blocking: bool = False
    tolerated: float = 0.0
    columns: tuple[str, ...] = field(default=())


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


def judge(check: QaCheck, findings: Findings) -> dg.AssetCheckResult:
    """Turn what a rule found into Dagster's result, with the failing rows and how to mend them."""
    share = findings.failing / findings.examined if findings.examined else float(findings.failing > 0)
    passed = share <= check.tolerated
    words = f"{findings.failing:,} of {findings.examined:,} fail"
    if check.tolerated:
        words += f" ({share:.1%}; {check.tolerated:.0%} are tolerated)"
    metadata: dict[str, Any] = {
        "failing": findings.failing,
        "examined": findings.examined,
        "failing_rows": table(findings.rows),
        "sample_truncated": findings.failing > SAMPLE_ROWS,
        "how_to_fix": check.how_to_fix,
    }
    if findings.by_month:
        metadata["by_month"] = table(
            [{"month": m, "failing": n} for m, n in sorted(findings.by_month.items())]
        )
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=words if findings.failing else "nothing found",
        metadata=metadata,
    )


def build(check: QaCheck) -> dg.AssetChecksDefinition:
    """Make Dagster's check of a rule."""

    @dg.asset_check(
        asset=check.asset, name=check.name, description=check.description, blocking=check.blocking
    )
    def _check(
        context: dg.AssetCheckExecutionContext, database: Database, archive: Archive
    ) -> dg.AssetCheckResult:
        with database.connect(application_name=f"whatsapp-pipeline check {check.name}") as conn:
            return judge(check, check.find(Scope(conn, months_of_run(dict(context.run.tags)), archive)))

    return _check

"""Checks: a rule, the rows that break it, and how to fix them.

What belongs here: the type of a check, its evaluation, and its result in Dagster. What does not: the rules
(one module per subject) and their statements (sql/queries/<subject>/check_<name>.sql).

A run evaluates the months that its tags name. If the tags name no month, it evaluates all months. It stores
one result per month. Dagster's state covers all months: the check fails while any month fails. Dagster's
partitioned checks can't do this for a run over a range of months, so these checks have no partitions.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import dagster as dg

from whatsapp_pipeline import clock
from whatsapp_pipeline.assets.check_state import earlier_results, evaluation
from whatsapp_pipeline.assets.partition_status import MONTHLY
from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.domain.quality import Month, MonthResult, Rule, Standing, stand
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import PARTITION, RANGE_END, RANGE_START, RECORD, RUN_MONTHS, is_partial
from whatsapp_pipeline.steps.operations import quality
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import qa_results
from whatsapp_pipeline.store.operations.checks import Findings, run_check_query


@dataclass(frozen=True, slots=True)
class CheckScope:
    """The inputs of a rule: the database, the months, the archive, Dagster's instance and the time."""

    conn: Connection
    months: list[str]
    archive: Archive
    instance: dg.DagsterInstance | None = None
    now: datetime = field(default_factory=clock.now)


@dataclass(frozen=True, slots=True)
class QaCheck:
    """One rule of the QA report.

    `tolerated` is the share of examined rows that may fail before the check fails; 0 means none.
    CHECK_TOLERANCES overrides it. `why` states the consequence of failing rows, which justifies the severity.
    Without a `finder`, the failing rows come from `sql/queries/<subject>/check_<name>.sql`.
    """

    name: str
    subject: str
    asset: str
    description: str
    how_to_fix: str
    finder: Callable[[CheckScope], Findings] | None = None
    severity: Literal["warn", "error"] = "warn"
    blocking: bool = False
    tolerated: float = 0.0
    why: str = ""
    per_month: bool = False

    @property
    def monthly(self) -> bool:
        """True for a check by month. Other checks examine whole tables."""
        return self.per_month or self.asset in MONTHLY

    def find(self, scope: CheckScope) -> Findings:
        """Return the rows that break the rule, by month."""
        if self.finder is not None:
            return self.finder(scope)
        params = {"months": scope.months, "today": clock.today(scope.now), "now": scope.now}
        return run_check_query(scope.conn, f"{self.subject}/check_{self.name}", params, monthly=self.monthly)

    @property
    def declared(self) -> Rule:
        """The check's Rule, with the tolerance that the code declares."""
        return Rule(
            self.name,
            self.asset,
            severity=self.severity,
            blocking=self.blocking,
            tolerance=self.tolerated,
            monthly=self.monthly,
            description=self.description,
            how_to_fix=self.how_to_fix,
            why=self.why,
        )

    @property
    def rule(self) -> Rule:
        """The check's Rule, with the tolerance of CHECK_TOLERANCES if the setting has one for this check."""
        return RuleBook([self.declared]).rules()[0]


def months_of_run(tags: Mapping[str, str]) -> list[str]:
    """Return the months that a run's tags name, or all months if they name none."""
    known = MONTHS.get_partition_keys()
    if partition := tags.get(PARTITION):
        return [partition]
    if listed := tags.get(RUN_MONTHS):
        return [month for month in known if month in set(listed.split(","))]
    first, last = tags.get(RANGE_START, known[0]), tags.get(RANGE_END, known[-1])
    return [month for month in known if first <= month <= last]


def names_months(tags: Mapping[str, str]) -> bool:
    """Return whether the run's tags name months. Other runs evaluate all months."""
    return any(tag in tags for tag in (PARTITION, RUN_MONTHS, RANGE_START, RANGE_END))


def evaluate_check(check: QaCheck, scope: CheckScope, *, run_id: str | None, every_month: bool) -> Standing:
    """Evaluate the months of `scope`, store the results, and return the verdicts of all months.

    `every_month` also deletes stored results of months that no longer exist. See domain/quality.py for the
    words.

    Only one run at a time evaluates a check, so that an older evaluation never replaces a newer one.
    """
    with qa_results.evaluation_lock(scope.conn, check.name), scope.conn.transaction():
        findings = check.find(scope)
        qa_results.record_results(
            scope.conn,
            check.name,
            check.severity,
            findings,
            scope.months if check.monthly else [],
            run_id=run_id,
            at=scope.now,
            every_month=every_month,
        )
        return quality.standing_of(scope.conn, check.rule)


def evaluate_without_storing(check: QaCheck, scope: CheckScope) -> Standing:
    """Evaluate the months of `scope` without storing the results."""
    found = check.find(scope).months
    results = [
        MonthResult(check.name, month, of_month.examined, of_month.failing, of_month.rows)
        for month, of_month in found.items()
    ]
    accepted = qa_results.acceptances(scope.conn, check.name)
    return stand([check.rule], results, accepted, clock.today(scope.now))[0]


def report_standing(instance: dg.DagsterInstance, standing: Standing) -> None:
    """Report a check's verdicts to Dagster without a run.

    The command line calls this after it evaluated a check, or after a person accepted failing rows or
    withdrew the acceptance.
    """
    rule = standing.rule
    shown = evaluation(standing, [verdict.month for verdict in standing.verdicts])
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey.from_user_string(rule.asset),
            check_name=rule.name,
            passed=shown.passed,
            metadata=shown.metadata,
            severity=shown.severity,
            description=shown.description,
            blocking=rule.blocking,
        )
    )


def build_asset_check(
    check: QaCheck, *, after_asset: dg.AssetsDefinition | None = None
) -> dg.AssetChecksDefinition:
    """Return Dagster's check for a rule.

    Within a run it is evaluated after its own asset and after `after_asset`.
    """

    @dg.asset_check(
        asset=check.asset,
        name=check.name,
        description=check.description,
        blocking=check.blocking,
        additional_deps=[after_asset] if after_asset else None,
    )
    def _check(
        context: dg.AssetCheckExecutionContext, database: Database, archive: Archive
    ) -> dg.AssetCheckResult:
        tags = dict(context.run.tags)
        months = months_of_run(tags)
        run_months: set[Month] = {None, *months}  # None: rows without a month are part of every run
        earlier = earlier_results(context.instance, dg.AssetCheckKey(dg.AssetKey(check.asset), check.name))
        with database.connect(application_name=f"whatsapp-pipeline check {check.name}") as conn:
            scope = CheckScope(conn, months, archive, context.instance)
            if tags.get(RECORD) == "false":
                return evaluation(evaluate_without_storing(check, scope), run_months)
            if is_partial(context.run.run_config):
                note = "not evaluated: the run was a dry run or took a sample"
                return evaluation(quality.standing_of(conn, check.rule), (), earlier, note)
            standing = evaluate_check(
                check, scope, run_id=context.run.run_id, every_month=not names_months(tags)
            )
            return evaluation(standing, run_months, earlier)

    return _check

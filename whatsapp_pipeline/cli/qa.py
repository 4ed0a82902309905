"""`qa`: the state of the checks by month, evaluating them, and accepting a fault."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.cli.params import MONTH, Group, by_option
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    import dagster as dg

    from whatsapp_pipeline.checks.qa import QaCheck
    from whatsapp_pipeline.domain.quality import Rule, Standing, Verdict
    from whatsapp_pipeline.store.connection import Connection

_DAYS = 30


@click.group(cls=Group)
def qa() -> None:
    """List the checks by month, evaluate them, and accept faults."""


@qa.command("list")
@click.option("--check", "name", help="Only this check.")
@click.option("--month", type=MONTH, help="Only this month.")
@click.option("--all", "every", is_flag=True, help="Also list months that passed or had nothing to examine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per check and month.")
def list_checks_command(name: str | None, month: str | None, every: bool, as_json: bool) -> None:
    """List the months in which a check fails or a fault is accepted, by the last evaluation."""
    from whatsapp_pipeline.domain.quality import month_name
    from whatsapp_pipeline.steps.operations.quality import standings

    names = {check.name for check in _checks(name, with_erp=True)}
    with open_database(settings.load_settings()) as conn:
        found = standings(conn, [rule for rule in shown_rules(conn) if rule.name in names])
    lines = [
        (standing, verdict)
        for standing in found
        for verdict in standing.verdicts
        if (every or verdict.state in {"red", "accepted"}) and (month is None or verdict.month == month)
    ]
    for standing, verdict in lines:
        if as_json:
            say_json(_as_json(standing, verdict))
            continue
        place = f" {month_name(verdict.month)}" if standing.rule.monthly else ""
        result = verdict.result
        say(
            f"{verdict.state:<9}{standing.rule.name}{place}: {result.failing:,} of {result.examined:,}"
            f"{_acceptance(verdict)}"
        )
    unknown = sum(not standing.verdicts for standing in found)
    if not as_json:
        if not lines:
            say("no check fails" if not unknown else "no evaluated check fails")
        if unknown:
            say(f"{unknown} checks were never evaluated; `whatsapp-pipeline qa evaluate` evaluates all")


@qa.command()
@click.option("--check", "name", help="Only this check.")
def evaluate_command(name: str | None) -> None:
    """Evaluate the checks over all months now, and show the results in Dagster.

    The exit status is 1 if a check fails.
    """
    from whatsapp_pipeline.assets.partitions import MONTHS
    from whatsapp_pipeline.checks import qa as checks
    from whatsapp_pipeline.resources.sources import Archive

    failed = 0
    with open_database(settings.load_settings()) as conn, _instance() as instance:
        scope = checks.CheckScope(conn, list(MONTHS.get_partition_keys()), Archive(), instance)
        for check in _checks(name):
            standing = checks.evaluate_check(check, scope, run_id=None, every_month=True)
            checks.report_standing(instance, standing)
            failed += not standing.passed
            say(f"{'passed' if standing.passed else check.severity:<9}{check.name}: {standing.words()}")
    raise SystemExit(1 if failed else 0)


@qa.command()
@click.option("--check", "name", required=True, help="Name of the check, as `qa list` shows it.")
@click.option("--month", type=MONTH, help="The month. Leave this out for a check without months.")
@click.option(
    "--reason", required=True, help="Reason why the fault is accepted; the reason is stored and shown."
)
@click.option(
    "--until", help=f"Last day on which the acceptance applies, YYYY-MM-DD.  [default: {_DAYS} days from now]"
)
@by_option("accepts it")
def accept_command(name: str, month: str | None, reason: str, until: str | None, by: str | None) -> None:
    """Accept a check's fault in a month.

    The check then does not fail, block or alert in that month, until the acceptance expires or more rows
    fail.
    """
    from whatsapp_pipeline.steps.operations.quality import standing_of
    from whatsapp_pipeline.store.operations import qa_results

    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    (check,) = _checks(name, with_erp=True)
    last = _last_day(until)
    with open_database(settings.load_settings()) as conn:
        verdict = _verdict(conn, check, month)
        if verdict.state not in {"red", "accepted"}:
            raise PipelineError(f"{_place(check, month)} does not fail, so there is nothing to accept")
        qa_results.accept_failing(
            conn,
            name,
            month,
            failing=verdict.result.failing,
            reason=reason.strip(),
            until=last,
            made_by=by or getpass.getuser(),
        )
        standing = standing_of(conn, check.rule)
    _show(standing)
    say(
        f"{_place(check, month)}: {_failing_rows(verdict.result.failing)} accepted until {last}; if more "
        f"rows fail, the month is red again"
    )


@qa.command()
@click.option("--check", "name", required=True, help="Name of the check, as `qa list` shows it.")
@click.option("--month", type=MONTH, help="The month. Leave this out for a check without months.")
def withdraw_command(name: str, month: str | None) -> None:
    """Withdraw the acceptance of a check's fault in a month."""
    from whatsapp_pipeline.steps.operations.quality import standing_of
    from whatsapp_pipeline.store.operations import qa_results

    (check,) = _checks(name, with_erp=True)
    with open_database(settings.load_settings()) as conn:
        if not qa_results.withdraw_acceptance(conn, name, month):
            raise PipelineError(
                f"{_place(check, month)} is not accepted; `qa list` shows the accepted faults"
            )
        standing = standing_of(conn, check.rule)
    _show(standing)
    say(f"{_place(check, month)}: the acceptance is withdrawn")


def shown_rules(conn: Connection) -> list[Rule]:
    """Return the rules of the code location, and those of an ERP that only a single run used (`run --erp`).

    The rules of such an ERP are found by their stored results.
    """
    from whatsapp_pipeline.definitions import rule_book
    from whatsapp_pipeline.store.operations import qa_results

    own = {rule.name for rule in rule_book().rules()}
    evaluated = own | {result.check for result in qa_results.results(conn)}
    return [rule for rule in rule_book(with_erp=True).rules() if rule.name in evaluated]


def _checks(name: str | None, *, with_erp: bool | None = None) -> list[QaCheck]:
    """Return the check of this name, or all checks if `name` is None.

    With `with_erp`, the checks of an ERP are included. With None, they are included if the settings name an
    ERP. Raises BadParameter if no check has the name.
    """
    from whatsapp_pipeline.definitions import chosen_checks

    known = chosen_checks(with_erp=with_erp)
    if name is None:
        return known
    found = [check for check in known if check.name == name]
    if not found:
        words = ", ".join(sorted(check.name for check in known))
        raise click.BadParameter(f"no check is called {name!r}; there are {words}", param_hint="--check")
    return found


def _failing_rows(count: int) -> str:
    return "1 failing row is" if count == 1 else f"{count:,} failing rows are"


def _last_day(until: str | None) -> date:
    if until is None:
        return clock.today() + timedelta(days=_DAYS)
    try:
        last = date.fromisoformat(until)
    except ValueError:
        raise click.BadParameter(
            f"{until!r} is no day; write it as 2025-12-31", param_hint="--until"
        ) from None
    if last < clock.today():
        raise click.BadParameter(f"{last} is in the past", param_hint="--until")
    return last


def _verdict(conn: Connection, check: QaCheck, month: str | None) -> Verdict:
    from whatsapp_pipeline.domain.quality import month_name
    from whatsapp_pipeline.steps.operations.quality import standing_of

    if month is not None and not check.monthly:
        raise click.BadParameter(f"{check.name} has no months; leave --month out", param_hint="--month")
    verdicts = standing_of(conn, check.rule).verdicts
    found = [verdict for verdict in verdicts if verdict.month == month]
    if not found:
        months = ", ".join(sorted(month_name(v.month) for v in verdicts if v.state in {"red", "accepted"}))
        raise PipelineError(
            f"{_place(check, month)} was never evaluated; it fails in: {months or 'no month'}. "
            f"`whatsapp-pipeline qa evaluate --check {check.name}` evaluates every month"
        )
    return found[0]


def _place(check: QaCheck, month: str | None) -> str:
    return f"{check.name} {month}" if month else check.name


def _acceptance(verdict: Verdict) -> str:
    accepted = verdict.acceptance
    if accepted is None:
        return ""
    return f"; accepted by {accepted.made_by} until {accepted.until}: {accepted.reason}"


def _as_json(standing: Standing, verdict: Verdict) -> dict[str, object]:
    accepted = verdict.acceptance
    return {
        "check": standing.rule.name,
        "asset": standing.rule.asset,
        "month": verdict.month,
        "state": verdict.state,
        "severity": standing.rule.severity,
        "failing": verdict.result.failing,
        "examined": verdict.result.examined,
        "sample": list(verdict.result.sample),
        "accepted_until": str(accepted.until) if accepted else None,
        "accepted_because": accepted.reason if accepted else None,
    }


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    from whatsapp_pipeline.automation.headless import open_instance

    os.environ.setdefault("DAGSTER_HOME", str(settings.PROJECT_ROOT))
    with open_instance(ephemeral=False) as instance:
        yield instance


def _show(standing: Standing) -> None:
    from whatsapp_pipeline.checks.qa import report_standing

    with _instance() as instance:
        report_standing(instance, standing)

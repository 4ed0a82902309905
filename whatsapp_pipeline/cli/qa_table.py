"""Printing the QA table at the end of `run`, `demo` and `backfill`, with one line per asset and month."""

from __future__ import annotations

from whatsapp_pipeline.automation.headless import CheckOutcome, Outcome
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.text_table import print_table
from whatsapp_pipeline.store.operations.dry_run_diff import Change

# Statuses of chats and sessions that are not linked.
_NOT_LINKED = ("proposed", "ambiguous", "unmatched", "group")


def show(outcome: Outcome, *, dry_run: bool, dagster: str = "`make up`") -> None:
    """Print the table, the failed checks, the errors, and where to find more.

    `dagster` says how the user opens the Dagster whose pages show these runs.
    """
    months = {asset for asset, _ in outcome.by_month}
    lines = [
        _line(outcome, asset, "all", counts)
        for asset, counts in outcome.assets.items()
        if asset not in months
    ]
    lines += [_line(outcome, asset, month, counts) for (asset, month), counts in outcome.by_month.items()]
    if lines:
        say()
        heads = ("asset", "month", "rows in", "exceptions", "checks", "linked by")
        print_table([heads, *lines], right=range(2, 5))
    failed = [check for check in outcome.checks if not check.passed]
    if failed:
        say(f"\nChecks with findings (rows and how to fix them: {dagster}, the asset's Checks tab):")
        for check in failed:
            word = "BLOCKING" if check.blocks else check.severity.lower()
            say(f"  {word:<8} {check.asset}.{check.name}: {check.description}")
    if outcome.paused:
        say(f"\n{outcome.paused}; then run the same command again to continue", err=True)
    for error in outcome.errors:
        say(f"error: {error}", err=True)
    if outcome.errors and not outcome.interrupted and not dry_run:
        say("the page of the run shows the traceback: `whatsapp-pipeline up`, then Runs", err=True)
    if outcome.changes is not None:
        _show_changes(outcome.changes)
    if dry_run:
        say("\nDry run: everything was rolled back.")


def _show_changes(changes: list[Change]) -> None:
    say("\nA real run would change:" if changes else "\nA real run would change nothing.")
    for change in changes:
        say(f"  {change.what}: {change.count:,} {change.change}")
        say_lines(f"      {example}" for example in change.examples)


def _line(outcome: Outcome, asset: str, month: str, counts: dict[str, int]) -> tuple[str, ...]:
    rows = counts.get("partition_row_count", counts.get("row_count", 0))
    findings = counts.get("findings", counts.get("exceptions"))
    return (
        asset,
        month,
        f"{rows:,}",
        "" if findings is None else f"{findings:,}",
        _checks(outcome.checks, asset, month),
        _linked_by(counts),
    )


def _linked_by(counts: dict[str, int]) -> str:
    methods = [
        f"{name.removeprefix('by_').replace('_', ' ')} {value:,}"
        for name, value in sorted(counts.items(), key=lambda item: -item[1])
        if name.startswith("by_") and value
    ]
    states = [f"{name} {counts[name]:,}" for name in _NOT_LINKED if counts.get(name)]
    return ", ".join(methods + states)


def _checks(checks: list[CheckOutcome], asset: str, month: str) -> str:
    own = [check for check in checks if check.asset == asset]
    if not own:
        return ""
    passed = [
        check for check in own if check.passed or (month != "all" and not check.failing_by_month.get(month))
    ]
    return f"{len(passed)}/{len(own)}"

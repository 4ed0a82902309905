"""The QA table that `run` and `demo` end with: a line an asset and month."""

from __future__ import annotations

import click

from whatsapp_pipeline.automation.headless import CheckOutcome, Outcome

# Asset → the counts worth a column's words, in the order to show them.
_METHOD_COUNTS = ("linked", "manual", "proposed", "ambiguous", "unmatched", "group")


def show(outcome: Outcome, *, dry_run: bool) -> None:
    """Print the table, the checks that failed with the way to see more, and the errors."""
    import pandas as pd

    lines = [
        _line(outcome, asset, "all", counts)
        for asset, counts in outcome.assets.items()
        if not any(name == asset for name, _ in outcome.by_month)
    ]
    lines += [_line(outcome, asset, month, counts) for (asset, month), counts in outcome.by_month.items()]
    if lines:
        frame = pd.DataFrame(
            lines, columns=["asset", "month", "rows", "linked by", "exceptions", "checks passed"]
        )
        click.echo("\n" + frame.to_string(index=False, justify="left"))
    failed = [check for check in outcome.checks if not check.passed]
    if failed:
        click.echo("\nChecks with findings (rows and how to fix them: `make up`, the asset's Checks tab):")
        for check in failed:
            word = "BLOCKING" if check.blocking else check.severity.lower()
            click.echo(f"  {word:<8} {check.asset}.{check.name}: {check.description}")
    for error in outcome.errors:
        click.echo(f"error: {error}", err=True)
    if dry_run:
        click.echo("\nDry run: everything was rolled back.")


def _line(outcome: Outcome, asset: str, month: str, counts: dict[str, int]) -> tuple[str, ...]:
    rows = counts.get("partition_row_count", counts.get("row_count", 0))
    return (
        asset,
        month,
        f"{rows:,}",
        _linked_by(counts),
        f"{counts['exceptions']:,}" if "exceptions" in counts else "",
        _checks(outcome.checks, asset, month),
    )


def _linked_by(counts: dict[str, int]) -> str:
    methods = [
        f"{name.removeprefix('method_')} {value:,}"
        for name, value in sorted(counts.items(), key=lambda item: -item[1])
        if name.startswith("method_") and value
    ]
    states = [f"{name} {counts[name]:,}" for name in _METHOD_COUNTS[2:] if counts.get(name)]
    return ", ".join(methods + states)


def _checks(checks: list[CheckOutcome], asset: str, month: str) -> str:
    own = [check for check in checks if check.asset == asset]
    if not own:
        return ""
    passed = [
        check for check in own if check.passed or (month != "all" and not check.failing_by_month.get(month))
    ]
    return f"{len(passed)}/{len(own)}"

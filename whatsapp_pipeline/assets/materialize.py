"""Running the step of an asset, and reporting its counts to Dagster.

What belongs here: dry runs, the months of a run, and the metadata of every asset. What does not: the work of
an asset (its module) and the meaning of its counts (the report of its step).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets.check_state import repeat_last_results
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.run_tags import COMMAND_LINE, DRY_RUN, LAUNCHED_BY
from whatsapp_pipeline.steps.operations import gates
from whatsapp_pipeline.store import catalog
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.templates.row_links import console_links

OWNERS = ["team:data-engineering"]
# One group for all assets: with more than one, the Lineage page shows closed boxes instead of the chain.
# The tag `subject` names the part of the project that an asset belongs to.
GROUP = "whatsapp_pipeline"
PREVIEW_ROWS = 8
PAUSED = "paused"  # key in the metadata of the observation of an asset that was paused or held

Metadata: TypeAlias = Mapping[str, Any]
Events: TypeAlias = Iterator[dg.AssetObservation | dg.AssetMaterialization | dg.MaterializeResult[Any]]


class Report(Protocol):
    """The result of a step: counts by name."""

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        ...


class StepConfig(dg.Config):
    """Options of every asset."""

    dry_run: bool = Field(
        default=False,
        description="Do everything, report the counts as an observation, and roll the changes back.",
    )


def column_schema(
    conn: Connection, table: str, lineage: dg.TableColumnLineage | None = None
) -> dg.TableSchema:
    """Return the metadata of `table` for the catalog, from the comments in the migrations.

    Each column's description ends with its source columns, because Dagster's pages do not show the lineage of
    columns.
    """
    origins = lineage.deps_by_column if lineage else {}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=_with_origins(column.description, origins.get(column.name, ())) or None,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=column.unique),
                tags={"pii": "true"} if column.pii else None,
            )
            for column in catalog.table_columns(conn, table)
        ]
    )


def _with_origins(description: str, origins: Iterable[dg.TableColumnDep]) -> str:
    names = ", ".join(f"`{origin.asset_key.to_user_string()}.{origin.column_name}`" for origin in origins)
    return f"{description.rstrip('.')}. From {names}." if names else description


def _lineage(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dg.TableColumnLineage | None:
    found = context.assets_def.get_asset_spec(key).metadata.get("dagster/column_lineage")
    return found if isinstance(found, dg.TableColumnLineage) else None


def preview(rows: list[dict[str, str | int | float | bool | None]]) -> dg.TableMetadataValue:
    """Return rows as a table. The caller must mask personal data and limit the number of rows."""
    records = [dg.TableRecord({k: "" if v is None else v for k, v in row.items()}) for row in rows]
    names = list(rows[0]) if rows else ["rows"]
    return dg.MetadataValue.table(
        records,
        schema=dg.TableSchema(columns=[dg.TableColumn(name=name, type="string") for name in names]),
    )


def open_in_console(rows: Iterable[Mapping[str, object]]) -> Metadata:
    """Return links to the console's pages for the values in rows; empty if there is no page."""
    links = console_links(rows, settings.load_settings().console_url)
    return {"open_in_console": dg.MetadataValue.md(links)} if links else {}


def months_of(context: dg.AssetExecutionContext) -> list[str]:
    """Return the months of this run (`YYYY-MM`), in order: one, or a range."""
    return sorted(context.partition_keys)


@dataclass(frozen=True, slots=True)
class SecondTable:
    """Another asset that the same step fills: its name, its table and a function for its metadata."""

    asset: str
    table: str
    more: Callable[[Connection], Metadata]


def run_table(
    context: dg.AssetExecutionContext,
    database: Database,
    config: StepConfig,
    *,
    table: str,
    step: Callable[[Connection], Report],
    more: Callable[[Connection], Metadata] | None = None,
    before: Callable[[Connection], None] | None = None,
    second: SecondTable | None = None,
) -> Events:
    """Run `step` for an unpartitioned asset that fills `table`. Report this asset, and `second` if given.

    During a pause, or if `before` raises HeldError, nothing is done, and an observation states the reason.
    """
    dry_run = is_dry_run(context, config)
    own_key = _own_key(context)
    with database.connect(application_name=_application(context), dry_run=dry_run) as conn:
        try:
            _check_gates(context, conn, [])
            if before:
                before(conn)
        except gates.PausedError as pause:
            yield _observe_pause(context, pause)
            return
        counts = step(conn).counts()
        metadata = {
            **_table_metadata(context, conn, table, own_key),
            **counts,
            **(more(conn) if more else {}),
        }
        of_second: Metadata = {}
        if second is not None:
            key = dg.AssetKey(second.asset)
            of_second = {**_table_metadata(context, conn, second.table, key), **second.more(conn)}
    yield _event(context, own_key, metadata, dry_run=dry_run)
    if second is not None and dg.AssetKey(second.asset) in context.selected_asset_keys:
        yield _event(context, dg.AssetKey(second.asset), of_second, dry_run=dry_run)


def run_months(
    context: dg.AssetExecutionContext,
    database: Database,
    config: StepConfig,
    *,
    table: str,
    step: Callable[[Connection, str], Report],
    month_rows: Callable[[Connection, str], int],
    more: Callable[[Connection, list[str]], Metadata] | None = None,
    before: Callable[[Connection, list[str]], None] | None = None,
) -> Events:
    """Run `step` for each month of the run, in order, and report each month and the table.

    `before` may raise to end the run before the first month is written. After HeldError the run succeeds, and
    an observation states the reason. During a pause the run succeeds, too: the months before it are
    materialized, the others are unchanged, and later assets of the run are skipped.
    """
    months = months_of(context)
    dry_run = is_dry_run(context, config)
    with database.connect(application_name=_application(context), dry_run=dry_run) as conn:
        try:
            if before:
                before(conn, months)
        except gates.HeldError as held:
            yield _observe_pause(context, held)
            return
        by_month, pause = _run_until_pause(context, conn, months, step)
        for month, counts in by_month.items():
            counts["dagster/partition_row_count"] = month_rows(conn, month)
        of_table = _table_metadata(context, conn, table, context.asset_key)
        more_by_month: dict[str, Metadata] = {}
        if dry_run and more:
            of_table |= more(conn, months)
        elif more:
            more_by_month = {month: more(conn, [month]) for month in by_month}
    if dry_run:
        yield from _dry_run_events(context, months, by_month, of_table, pause)
    else:
        of_months = {month: {**counts, **more_by_month.get(month, {})} for month, counts in by_month.items()}
        yield from _month_events(context, months, of_months, of_table, pause)


def _table_metadata(
    context: dg.AssetExecutionContext, conn: Connection, table: str, key: dg.AssetKey
) -> dict[str, Any]:
    """Return the number of rows and the columns of a table that the asset `key` fills."""
    return {
        "dagster/row_count": catalog.row_count(conn, table),
        "dagster/column_schema": column_schema(conn, table, _lineage(context, key)),
    }


def _dry_run_events(
    context: dg.AssetExecutionContext,
    months: list[str],
    by_month: Mapping[str, Mapping[str, int]],
    of_table: Metadata,
    pause: gates.PausedError | None,
) -> Events:
    """Report the sums of the counts of a dry run, or only the pause that ended it."""
    if pause is not None:
        yield _observe_pause(context, pause, done=len(by_month), months=len(months))
        return
    total: Counter[str] = Counter()
    for counts in by_month.values():
        total.update(counts)
    total.pop("dagster/partition_row_count", None)
    yield _event(context, context.asset_key, {**of_table, **total}, dry_run=True)


def _month_events(
    context: dg.AssetExecutionContext,
    months: list[str],
    of_months: Mapping[str, Metadata],
    of_table: Metadata,
    pause: gates.PausedError | None,
) -> Events:
    """Report the materialization of each finished month, and the pause that ended the run early."""
    if pause is not None:
        for month, metadata in of_months.items():
            yield dg.AssetMaterialization(
                context.asset_key, partition=month, metadata={**of_table, **metadata}
            )
        yield _observe_pause(context, pause, done=len(of_months), months=len(months))
        return
    for month in months:
        context.add_asset_metadata(of_months[month], partition_key=month)
    yield dg.MaterializeResult(metadata=of_table)


def _run_until_pause(
    context: dg.AssetExecutionContext,
    conn: Connection,
    months: list[str],
    step: Callable[[Connection, str], Report],
) -> tuple[dict[str, dict[str, int]], gates.PausedError | None]:
    """Run the step for each month. Return the counts by month, and the pause that ended the run, or None."""
    by_month: dict[str, dict[str, int]] = {}
    for month in months:
        try:
            _check_gates(context, conn, [month])
            counts = step(conn, month).counts()
            if counts.get("stopped"):
                raise gates.PausedError(gates.pause_in_words(conn) or "the pipeline was paused for a moment")
        except gates.PausedError as pause:
            return by_month, pause
        by_month[month] = counts
        context.log.info("%s: %s", month, _describe_counts(counts), extra=fields(month=month, counts=counts))
    return by_month, None


def _check_gates(context: dg.AssetExecutionContext, conn: Connection, months: list[str]) -> None:
    required = settings.load_settings().checkpoints
    gates.check(conn, _own_key(context).to_user_string(), months, required=required)


def _observe_pause(
    context: dg.AssetExecutionContext, pause: gates.PausedError, *, done: int = 0, months: int = 0
) -> dg.AssetObservation:
    """Return an observation that a pause ended the run early. Such a run does not fail."""
    progress = (
        f"; {done} of {months} months are done; run the same months again to continue" if months else ""
    )
    if context.run.tags.get(LAUNCHED_BY) != COMMAND_LINE:  # a command prints this text itself
        context.log.warning("%s%s", pause, progress, extra=fields(progress=progress.strip() or None))
    return dg.AssetObservation(
        _own_key(context), description=f"{pause}{progress}", metadata={PAUSED: str(pause)}
    )


def is_dry_run(context: dg.AssetExecutionContext, config: StepConfig) -> bool:
    """Return whether the run is a dry run, by the asset's configuration or the run's tag."""
    return config.dry_run or context.run.tags.get(DRY_RUN) == "true"


def _own_key(context: dg.AssetExecutionContext) -> dg.AssetKey:
    """Return the key of the run's asset. If an operation has two assets, this is the one with its name."""
    return dg.AssetKey(context.op_def.name)


def _event(
    context: dg.AssetExecutionContext, key: dg.AssetKey, metadata: Metadata, *, dry_run: bool
) -> dg.AssetObservation | dg.MaterializeResult[Any]:
    if dry_run:
        planned = context.job_def.asset_layer.asset_graph.asset_check_keys
        own = {check for check in planned if check.asset_key == key}
        repeat_last_results(context.instance, own)
        return dg.AssetObservation(
            asset_key=key, description="dry run: everything was rolled back", metadata=metadata
        )
    return dg.MaterializeResult(asset_key=key, metadata=metadata)


def _describe_counts(counts: Mapping[str, int]) -> str:
    words = ", ".join(
        f"{value:,} {name.replace('_', ' ')}"
        for name, value in counts.items()
        if value and not name.startswith("dagster/")
    )
    return words or "all counts are 0"


def _application(context: dg.AssetExecutionContext) -> str:
    return f"whatsapp-pipeline {context.run.run_id[:8]} {_own_key(context).to_user_string()}"

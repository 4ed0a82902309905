"""database_backup and qa_report.

What belongs here: the assets and their configuration. What does not: the work (steps/operations/).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
import dagster as dg
from pydantic import Field

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.assets.declare import pipeline_asset
from whatsapp_pipeline.assets.history import run_history
from whatsapp_pipeline.assets.materialize import preview
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.steps.operations import backup
from whatsapp_pipeline.steps.operations.data_files import place_in, registered
from whatsapp_pipeline.steps.operations.local_copies import report_folder
from whatsapp_pipeline.steps.operations.qa_report import make, write_report
from whatsapp_pipeline.store.operations import status
from whatsapp_pipeline.store.operations.data_files import NewFile


class BackupConfig(dg.Config):
    """Options of a backup."""

    reason: str = Field(default="daily", description="Reason, shown in the list of backups.")


@pipeline_asset("operations", kinds=("postgres", "file"))
def database_backup(
    context: dg.AssetExecutionContext, config: BackupConfig, database: Database
) -> dg.MaterializeResult[None]:
    """A dump of the whole database, verified by restoring it into a scratch database.

    The newest backups of the last days and months are kept (BACKUP_KEEP_DAILY, BACKUP_KEEP_MONTHLY).
    `whatsapp-pipeline restore --into URL` restores one.
    """
    options = backup_options(settings.load_settings())
    taken = backup.take(database.resolved_url(), options, reason=config.reason, log=context.log)
    kept = backup.kept_backups(options.place, taken.database)
    return dg.MaterializeResult(
        metadata={
            **taken.counts(),
            "file": taken.file,
            "seconds": taken.seconds,
            "verified": taken.verified,
            "backups_kept": len(kept),
            "bytes_kept": sum(item.size_bytes for item in kept),
            "largest_tables": preview(
                [
                    {"table": table, "rows": rows}
                    for table, rows in sorted(taken.tables.items(), key=lambda item: -item[1])
                ]
            ),
        }
    )


class ReportConfig(dg.Config):
    """Options of the report."""

    month: str | None = Field(default=None, description="One month, YYYY-MM. Default: all months.")


@pipeline_asset("operations", kinds=("html", "file"), deps=["customer_summaries"])
def qa_report(
    context: dg.AssetExecutionContext,
    config: ReportConfig,
    database: Database,
    rule_book: dg.ResourceParam[RuleBook],
) -> dg.MaterializeResult[None]:
    """One page with links, orders, messages, findings, checks, runs, and the review sample.

    Names are masked.
    """
    configured = settings.load_settings()
    folder, name = report_folder(configured), f"qa-{config.month or 'all'}.html"
    place = place_in(configured, folder, name)
    new = NewFile("report", place, first_month=config.month, written_by=context.run.run_id)
    with (
        database.connect(application_name="whatsapp-pipeline report") as conn,
        registered(conn, new, log=context.log) as written,
    ):
        months = [config.month] if config.month else [row["month"] for row in status.months(conn)]
        rules = rule_book.rules()
        report = make(conn, months, run_history(context.instance, rules), rules, made_at=clock.now())
        path = write_report(folder, name, report.html)
        written.size = report.counts()["bytes"]
    return dg.MaterializeResult(metadata={**report.counts(), "page": dg.MetadataValue.path(path)})


ASSETS = [database_backup, qa_report]

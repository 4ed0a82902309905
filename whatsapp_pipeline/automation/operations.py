"""Jobs, schedules and the sensor for operation: backups, report, weekly backfill, retention, erasures."""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.

import dagster as dg

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.assets.partitions import FORMAT
from whatsapp_pipeline.automation import backfill
from whatsapp_pipeline.automation.pausing import unless_paused
from whatsapp_pipeline.automation.schedule_factory import Job, at, once_a_day
from whatsapp_pipeline.automation.schedules import monthly_chats
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.run_tags import RETRIED
from whatsapp_pipeline.steps.operations.local_erasures import apply_erasures
from whatsapp_pipeline.steps.operations.retention import delete_old
from whatsapp_pipeline.store.operations.console_views import delete_views_older_than

backups = dg.define_asset_job(
    "backups",
    selection=dg.AssetSelection.assets("database_backup"),
    description="A verified backup of the database.",
    tags=RETRIED,
)


reports = dg.define_asset_job(
    "reports",
    selection=dg.AssetSelection.assets("qa_report"),
    description="The QA report over all months.",
    tags=RETRIED,
)


@at("0 6 * * *", reports)
def daily_report(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Write the QA report every morning at 6, after the night's runs."""
    return once_a_day("report", context)


@at("0 1 * * *", backups)
def nightly_backup(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Back up the database every night at 1, before the ERP and the current month are read."""
    return once_a_day("backup", context)


@at("0 4 * * 0", monthly_chats)
@unless_paused
def weekly_catch_up(
    context: dg.ScheduleEvaluationContext, database: Database, archive: Archive
) -> list[dg.RunRequest] | dg.SkipReason:
    """Run the months that are missing, failed or stale, on Sundays at 4, without the current month."""
    repository = context.repository_def
    if repository is None:
        return dg.SkipReason("the schedule was evaluated outside of the code location")
    with database.connect(application_name="whatsapp-pipeline catch-up", dry_run=True) as conn:
        todo = backfill.plan(repository.asset_graph, context.instance, conn, archive.open())
    now = context.scheduled_execution_time
    months = [month for month in todo.months if month != now.strftime(FORMAT)]
    if not months:
        return dg.SkipReason("nothing is missing, failed or stale")
    return [
        dg.RunRequest(
            run_key=f"catch-up:{now:%Y-%m-%d}:{month}",
            partition_key=month,
            tags={"whatsapp_pipeline/why": "; ".join(todo.reasons[month])},
        )
        for month in months
    ]


@dg.op(description="Delete chats of months older than RETENTION_MONTHS from the database.")
def delete_old_chats(context: dg.OpExecutionContext, database: Database) -> None:
    """Delete chats that are older than RETENTION_MONTHS allows; without the setting, delete nothing."""
    months = settings.load_settings().retention_months
    if months is None:
        context.log.info("RETENTION_MONTHS is not set: nothing is deleted")
        return
    with database.connect(application_name="whatsapp-pipeline retention") as conn:
        delete_old(conn, months, today=clock.today(), log=context.log)


@dg.op(description="Delete records of views in the console that are older than CONSOLE_AUDIT_MONTHS.")
def delete_old_views(context: dg.OpExecutionContext, database: Database) -> None:
    """Delete records of who viewed which messages after CONSOLE_AUDIT_MONTHS."""
    months = settings.load_settings().console_audit_months
    with database.connect(application_name="whatsapp-pipeline retention") as conn:
        deleted = delete_views_older_than(conn, months)
    context.log.info(
        f"{deleted} records of views older than {months} months deleted",
        extra=fields(counts={"views_deleted": deleted}),
    )


@dg.job(
    description="Retention by age: RETENTION_MONTHS for chats, CONSOLE_AUDIT_MONTHS for records of views.",
    tags=RETRIED,
)
def retention() -> None:
    """Delete data that is older than the settings of retention allow."""
    delete_old_chats()
    delete_old_views()


@at("30 5 * * 0", retention)
@unless_paused
def weekly_retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Delete data that is older than the settings of retention allow, on Sundays at 5:30."""
    return once_a_day("retention", context)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Erase people whom another host erased from the files of the code server's host. It starts "
    "no run.",
)
def erasures_of_other_hosts(context: dg.SensorEvaluationContext, database: Database) -> dg.SkipReason:
    """Apply the queue of erasures to the files of this host, if it has copies of personal data."""
    with database.connect(application_name="whatsapp-pipeline erasures") as conn:
        applied = apply_erasures(conn, settings.load_settings(), register=False, log=context.log)
    if not applied.erasures:
        return dg.SkipReason("this host has applied all erasures")
    return dg.SkipReason(f"{applied.erasures} erasure(s) applied to the files of this host")


SENSORS = [erasures_of_other_hosts]
"""This sensor exists only with several hosts. With one host, `privacy erase` itself erases from all files."""

JOBS: list[Job] = [backups, reports, retention]
SCHEDULES = [nightly_backup, daily_report, weekly_catch_up, weekly_retention]

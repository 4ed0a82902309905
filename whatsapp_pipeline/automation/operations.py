"""Jobs and schedules of operation: the nightly backup."""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
import dagster as dg

from whatsapp_pipeline.automation.schedules import ZONE

backups = dg.define_asset_job(
    "backups",
    selection=dg.AssetSelection.assets("database_backup"),
    description="A verified backup of the database.",
)


@dg.schedule(
    job=backups,
    cron_schedule="0 1 * * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_backup(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Back the database up every night at 1, before the ERP and the current month are read."""
    return dg.RunRequest(run_key=f"backup:{context.scheduled_execution_time:%Y-%m-%d}")


JOBS = [backups]
SCHEDULES = [nightly_backup]

"""What keeps the rest safe: database_backup."""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets.running import OWNERS, preview
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.steps import backup


class BackupConfig(dg.Config):
    """How a backup is named."""

    reason: str = "daily"


@dg.asset(group_name="operations", kinds={"postgres", "file"}, owners=OWNERS, code_version="1")
def database_backup(
    context: dg.AssetExecutionContext, config: BackupConfig, database: Database
) -> dg.MaterializeResult[None]:
    """A dump of the whole database, restored once into a scratch database to see that it can be.

    The newest of each of the last days and months stay (BACKUP_KEEP_DAILY, BACKUP_KEEP_MONTHLY).
    `whatsapp-pipeline restore --into URL` is the way back.
    """
    options = backup_options(settings.load())
    taken = backup.take(database.resolved_url(), options, reason=config.reason, log=context.log)
    kept = backup.kept(options.folder, taken.database)
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


ASSETS = [database_backup]

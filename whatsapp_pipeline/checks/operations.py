"""Checks of operation: a recent backup was restored, and no failed month is forgotten.

What belongs here: rules as data, and functions that find failing rows. What does not: backups
(steps/operations/backup.py).
"""

from __future__ import annotations

from datetime import timedelta

from psycopg.conninfo import conninfo_to_dict

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets.partition_status import MONTHLY, failed_partitions
from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck
from whatsapp_pipeline.steps.operations import backup
from whatsapp_pipeline.store.operations.checks import Findings

OLDEST_BACKUP = timedelta(hours=50)


def _no_recent_backup(scope: CheckScope) -> Findings:
    database = str(conninfo_to_dict(scope.conn.info.dsn).get("dbname"))
    taken = backup.kept_backups(backup_options(settings.load_settings()).place, database)
    good = [item for item in taken if item.verified == "restored"]
    if good and scope.now - good[0].time < OLDEST_BACKUP:
        return Findings.of(len(taken), [])
    newest = taken[0] if taken else None
    row = {"newest": newest.taken_at if newest else "none", "verified": newest.verified if newest else ""}
    return Findings.of(max(1, len(taken)), [row])


def _forgotten_failures(scope: CheckScope) -> Findings:
    if scope.instance is None:
        return Findings({})
    months = MONTHS.get_partition_keys()
    return Findings.of(
        {month: len(MONTHLY) for month in months},
        [
            {
                "month": month,
                "asset": asset,
                "way_out": f"whatsapp-pipeline backfill --failed --since {month}",
            }
            for month, asset in failed_partitions(scope.instance, months)
        ],
    )


CHECKS = [
    QaCheck(
        name="a_recent_backup_restores",
        subject="operations",
        asset="database_backup",
        description="There is a backup of the last 50 hours that was restored into a scratch database.",
        how_to_fix="Run `whatsapp-pipeline backup now`; its error states what to correct.",
        why="Only a backup that was restored is known to be usable.",
        finder=_no_recent_backup,
        severity="error",
    ),
    QaCheck(
        name="no_failed_month_is_forgotten",
        subject="operations",
        asset="qa_report",
        description="Months of any monthly asset whose last run failed, however long ago.",
        how_to_fix="`whatsapp-pipeline backfill --failed` runs them again; each row has its own command.",
        why="A failed month looks like a month with few customers.",
        finder=_forgotten_failures,
        per_month=True,
        severity="error",
    ),
]

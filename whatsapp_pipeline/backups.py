"""How the settings have backups taken; for the command line, the asset and the guard of first writes.

What belongs here: from settings to options. What does not: taking, keeping and restoring
(steps/operations/backup.py).
"""

from __future__ import annotations

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.operations.backup import BackupOptions


def backup_options(settings: Settings) -> BackupOptions:
    """Return where backups go, how many stay, and where one is verified when the server refuses to."""
    return BackupOptions(
        folder=settings.backup_dir or settings.local_dir / "backups",
        keep_daily=settings.backup_keep_daily,
        keep_monthly=settings.backup_keep_monthly,
        bin_dir=settings.pg_bin_dir,
        scratch_url=lambda: server_url(settings.local_dir, "postgres"),
    )

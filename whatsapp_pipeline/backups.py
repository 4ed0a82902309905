"""The options of backups, from the settings.

What belongs here: converting settings to options. What does not: making, deleting and restoring backups
(steps/operations/backup.py).
"""

from __future__ import annotations

import logging
from pathlib import Path

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.shared_folder import LocalFolder, StoreFolder, shared_folder
from whatsapp_pipeline.steps.operations.backup import BackupOptions
from whatsapp_pipeline.steps.operations.data_files import register_backups


def backup_options(settings: Settings) -> BackupOptions:
    """Return the place of backups, the numbers of backups to keep, and the server for a trial restore.

    The trial restore uses `scratch_url` if the database's own server does not allow a new database. With
    several hosts there is no `scratch_url`, because the embedded server would copy all rows to the disk of
    one host.
    """

    def embedded() -> str:
        return server_url(settings.local_dir, "postgres", port=settings.embedded_port)

    def register(url: str) -> None:
        register_backups(url, settings, options, log=logging.getLogger("whatsapp_pipeline.backup"))

    shared = None if settings.backup_dir else shared_folder(settings, "backups")
    here = settings.backup_dir or settings.local_dir / "backups"
    options = BackupOptions(
        folder=Path(shared.address) if isinstance(shared, LocalFolder) else here,
        keep_daily=settings.backup_keep_daily,
        keep_monthly=settings.backup_keep_monthly,
        bin_dir=settings.pg_bin_dir,
        scratch_url=None if settings.several_hosts else embedded,
        store=shared if isinstance(shared, StoreFolder) else None,
        register=register,
    )
    return options

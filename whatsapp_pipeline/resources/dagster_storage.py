"""Storage of Dagster's runs and events: dagster-postgres on the database of the settings.

`dagster.yaml` names this class instead of a URL. So `dagster dev`, the daemon and every run worker use the
same server without environment variables. If it is the embedded server, they start it.

dagster-postgres opens a connection for every statement. A run of three months with 60 files opened 1,480, and
the server spent 9 of its 11.5 seconds on them. So the storages share connections that stay open.
"""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path
from typing import Any

import sqlalchemy
from dagster_postgres import DagsterPostgresStorage, PostgresRunStorage

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import ConfigurableClassData
from whatsapp_pipeline.databases import dagster_url, pipeline_url, sqlalchemy_url
from whatsapp_pipeline.privacy_key import require_common_key
from whatsapp_pipeline.resources.daemon_lock import hold_daemon_lock, is_daemon
from whatsapp_pipeline.run_hosts import refuse_unshared_runs
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.operations.current_code import why_not_current
from whatsapp_pipeline.store.connection import with_lost_host_limits

# Number of connections that stay open. A process may use more; these are closed after use.
_OPEN_CONNECTIONS = 2
_engines: weakref.WeakSet[sqlalchemy.Engine] = weakref.WeakSet()


def _forget_connections() -> None:
    """Drop the parent process's connections without closing them, because two processes can't share one."""
    for engine in _engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)


def _is_webserver() -> bool:
    """Return whether this process is `dagster-webserver`, also if it was started as a module."""
    path = Path(sys.argv[0])
    return path.name == "dagster-webserver" or path.parent.name == "dagster_webserver"


def _end_unless_current(configured: Settings, refusal: str) -> None:
    """Raise SystemExit with one line if, with several hosts, this process may not work on the database."""
    if not configured.several_hosts:
        return
    require_common_key(configured)
    if problem := why_not_current(pipeline_url(configured)):
        raise SystemExit(f"{refusal}: {problem}")


class _RunStorage(PostgresRunStorage):
    """Storage of runs. When Dagster disposes it, the connections that all storages share are closed."""

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class PipelineDagsterStorage(DagsterPostgresStorage):
    """Runs, events and schedules in PostgreSQL, at the URL of the settings."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Accept no options in dagster.yaml, because URLs belong in the settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: object
    ) -> PipelineDagsterStorage:
        """Build the storage. Dagster calls this method.

        Every daemon and webserver opens the storage, however it was started. So a second daemon is ended
        here, and a daemon or webserver with other code. Settings for one host are refused here if runs are on
        other hosts.
        """
        configured = settings.load_settings()
        refuse_unshared_runs(configured)
        url = dagster_url(configured)
        if is_daemon():
            hold_daemon_lock(url)
            _end_unless_current(configured, "this daemon launches no run")
        elif _is_webserver():
            _end_unless_current(configured, "this webserver serves nothing")
        storage = cls(postgres_url=sqlalchemy_url(with_lost_host_limits(url)), inst_data=inst_data)
        storage._share_connections()
        return storage

    def _share_connections(self) -> None:
        # dagster-postgres has no option for the engine. A test fails if an upgrade no longer uses it.
        self._run_storage = _RunStorage(self.postgres_url, should_autocreate_tables=False)
        engine = sqlalchemy.create_engine(
            self.postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=_OPEN_CONNECTIONS,
            max_overflow=-1,
            pool_pre_ping=True,  # the server may have been restarted meanwhile
        )
        _engines.add(engine)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine

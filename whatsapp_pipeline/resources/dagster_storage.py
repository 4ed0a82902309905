"""Storage of Dagster's runs and events: dagster-postgres on the database of the settings.

`dagster.yaml` names this class instead of a URL. So `dagster dev`, the daemon and every run worker use the
same server without environment variables, and start it if it is the embedded one.
"""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import ConfigurableClassData
from whatsapp_pipeline.databases import dagster_url, pipeline_url, sqlalchemy_url
from whatsapp_pipeline.resources.daemon_lock import hold_daemon_lock, is_daemon
from whatsapp_pipeline.resources.run_hosts import refuse_unshared_runs
from whatsapp_pipeline.steps.operations.current_code import why_not_current
from whatsapp_pipeline.store.connection import with_lost_host_limits


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
        """Build the storage; called by Dagster.

        Every daemon opens the storage, however it was started. So this is where a second one ends, and where
        settings of one host are refused for runs on others.
        """
        configured = settings.load_settings()
        refuse_unshared_runs(configured)
        url = dagster_url(configured)
        if is_daemon():
            hold_daemon_lock(url)
            if configured.several_hosts and (problem := why_not_current(pipeline_url(configured))):
                raise SystemExit(f"this daemon launches no run: {problem}")
        return cls(postgres_url=sqlalchemy_url(with_lost_host_limits(url)), inst_data=inst_data)

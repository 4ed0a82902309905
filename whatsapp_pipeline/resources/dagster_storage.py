"""Storage of Dagster's runs and events: dagster-postgres on the database of the settings.

`dagster.yaml` names this class instead of a URL. So `dagster dev`, the daemon and every run worker use the
same server without environment variables, and start it if it is the embedded one.
"""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import ConfigurableClassData
from whatsapp_pipeline.databases import dagster_url, sqlalchemy_url


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
        """Build the storage; called by Dagster."""
        return cls(postgres_url=sqlalchemy_url(dagster_url(settings.load_settings())), inst_data=inst_data)

"""Dagster's own storage: dagster-postgres on the database the settings name.

`dagster.yaml` names the class below instead of a URL, so that a bare `dagster dev`, the daemon and every run
worker find (and, where it is the embedded one, start) the same server without any environment.
"""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import ConfigurableClassData
from whatsapp_pipeline.databases import dagster_url, sqlalchemy_url


class PipelineDagsterStorage(DagsterPostgresStorage):
    """Runs, events and schedules in PostgreSQL, at the URL that the settings give."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Take nothing from dagster.yaml: the settings are the one home of URLs."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: object
    ) -> PipelineDagsterStorage:
        """Build the storage; called by Dagster."""
        return cls(postgres_url=sqlalchemy_url(dagster_url(settings.load())), inst_data=inst_data)

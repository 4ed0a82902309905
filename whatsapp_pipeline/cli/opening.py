"""Opening the pipeline's database for a command that needs its schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.store.connection import Connection, connect, describe
from whatsapp_pipeline.store.migrate import pending


@contextmanager
def open_database(configured: Settings) -> Iterator[Connection]:
    """Open the database of the settings; raises PipelineError when its schema is not current."""
    url = pipeline_url(configured)
    if pending(url):
        raise PipelineError(f"{describe(url)} is not migrated; run `whatsapp-pipeline migrate`")
    with connect(url) as conn:
        yield conn

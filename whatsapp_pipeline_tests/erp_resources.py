"""The resources that an ERP asset needs, for tests that materialize one by itself."""

from __future__ import annotations

from whatsapp_pipeline.resources import table_frames
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Erp


def erp_resources(url: str, source: str) -> dict[str, object]:
    """Wire the ERP's assets to a database and to a server or a folder of saved pages."""
    database = Database(url=url)
    return {
        "database": database,
        "erp": Erp(source=source),
        table_frames.KEY: table_frames.TableFrames(database=database),
    }

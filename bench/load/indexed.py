"""A database whose chat_files know an archive: what loading starts from."""

from __future__ import annotations

import logging

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate


def index(url: str, root: str) -> None:
    """Migrate the database at `url` and index every month of the archive at `root`."""
    migrate(url)
    archive = ChatArchive(root)
    with connect(url) as conn:
        for month in archive.months():
            index_month(conn, archive, month, IndexOptions(), log=logging.getLogger("bench.load"))

"""The parts that every endpoint needs: configuration, pools, access, key, files.

What belongs here: holding them and making a Page of them. What does not: routes (app.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from whatsapp_pipeline.archive.attachments import AttachmentFiles
from whatsapp_pipeline.console.access import Access, Visitor
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pools import ConsolePools
from whatsapp_pipeline.store.connection import Connection


@dataclass(frozen=True, slots=True)
class ServerParts:
    """One console's parts; `key` is the privacy key."""

    config: ConsoleConfig
    pools: ConsolePools
    access: Access
    key: bytes
    files: AttachmentFiles

    def page(self, request: Request, body: bytes, visitor: Visitor, conn: Connection) -> Page:
        """Return a request for a page of a user, over a connection of their level."""
        return Page(request, body, visitor, conn, self.access, self.config, self.key, self.files)

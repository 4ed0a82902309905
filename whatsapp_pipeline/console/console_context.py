"""The objects that the endpoints share: configuration, pools, access, key, files.

What belongs here: the container of these objects, and creating a Page from them. What does not: routes
(app.py).
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
class ConsoleContext:
    """The shared objects of one console. `key` is the privacy key."""

    config: ConsoleConfig
    pools: ConsolePools
    access: Access
    key: bytes
    files: AttachmentFiles

    def page(self, request: Request, body: bytes, visitor: Visitor, conn: Connection) -> Page:
        """Return the Page for a request of a user, with a connection of the user's level."""
        return Page(request, body, visitor, conn, self.access, self.config, self.key, self.files)

"""Where chats and ERP rows come from, as Dagster resources.

What belongs here: choosing the archive and the ERP from config and settings, and the one rule that keeps the
sample data out of a user's own database. What does not: reading either (archive/, erp/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import SettingError

if TYPE_CHECKING:
    from whatsapp_pipeline.archive import ChatArchive
    from whatsapp_pipeline.erp.source import ErpSource


class Archive(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: it is handed as itself
    """The folder (or any place UPath reaches) with the exported chats, by year and month."""

    root: str | None = Field(
        default=None,
        description="Folder or URL of the archive. Left out: CHAT_ARCHIVE, else the sample in data/.",
    )

    def open(self) -> ChatArchive:
        """Return the archive; raises SettingError rather than load the sample into a user's database.

        An empty root is an error too: a script's variable that is not set must not choose another archive.
        """
        from whatsapp_pipeline.archive import ChatArchive

        if self.root is not None and not self.root.strip():
            raise SettingError("--archive is empty: name the folder of your chats, or leave the option out")
        root = self.root or settings.load().archive_root
        if root is None:
            raise SettingError(
                "CHAT_ARCHIVE is not set: name the folder of your chats (the sample archive is only for the "
                "embedded database)"
            )
        return ChatArchive(root)


class Erp(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: it is handed as itself
    """The ERP that contacts and service orders come from."""

    source: str | None = Field(
        default=None,
        description="`tiny`, an http(s) URL of a Tiny-like server, or a folder of saved pages. "
        "Left out: ERP, otherwise `tiny` where credentials are set, otherwise the sample pages in data/ for "
        "the embedded database.",
    )

    def open(self) -> ErpSource:
        """Return the source; raises SettingError when none is set for a database of the user's own."""
        from whatsapp_pipeline.erp.source import open_erp_source

        configured = settings.load()
        spec = self.source or configured.erp_source
        if spec is None:
            raise SettingError(
                "no ERP is set: give TINY_CLIENT_ID and TINY_CLIENT_SECRET, or ERP=<folder of saved pages>; "
                "a database that other programs fill needs neither: leave tiny_contacts out of the run"
            )
        return open_erp_source(configured, spec)

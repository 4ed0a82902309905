"""The archive and the ERP as Dagster resources.

What belongs here: the choice of the archive and the ERP, and the rule that keeps the sample data out of a
user's own database. What does not: reading them (archive/, erp/).
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


class Archive(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: assets get the resource
    """The folder, or URL that UPath supports, with the exported chats by year and month."""

    root: str | None = Field(
        default=None,
        description="Folder or URL of the archive. Default: CHAT_ARCHIVE, otherwise the sample in data/.",
    )

    def open(self) -> ChatArchive:
        """Return the archive.

        Raises SettingError if the archive would be the sample, but the database is a user's own. Raises it
        for an empty root, too, because an unset variable in a script must not select another archive.
        """
        from whatsapp_pipeline.archive import ChatArchive

        if self.root is not None and not self.root.strip():
            raise SettingError("--archive is empty: name the folder of your chats, or remove the option")
        root = self.root or settings.load_settings().archive_root
        if root is None:
            raise SettingError(
                "CHAT_ARCHIVE is not set: name the folder of your chats (the sample archive is only for the "
                "embedded database)"
            )
        return ChatArchive(root)


class Erp(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: assets get the resource
    """The ERP from which contacts and service orders are read."""

    source: str | None = Field(
        default=None,
        description="`tiny`, an http(s) URL of a Tiny-like server, or a folder of saved pages. "
        "Default: ERP, otherwise `tiny` if credentials are set, otherwise the sample pages in data/ for "
        "the embedded database.",
    )

    def open(self) -> ErpSource:
        """Return the source. Raises SettingError if none is set and the database is a user's own."""
        from whatsapp_pipeline.erp.source import open_erp_source

        configured = settings.load_settings()
        spec = self.source or configured.erp_source
        if spec is None:
            raise SettingError(
                "no ERP is set: give TINY_CLIENT_ID and TINY_CLIENT_SECRET, or ERP=<folder of saved pages>; "
                "if other programs fill the database, run the assets without tiny_contacts and tiny_orders"
            )
        return open_erp_source(configured, spec)

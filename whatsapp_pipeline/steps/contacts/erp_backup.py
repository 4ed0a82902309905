"""Saving the ERP's pages as JSON, in the layout that erp/folder.py reads.

What belongs here: saving the pages of a pass, and deleting old passes. What does not: reading them.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whatsapp_pipeline.archive.object_store import StoreUnavailableError
from whatsapp_pipeline.erp.items import Item
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.shared_folder import FileFolder, LocalFolder

_PASS = re.compile(r"\d{8}T\d{12}")


class PageBackup:
    """Saves the pages of one pass in its own folder under `root`.

    `name` is the folder of a pass that is resumed. With None, a new folder is used.
    """

    def __init__(self, root: FileFolder | Path, name: str | None = None) -> None:
        self.name = name or f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        self._root = _as_folder(root)

    def save_page(self, name: str, page: ListingPage) -> None:
        """Save a page of the listing `name` (`contatos/B`) atomically as `<name>-<offset>.json`."""
        paging = {"limit": len(page.items), "offset": page.offset, "total": page.total}
        self._save(f"{name}-{page.offset:06d}.json", {"itens": page.items, "paginacao": paging})

    def save_details(self, items: Sequence[Item]) -> None:
        """Save details of orders in a file named by the first id."""
        if items:
            self._save(f"ordem-servico/details-{items[0]['id']}.json", {"itens": items})

    def _save(self, name: str, body: Mapping[str, Any]) -> None:
        self._root.write(f"{self.name}/{name}", json.dumps(body))


def remove_old_passes(root: FileFolder | Path, keep: int, *, log: logging.Logger) -> int:
    """Remove all but the newest `keep` passes of each listing under `root`; return how many were removed.

    A pass that can be resumed is the newest of its listing, so it is kept. Other files are kept, too. If a
    folder can't be removed, a warning is logged.
    """
    folder = _as_folder(root)
    passes: dict[str, set[str]] = {}
    for name in folder.names():
        of_pass, _, rest = name.partition("/")
        listing, separator, _ = rest.partition("/")
        if _PASS.fullmatch(of_pass) and separator:
            passes.setdefault(of_pass, set()).add(listing)
    kept: dict[str, int] = {}
    removed = 0
    for of_pass, listings in sorted(passes.items(), reverse=True):
        for listing in listings:
            kept[listing] = kept.get(listing, 0) + 1
        if any(kept[listing] <= keep for listing in listings):
            continue
        try:
            folder.delete_below(of_pass)
        except (OSError, StoreUnavailableError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            log.warning(
                "the saved ERP pages %s can't be removed: %s",
                of_pass,
                reason,
                extra=fields(file=of_pass, reason=reason),
            )
        else:
            removed += 1
    return removed


def _as_folder(root: FileFolder | Path) -> FileFolder:
    return LocalFolder(root) if isinstance(root, Path) else root

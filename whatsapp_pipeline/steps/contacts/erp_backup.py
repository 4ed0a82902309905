"""PageBackup of the ERP's pages as JSON, in the layout that erp/folder.py reads.

What belongs here: saving the pages of a pass, and deleting old passes. What does not: reading them.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whatsapp_pipeline import private_files
from whatsapp_pipeline.erp.items import Item
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.logs import fields

_PASS = re.compile(r"\d{8}T\d{12}")


class PageBackup:
    """The saved pages of one pass, in its own folder under `root`, readable only by their owner.

    `name` is the folder of a resumed pass.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.name = name or f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        self._folder = root / self.name

    def save_page(self, name: str, page: ListingPage) -> None:
        """Save a page of the listing `name` (`contatos/B`) atomically as `<name>-<offset>.json`."""
        paging = {"limit": len(page.items), "offset": page.offset, "total": page.total}
        self._save(f"{name}-{page.offset:06d}.json", {"itens": page.items, "paginacao": paging})

    def save_details(self, items: Sequence[Item]) -> None:
        """Save details of orders in a file named by the first id."""
        if items:
            self._save(f"ordem-servico/details-{items[0]['id']}.json", {"itens": items})

    def _save(self, name: str, body: Mapping[str, Any]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_files.replace_file(path, json.dumps(body))


def remove_old_passes(root: Path, keep: int, *, log: logging.Logger) -> int:
    """Remove all but the newest `keep` passes of each listing under `root`; return the number of folders.

    A resumed pass is the newest of its listing and is never removed. Other files stay, and so does a folder
    that can't be removed, with a warning.
    """
    passes = sorted((path for path in root.glob("*") if _PASS.fullmatch(path.name)), reverse=True)
    kept: dict[str, int] = {}
    removed = 0
    for folder in passes:
        listings = [path.name for path in folder.glob("*") if path.is_dir()]
        for listing in listings:
            kept[listing] = kept.get(listing, 0) + 1
        if not listings or any(kept[listing] <= keep for listing in listings):
            continue
        try:
            shutil.rmtree(folder)
        except OSError as error:
            log.warning(
                "the saved ERP pages %s can't be removed: %s",
                folder.name,
                error.strerror,
                extra=fields(file=folder.name, reason=error.strerror),
            )
        else:
            removed += 1
    return removed

"""Pages of the ERP saved as JSON before they are loaded, in the layout that a folder source reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whatsapp_pipeline import private_files
from whatsapp_pipeline.erp.items import Item
from whatsapp_pipeline.erp.pages import Page


class Backup:
    """One pass's pages, in a folder of its own under `root`; readable by their owner alone.

    `name` continues the folder of a pass that is resumed.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.name = name or f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        self._folder = root / self.name

    def save_page(self, name: str, page: Page) -> None:
        """Save a page of the listing `name` (`contatos/B`) as `<name>-<offset>.json`, in one step."""
        paging = {"limit": len(page.items), "offset": page.offset, "total": page.total}
        self._save(f"{name}-{page.offset:06d}.json", {"itens": page.items, "paginacao": paging})

    def save_details(self, items: Sequence[Item]) -> None:
        """Save details of orders, named by the first one's id."""
        if items:
            self._save(f"ordem-servico/details-{items[0]['id']}.json", {"itens": items})

    def _save(self, name: str, body: Mapping[str, Any]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_files.write(path, json.dumps(body))

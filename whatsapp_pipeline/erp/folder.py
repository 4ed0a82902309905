"""A folder of saved pages that replaces the ERP: a backup by this program, or files of another program.

The folder holds `contatos/*.json`, `ordem-servico/*.json`, or both: pages of API v3 or v2, or bare lists, in
any number of files. Files are read one at a time. Memory contains the ids of all items, and the content of a
few files.

What belongs here: finding pages and details in files. What does not: the meaning of items (`items`), and
storing them (steps/contacts/erp_sync.py).
"""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from hashlib import blake2b, file_digest
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from whatsapp_pipeline.erp.items import Item, ItemError, item_id, items_of
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.errors import PipelineError

# Small files are joined to one page until it has this many items, because each page is a transaction.
PAGE_SIZE: Final = 2000


@dataclass(slots=True)
class _Listing:
    """The files of a listing, the offset at which each begins, their ids, and a count of rows without one."""

    files: list[Path] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    length: int = 0
    ids: set[int] = field(default_factory=set)
    without_id: int = 0

    @property
    def total(self) -> int:
        """Number of different rows in the files."""
        return len(self.ids) + self.without_id


def _read(path: Path) -> list[Item]:
    try:
        return items_of(json.loads(path.read_text(encoding="utf-8-sig")))
    except (ValueError, ItemError) as error:
        reason = str(error) if isinstance(error, ItemError) else "it is not JSON"
        raise PipelineError(
            f"{path.parent.name}/{path.name} is not a saved page of the ERP ({reason}); correct or remove it"
        ) from error


def _ids(items: Sequence[Item]) -> Iterator[int]:
    for item in items:
        with contextlib.suppress(ItemError):  # reported where the page is loaded
            yield item_id(item)


def _by_id(path: Path) -> dict[int, Item]:
    """Return the items of a file by id; of several with one id, the last."""
    found: dict[int, Item] = {}
    for item in _read(path):
        found.update((id_, item) for id_ in _ids([item]))
    return found


def _is_detail(item: Item) -> bool:
    return "contato" in item or "equipamento" in item


class FolderSource:
    """Saved pages. A file that is not a page raises PipelineError; no file is skipped silently."""

    live = False
    contact_scopes: Sequence[str] = ("",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = f"folder {folder.resolve()}"
        # A page and its details are read together and not again later, so a small cache is enough.
        self._read = lru_cache(maxsize=8)(_read)
        self._read_details = lru_cache(maxsize=8)(_by_id)
        self._fingerprints: dict[str, str] = {}
        if not any(folder.glob("contatos/*.json")) and not any(folder.glob("ordem-servico/*.json")):
            raise PipelineError(f"{folder} holds no saved pages: expected {folder}/contatos/*.json")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._read.cache_clear()
        self._read_details.cache_clear()

    def fingerprint(self, resource: str) -> str | None:
        """Hash the names and bytes of a resource's files, at the first call.

        Times and sizes are not reliable: a checkout changes the times of equal files, and rsync can keep the
        time and size of a file in which one digit was corrected. Hashing takes a hundredth of the time of
        reading the pages.
        """
        if resource not in self._fingerprints:  # once per source: pages are read once, too
            digest = blake2b(digest_size=20)
            for path in sorted((self._folder / resource).glob("*.json")):
                with path.open("rb") as file:
                    digest.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
                    digest.update(file_digest(file, blake2b).digest())
            self._fingerprints[resource] = digest.hexdigest()
        return self._fingerprints[resource]

    def contacts_page(self, scope: str, offset: int, updated_since: datetime | None) -> ListingPage:
        """Return the saved contacts at `offset`; `updated_since` has no effect."""
        return self._page(self._contacts, offset)

    def orders_page(self, offset: int, issued_since: date | None) -> ListingPage:
        """Return the saved orders at `offset`; `issued_since` has no effect."""
        return self._page(self._orders, offset)

    def order(self, order_id: int) -> Item | None:
        """Return the saved details of an order, from the last file that has them."""
        path = self._details.get(order_id)
        return None if path is None else self._read_details(path)[order_id]

    @cached_property
    def _contacts(self) -> _Listing:
        return self._scan(sorted((self._folder / "contatos").glob("*.json")))

    @cached_property
    def _order_files(self) -> tuple[list[Path], list[Path]]:
        """Return the files of the listing and the files of details.

        Without a listing, the details are used as the listing.
        """
        lists: list[Path] = []
        details: list[Path] = []
        for path in sorted((self._folder / "ordem-servico").glob("*.json")):
            items = self._read(path)
            (details if any(map(_is_detail, items)) else lists).append(path)
        return (lists or details), details

    @cached_property
    def _orders(self) -> _Listing:
        return self._scan(self._order_files[0])

    @cached_property
    def _details(self) -> dict[int, Path]:
        return {order: path for path in self._order_files[1] for order in _ids(self._read(path))}

    def _scan(self, paths: Sequence[Path]) -> _Listing:
        listing = _Listing()
        for path in paths:
            items = self._read(path)
            if items:
                listing.files.append(path)
                listing.starts.append(listing.length)
                listing.length += len(items)
                ids = list(_ids(items))
                listing.ids.update(ids)
                listing.without_id += len(items) - len(ids)
        return listing

    def _page(self, listing: _Listing, offset: int) -> ListingPage:
        if offset >= listing.length:
            return ListingPage([], offset, listing.total, None)
        position = bisect_right(listing.starts, offset) - 1
        items = self._read(listing.files[position])[offset - listing.starts[position] :]
        for path in listing.files[position + 1 :]:
            if len(items) >= PAGE_SIZE:
                break
            items = items + self._read(path)
        end = offset + len(items)
        return ListingPage(items, offset, listing.total, end if end < listing.length else None)

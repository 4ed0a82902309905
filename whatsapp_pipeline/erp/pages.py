"""A page of an ERP listing, as the API and a folder of saved pages both give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whatsapp_pipeline.erp.items import Item


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing.

    `total` is the listing's count as the source states it now; `next_offset` is None at the end.
    """

    items: Sequence[Item]
    offset: int
    total: int
    next_offset: int | None

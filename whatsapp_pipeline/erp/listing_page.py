"""One page of a listing, from the ERP's API or from a folder of saved pages.

What belongs here: the type of a page. What does not: the sources of pages (`source`, `folder`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whatsapp_pipeline.erp.items import Item


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of a listing.

    `total` is the row count of the whole listing that the source stated with this page. `next_offset` is None
    on the last page.
    """

    items: Sequence[Item]
    offset: int
    total: int
    next_offset: int | None

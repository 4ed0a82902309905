"""The order of dates that other files of an archive have.

What belongs here: what one file's beginning says, and what many say together. What does not: which files are
looked at (`archive/`), and what the answer decides (`native_dates.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from whatsapp_pipeline.domain.transcripts.block.block_labels import find_start
from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder
from whatsapp_pipeline.domain.transcripts.decoding import lenient
from whatsapp_pipeline.domain.transcripts.native.native_dates import DateVotes
from whatsapp_pipeline.domain.transcripts.native.native_shapes import find_layout

HEAD_BYTES = 1 << 16
"""How much of a file is looked at."""
ENOUGH_FILES = 25
"""So many files that have one order are enough to know it."""
ENOUGH_NEAR = 5
"""So many near files that have one order are enough: files farther off are not asked then."""
_CLEAR_SHARE = 0.8


def date_order_of(head: bytes) -> DateOrder | None:
    """The one order that the dates in a file's beginning allow; None when they decide nothing."""
    if find_start(head) is not None:
        return None
    text = f"\n{lenient(head)}"
    layout = find_layout(text)
    if layout is None:
        return None
    votes, group = DateVotes(), layout.date_group - 1
    found = layout.header.findall(text)
    votes.add([parts[group] for parts in found], [parts[1 - group] for parts in found])
    decision = votes.decide()
    return decision.order if decision.grounds in ("dates", "sorted") else None


def common_order(orders: Iterable[DateOrder | None]) -> DateOrder | None:
    """The order that nearly all files have which decide one; None when there is none such."""
    return nearest_order([orders])


def nearest_order(groups: Iterable[Iterable[DateOrder | None]]) -> DateOrder | None:
    """The order that nearly all of the nearest files have which decide one; None when there is none such.

    Args:
        groups: The orders of files, the nearest group first. No group is asked for once ENOUGH_NEAR files
            decided an order.
    """
    counts: Counter[DateOrder] = Counter()
    for orders in groups:
        for order in orders:
            if order is not None:
                counts[order] += 1
                if counts.total() >= ENOUGH_FILES:
                    break
        if counts.total() >= ENOUGH_NEAR:
            break
    order, count = max(counts.items(), key=lambda item: item[1], default=(None, 0))
    return order if count and count >= _CLEAR_SHARE * counts.total() else None

"""The order of day and month that other files of an archive use.

What belongs here: the order that one file allows, and the order that most files share. What does not:
choosing the files (`archive/`), and using the order (`native_dates.py`).
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
"""Number of bytes that are read at the start of a file."""
ENOUGH_FILES = 25
"""After this many files that decide an order, no more files of a group are read."""
ENOUGH_NEAR = 5
"""After this many files that decide an order, no further groups are read."""
_CLEAR_SHARE = 0.8  # smallest share of these files that must have the same order


def date_order_of(head: bytes) -> DateOrder | None:
    """Return the only order that the dates at a file's start allow; None if both orders are possible."""
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
    """Return the order of nearly all files that decide one; None if there is no such order."""
    return nearest_order([orders])


def nearest_order(groups: Iterable[Iterable[DateOrder | None]]) -> DateOrder | None:
    """Return the order of nearly all of the nearest files that decide one; None if there is no such order.

    Args:
        groups: The orders of files, the nearest group first. The iterator is not advanced after ENOUGH_NEAR
            files decided an order.
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

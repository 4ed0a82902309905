"""The tags by which Dagster marks the months of a run.

What belongs here: their names, and reading months from them in words. What does not: which months there are
(assets/partitions.py).
"""

from __future__ import annotations

from collections.abc import Mapping

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def months_in_words(tags: Mapping[str, str]) -> str:
    """Return the month of a run, or its range as `2025-01..2025-03`; "" for a run of none.

    A range of one month is that month: what is told of it by one kind of run is settled by the other.
    """
    ends = dict.fromkeys(month for tag in (RANGE_START, RANGE_END) if (month := tags.get(tag)))
    return tags.get(PARTITION) or "..".join(ends)

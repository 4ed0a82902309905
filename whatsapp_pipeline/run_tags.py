"""The tags and configuration of a run that say which months it is about, and whether it counts.

What belongs here: names of tags, and reading them. What does not: which months there are
(assets/partitions.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# Months of a run of checks alone, comma-separated. Dagster gives a run with its own tags a row per month.
RUN_MONTHS = "whatsapp_pipeline/months"
RECORD = "whatsapp_pipeline/record_checks"  # "false": the run's checks record nothing
LAUNCHED_BY = "launched_by"
COMMAND_LINE = "command line"  # whose commands end with what failed or paused the run
DRY_RUN = "whatsapp_pipeline/dry_run"  # "true": every asset of the run rolls back


def months_in_words(tags: Mapping[str, str]) -> str:
    """Return the month of a run, or its range as `2025-01..2025-03`; "" for a run of none.

    A range of one month is that month: what is told of it by one kind of run is settled by the other.
    """
    ends = dict.fromkeys(month for tag in (RANGE_START, RANGE_END) if (month := tags.get(tag)))
    return tags.get(PARTITION) or "..".join(ends) or tags.get(RUN_MONTHS, "")


def is_partial(run_config: Mapping[str, Any]) -> bool:
    """Whether an asset of the run was told to take a sample or to roll back: its checks say nothing then."""
    configs = [op.get("config") or {} for op in (run_config.get("ops") or {}).values()]
    return any(config.get("sample") is not None or config.get("dry_run") for config in configs)

"""The tags and the configuration of a run: its months, and whether the results of its checks are recorded.

What belongs here: names of tags, and reading them. What does not: the list of months (assets/partitions.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# Months of a run that only runs checks, comma-separated. With Dagster's own partition tags, Dagster would add
# one row per month for such a run.
RUN_MONTHS = "whatsapp_pipeline/months"
RECORD = "whatsapp_pipeline/record_checks"  # "false": the results of the run's checks are not recorded
LAUNCHED_BY = "launched_by"
COMMAND_LINE = "command line"  # the value of LAUNCHED_BY; a command prints why its run failed or paused
DRY_RUN = "whatsapp_pipeline/dry_run"  # "true": every asset of the run rolls back

# Tags of a job whose failed runs Dagster retries once. With RETRIED_WHEN_LOST, it retries only runs whose
# process was lost; a sensor requests other failed work again. Both set the second tag, because its default
# differs between instances: it is true in dagster.yaml and false in deploy/dagster/.
RETRIED = {"dagster/max_retries": "1", "dagster/retry_on_asset_or_op_failure": "true"}
RETRIED_WHEN_LOST = {**RETRIED, "dagster/retry_on_asset_or_op_failure": "false"}


def months_in_words(tags: Mapping[str, str]) -> str:
    """Return the month of a run, or its range as `2025-01..2025-03`; "" for a run without months.

    A range of one month gives the same text as a run of that month, so a success of the one also closes an
    alert about the other.
    """
    ends = dict.fromkeys(month for tag in (RANGE_START, RANGE_END) if (month := tags.get(tag)))
    return tags.get(PARTITION) or "..".join(ends) or tags.get(RUN_MONTHS, "")


def is_partial(run_config: Mapping[str, Any]) -> bool:
    """Return whether an asset of the run is configured to take a sample or to roll back.

    The results of the run's checks then say nothing about the stored data.
    """
    configs = [op.get("config") or {} for op in (run_config.get("ops") or {}).values()]
    return any(config.get("sample") is not None or config.get("dry_run") for config in configs)

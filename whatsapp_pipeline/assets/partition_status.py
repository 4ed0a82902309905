"""The months of assets whose last run failed, from Dagster's storage."""

from collections.abc import Sequence

import dagster as dg

from whatsapp_pipeline.assets.partitions import MONTHS

MONTHLY = ("chat_file_index", "contact_links", "order_links", "chat_messages")


def failed_partitions(instance: dg.DagsterInstance, months: Sequence[str]) -> list[tuple[str, str]]:
    """Return (month, asset) of the monthly partitions whose last run failed, in order."""
    failed = []
    for asset in MONTHLY:
        statuses = instance.get_status_by_partition(dg.AssetKey(asset), list(months), MONTHS) or {}
        failed += [(m, asset) for m, status in statuses.items() if status == dg.AssetPartitionStatus.FAILED]
    return sorted(failed, key=lambda pair: (pair[0], MONTHLY.index(pair[1])))

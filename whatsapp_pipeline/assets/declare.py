"""Decorators of assets, with the properties that all assets of the project have in common.

What belongs here: group, owners, tags and storage of an asset. What does not: its body (one module per
subject) and its run (materialize.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import dagster as dg

from whatsapp_pipeline.assets.materialize import GROUP, OWNERS
from whatsapp_pipeline.assets.partitions import MONTHS, RANGED
from whatsapp_pipeline.resources import table_frames

_Declare: TypeAlias = Callable[[Callable[..., Any]], dg.AssetsDefinition]


def pipeline_asset(
    subject: str,
    *,
    table: str | None = None,
    kinds: Iterable[str] = ("python", "postgres"),
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, object] | None = None,
    **options: Any,  # noqa: ANN401  # options of dg.asset
) -> _Declare:
    """Declare an asset of a subject. `table` is the table of its rows."""
    declared: _Declare = dg.asset(
        group_name=GROUP,
        io_manager_key=table_frames.KEY,
        tags={"subject": subject, **(tags or {})},
        kinds=set(kinds),
        owners=OWNERS,
        code_version="1",
        metadata={**({"dagster/table_name": table} if table else {}), **(metadata or {})},
        **options,
    )
    return declared


def month_asset(subject: str, *, table: str, **options: Any) -> _Declare:  # noqa: ANN401  # as above
    """Declare an asset with one partition per month. A backfill of several months is one run."""
    return pipeline_asset(
        subject, table=table, partitions_def=MONTHS, backfill_policy=RANGED, output_required=False, **options
    )

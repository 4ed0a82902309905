"""Months as partitions `YYYY-MM`, from FIRST_MONTH to the current one."""

from __future__ import annotations

import re
import warnings
from itertools import pairwise

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError

# These features are in beta, so Dagster would log a warning for each asset. Tests check their behaviour.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)
warnings.filterwarnings("ignore", message="Handling yaml-defined logging", category=dg.BetaWarning)

FORMAT = "%Y-%m"

MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=settings.load_settings().first_month,
    fmt=FORMAT,
    timezone=settings.load_settings().zone,
    end_offset=1,  # the current month has a partition, too
)

# A range of months is one run, because the work takes one second per month, but starting a run takes several
# seconds.
RANGED = dg.BackfillPolicy.single_run()


def parse_months(text: str, available: list[str]) -> list[str]:
    """Return the sorted months of `2025-01..2025-03`, `2025-01,2025-03` or `all`.

    `all` means `available`, the archive's months. Raises PipelineError for a month that is malformed or
    outside the partitions.
    """
    known = MONTHS.get_partition_keys()
    if text.strip() == "all":
        months = set(available)
    else:
        months = set()
        for part in text.split(","):
            first, dots, last = part.strip().partition("..")
            last = last if dots else first
            if (
                not all(re.fullmatch(settings.MONTH_PATTERN, month) for month in (first, last))
                or first > last
            ):
                raise PipelineError(
                    f"{part.strip()!r} is not a month or a range; examples: 2025-01, 2025-01..2025-03, all"
                )
            months |= {month for month in known if first <= month <= last} | {first, last}
    outside = sorted(months - set(known))
    if outside:
        raise PipelineError(
            f"{outside[0]} is outside {known[0]}..{known[-1]}, the months of this project; "
            "the setting FIRST_MONTH is the first of them"
        )
    return sorted(months)


def month_ranges(months: list[str]) -> list[tuple[str, str]]:
    """Split sorted months into ranges of consecutive months. Return the first and last month of each."""
    if not months:
        return []
    known = MONTHS.get_partition_keys()
    position = {month: index for index, month in enumerate(known)}
    breaks = [
        index + 1
        for index, (before, after) in enumerate(pairwise(months))
        if position[after] != position[before] + 1
    ]
    edges = [0, *breaks, len(months)]
    return [(months[start], months[end - 1]) for start, end in pairwise(edges)]

"""Lower bound of the precision of links, computed from reviewers' verdicts, in total and by method.

What belongs here: computing the bound of the sample. What does not: the sample
(store/links/precision_sample.py) and the bound (domain/matching/precision.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whatsapp_pipeline.domain.matching.precision import (
    ENOUGH_VERDICTS,
    LinkDraw,
    LinkPopulation,
    PrecisionBound,
    precision_bound,
)
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import precision_sample


@dataclass(frozen=True, slots=True)
class GuaranteedPrecision:
    """The bound for all links of the rules (or None), and for each method with enough verdicts."""

    overall: PrecisionBound | None
    by_method: dict[str, PrecisionBound]


def guaranteed_precision(
    conn: Connection, months: Sequence[str] | None, *, by_method: bool = True
) -> GuaranteedPrecision:
    """Return the lower bound of the precision of the links of `months` (None: of all months).

    The verdict "unsure" counts as wrong. Without `by_method`, only the bound for all links is computed.
    """
    overall: PrecisionBound | None = None
    of_methods: dict[str, PrecisionBound] = {}
    for group in precision_sample.link_groups(conn, months, by_method=by_method):
        if group.method is not None and len(group.drawn) < ENOUGH_VERDICTS:
            continue
        bound = precision_bound(
            [
                LinkDraw(weight, is_wrong=verdict != "right", is_removed=not is_in_force)
                for weight, verdict, is_in_force in group.drawn
            ],
            LinkPopulation(group.links, group.total_weight, group.least_weight),
        )
        if group.method is None:
            overall = bound
        else:
            of_methods[group.method] = bound
    return GuaranteedPrecision(overall, of_methods)

"""Corrections of the match weights of phone methods, learned from people's verdicts.

What belongs here: computing a correction from verdicts. What does not: the shipped weights (contacts.py), and
reading verdicts (store/links/models.py).

The share of right links of a method has a Beta distribution. The mean of its prior corresponds to the shipped
weight, and the prior counts as much as `PRIOR_VERDICTS` verdicts; each verdict then adds one. So nothing
changes without verdicts, wrong verdicts lower the confidence of a method, and right verdicts raise it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

PRIOR_VERDICTS: Final = 100.0
NOTICEABLE: Final = 0.05
"""Links are decided again only when a match weight changes by at least this much (log odds)."""


class MethodVerdicts(NamedTuple):
    """The numbers of contacts whose links by a method were judged right and wrong by people."""

    method: str
    right: int
    wrong: int


def learned_corrections(verdicts: Iterable[MethodVerdicts], shipped: Mapping[str, float]) -> dict[str, float]:
    """Return the correction of each method's shipped match weight, in log odds."""
    found = {}
    for method, right, wrong in verdicts:
        if method in shipped and right + wrong:
            share = 1 / (1 + math.exp(-shipped[method]))
            odds = (PRIOR_VERDICTS * share + right) / (PRIOR_VERDICTS * (1 - share) + wrong)
            found[method] = round(math.log(odds) - shipped[method], 4)
    return found


def is_noticeable(now: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Return whether a correction differs enough from the correction with which the links were decided."""
    return any(abs(now.get(m, 0.0) - before.get(m, 0.0)) >= NOTICEABLE for m in {*now, *before})

"""How reliable links by each phone method proved, from what people said of them.

What belongs here: how verdicts move the weight of a phone's evidence. What does not: the shipped weights
(contacts.py), and which verdicts there are (store/links/models.py).

The share of right links of a method has a Beta distribution. Its prior has the mean that the shipped weight
stands for and counts as much as `PRIOR_VERDICTS` verdicts; each verdict then adds one. So without verdicts
nothing changes, a few wrong ones make links of that method less sure, and right ones make up for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

PRIOR_VERDICTS: Final = 100.0
NOTICEABLE: Final = 0.05
"""A smaller change of a weight, in log odds, is not worth deciding links anew for."""


class MethodVerdicts(NamedTuple):
    """How many contacts' links by a method people called right and wrong."""

    method: str
    right: int
    wrong: int


def learned_corrections(verdicts: Iterable[MethodVerdicts], shipped: Mapping[str, float]) -> dict[str, float]:
    """Return, by method, what verdicts add to the shipped weight, in log odds."""
    found = {}
    for method, right, wrong in verdicts:
        if method in shipped and right + wrong:
            share = 1 / (1 + math.exp(-shipped[method]))
            odds = (PRIOR_VERDICTS * share + right) / (PRIOR_VERDICTS * (1 - share) + wrong)
            found[method] = round(math.log(odds) - shipped[method], 4)
    return found


def is_noticeable(now: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Return whether a correction differs enough from the one that links were decided with."""
    return any(abs(now.get(m, 0.0) - before.get(m, 0.0)) >= NOTICEABLE for m in {*now, *before})

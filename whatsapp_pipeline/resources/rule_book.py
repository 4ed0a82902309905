"""The rules of all checks as a Dagster resource, for whoever reports on checks without running them.

What belongs here: handing out the rules as the settings of the moment have them. What does not: the rules
themselves (checks/) and judging by them (domain/quality.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whatsapp_pipeline import settings
from whatsapp_pipeline.domain.quality import Rule


class RuleBook:
    """The rules of all checks, with the tolerances that CHECK_TOLERANCES sets."""

    def __init__(self, declared: Sequence[Rule]) -> None:
        self._declared = tuple(declared)

    def rules(self) -> list[Rule]:
        """Return the rules, by asset and name."""
        tolerances = dict(settings.load().check_tolerances)
        rules = (replace(r, tolerance=tolerances.get(r.name, r.tolerance)) for r in self._declared)
        return sorted(rules, key=lambda rule: (rule.asset, rule.name))

    def blocking(self, *assets: str) -> list[Rule]:
        """Return the blocking rules of these assets: while one is red, what builds on them is held."""
        return [rule for rule in self.rules() if rule.blocking and rule.asset in assets]

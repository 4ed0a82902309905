"""The rules of all checks as a Dagster resource, for assets that report checks without evaluating them.

What belongs here: the rules with the current settings. What does not: declaring them (checks/) and their
evaluation (domain/quality.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whatsapp_pipeline import settings
from whatsapp_pipeline.domain.quality import Rule


class RuleBook:
    """The rules of all checks, with the tolerances of CHECK_TOLERANCES."""

    def __init__(self, declared: Sequence[Rule]) -> None:
        self._declared = tuple(declared)

    def rules(self) -> list[Rule]:
        """Return the rules, sorted by asset and name."""
        tolerances = dict(settings.load_settings().check_tolerances)
        rules = (replace(r, tolerance=tolerances.get(r.name, r.tolerance)) for r in self._declared)
        return sorted(rules, key=lambda rule: (rule.asset, rule.name))

    def blocking(self, *assets: str) -> list[Rule]:
        """Return the blocking rules of these assets.

        While one of them is red, assets that depend on these assets do not run.
        """
        return [rule for rule in self.rules() if rule.blocking and rule.asset in assets]

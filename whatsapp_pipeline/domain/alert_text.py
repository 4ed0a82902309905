"""The text of every alert: the possible problems, and the sentence that people read about each.

What belongs here: names and sentences. What does not: finding problems (automation/alert_sensor.py), and
sending them (steps/operations/alert_delivery.py). An alert names jobs, months, checks and counts, never a
customer.
"""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_pipeline.domain.quality import Month, Rule, Standing, month_name

NO_FAILED_STEP = "its process ended or never began"  # the reason if a run failed although no step failed
_CHECK = "check "  # prefix of the name of a check's problem


@dataclass(frozen=True, slots=True)
class Alert:
    """One problem: its kind (run or check), its name, and the sentence that people read."""

    kind: str
    problem: str
    text: str

    @property
    def subject(self) -> str:
        """The subject of an e-mail about it."""
        return f"whatsapp-pipeline: {self.problem}"


def run_alert(name: str, run_id: str, reason: str) -> Alert:
    """Return the alert of a failed run. `name` is the job with its months."""
    return Alert("run", name, f"{name} failed: {reason} (run {run_id[:8]})")


def failed_step(step: str, error: str) -> str:
    """Return why a run failed: the step, and the step's error without personal data."""
    return f"{step}: {error}"


def check_alert(standing: Standing, month: Month) -> Alert:
    """Return the alert of a check that is red in a month."""
    problem = _check_problem(standing.rule, month)
    return Alert("check", problem, f"{problem} failed: {standing.in_months([month]).words()}")


def is_check(problem: str) -> bool:
    """Return whether a problem is one of a check."""
    return problem.startswith(_CHECK)


def _check_problem(rule: Rule, month: Month) -> str:
    name = f"{_CHECK}{rule.asset}:{rule.name}"
    return f"{name} {month_name(month)}" if rule.monthly else name

"""The state of a QA check from its results in all months, and the text that describes it.

What belongs here: comparing counts with a tolerance and an acceptance, and describing the outcome. What does
not: reading results (store/operations/qa_results.py), the rules and Dagster's own result (checks/).

- A *result* is the number of examined and failing rows of a check in one month.
- An *acceptance* is a person's decision that the failing rows of a month are right, until a date.
- A *verdict* is a result with its state: `red`, `accepted`, `passed`, or `empty` (nothing to examine).
- A *standing* is all verdicts of one check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

# None means rows that belong to no month, and all rows of a check that is not monthly.
Month: TypeAlias = str | None
State: TypeAlias = Literal["red", "accepted", "passed", "empty"]
_NAMED = 3  # largest number of months that a description names; the table has all of them


@dataclass(frozen=True, slots=True)
class Rule:
    """The definition of one check. `tolerance` is the largest share of examined rows that may fail.

    The settings may have changed the tolerance.
    """

    name: str
    asset: str
    severity: Literal["warn", "error"] = "warn"
    blocking: bool = False
    tolerance: float = 0.0
    monthly: bool = False
    description: str = ""
    how_to_fix: str = ""
    why: str = ""


class MonthResult(NamedTuple):
    """The result of a check in one month; `sample` has the first failing rows, masked."""

    check: str
    month: Month
    examined: int
    failing: int
    sample: Sequence[Mapping[str, Any]]
    evaluated_at: datetime | None = None


class Acceptance(NamedTuple):
    """A person's decision about a check in a month; `failing` is the count that was accepted."""

    check: str
    month: Month
    failing: int
    reason: str
    made_by: str
    made_at: datetime
    until: date


class Verdict(NamedTuple):
    """A result and its state. `acceptance` may be an acceptance that no longer applies."""

    result: MonthResult
    state: State
    acceptance: Acceptance | None = None

    @property
    def month(self) -> Month:
        """The month of the result."""
        return self.result.month


def judge(rule: Rule, result: MonthResult, acceptance: Acceptance | None, today: date) -> Verdict:
    """Judge one month. An acceptance applies until its last day, if no more rows fail than were accepted."""
    if not result.examined and not result.failing:
        return Verdict(result, "empty", acceptance)
    share = result.failing / result.examined if result.examined else 1.0
    if share <= rule.tolerance:
        return Verdict(result, "passed", acceptance)
    if acceptance and today <= acceptance.until and result.failing <= acceptance.failing:
        return Verdict(result, "accepted", acceptance)
    return Verdict(result, "red", acceptance)


@dataclass(frozen=True, slots=True)
class Standing:
    """All verdicts of one check: red months first, then accepted months, then the others, each by month."""

    rule: Rule
    verdicts: Sequence[Verdict] = field(default=())

    def of(self, *states: State) -> list[Verdict]:
        """Return the verdicts in these states."""
        return [verdict for verdict in self.verdicts if verdict.state in states]

    @property
    def passed(self) -> bool:
        """Return whether no month is red."""
        return not self.of("red")

    @property
    def examined(self) -> int:
        """Rows examined in all months."""
        return sum(verdict.result.examined for verdict in self.verdicts)

    @property
    def failing(self) -> int:
        """Failing rows in all months."""
        return sum(verdict.result.failing for verdict in self.verdicts)

    def in_months(self, months: Collection[Month]) -> Standing:
        """Return a standing with only the verdicts of these months."""
        chosen = set(months)
        return Standing(self.rule, [verdict for verdict in self.verdicts if verdict.month in chosen])

    def words(self, here: Collection[Month] | None = None) -> str:
        """Describe the verdicts in one line.

        Args:
            here: Months of the current run. If only other months are red, the text begins with `red
                elsewhere`.
        """
        red = self.of("red")
        if red:
            ours = [v for v in red if here is None or v.month in here]
            place = "" if ours else "red elsewhere: "
            return place + self._red_words(ours or red) + self._accepted_words()
        if not self.of("passed", "accepted"):
            return "nothing to examine"
        tolerated = sum(verdict.result.failing for verdict in self.of("passed"))
        words = f"passed: {tolerated:,} fail, which is tolerated" if tolerated else "nothing found"
        return ("passed" if self.of("accepted") and not tolerated else words) + self._accepted_words()

    def _red_words(self, red: Sequence[Verdict]) -> str:
        if not self.rule.monthly:
            return "; ".join(self._counts(verdict.result) + _no_longer(verdict) for verdict in red)
        named = ", ".join(
            f"{month_name(verdict.month)} ({self._counts(verdict.result)}){_no_longer(verdict)}"
            for verdict in red[:_NAMED]
        )
        return named + (f" and {len(red) - _NAMED} more months" if len(red) > _NAMED else "")

    def _counts(self, result: MonthResult) -> str:
        share = result.failing / result.examined if result.examined else 1.0
        words = f"{result.failing:,} of {result.examined:,} fail"
        return words + (
            f", {share:.1%}; {self.rule.tolerance:.1%} is tolerated" if self.rule.tolerance else ""
        )

    def _accepted_words(self) -> str:
        accepted = [v.acceptance for v in self.of("accepted") if v.acceptance]
        if not accepted:
            return ""
        until = min(acceptance.until for acceptance in accepted)
        count = f"{len(accepted)} month{'s' if len(accepted) > 1 else ''} " if self.rule.monthly else ""
        return f", {count}accepted until {until}"


def state_of(standing: Standing) -> State | Literal["unknown"]:
    """Return the most severe state of a check; `unknown` when it was never evaluated."""
    return standing.verdicts[0].state if standing.verdicts else "unknown"


def _no_longer(verdict: Verdict) -> str:
    """Return why the acceptance of a red month no longer applies; "" if it has none."""
    accepted = verdict.acceptance
    if accepted is None:
        return ""
    if verdict.result.failing > accepted.failing:
        return f"; {accepted.failing:,} were accepted"
    return f"; accepted until {accepted.until}"


def month_name(month: Month) -> str:
    """Return the name of a month for people."""
    return month or "no month"


_ORDER: dict[State, int] = {"red": 0, "accepted": 1, "passed": 2, "empty": 3}


def stand(
    rules: Iterable[Rule], results: Iterable[MonthResult], acceptances: Iterable[Acceptance], today: date
) -> list[Standing]:
    """Judge every month of every rule; a rule without results has no verdicts."""
    by_check: dict[str, list[MonthResult]] = {}
    for result in results:
        by_check.setdefault(result.check, []).append(result)
    accepted = {(acceptance.check, acceptance.month): acceptance for acceptance in acceptances}
    standings = []
    for rule in rules:
        verdicts = [
            judge(rule, result, accepted.get((rule.name, result.month)), today)
            for result in by_check.get(rule.name, ())
        ]
        verdicts.sort(key=lambda verdict: (_ORDER[verdict.state], verdict.month or ""))
        standings.append(Standing(rule, verdicts))
    return standings

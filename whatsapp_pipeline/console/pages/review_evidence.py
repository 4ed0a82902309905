"""The evidence for a candidate: its match weights as a waterfall and as a table.

What belongs here: preparing evidence for the template. What does not: weights (domain/matching).

A waterfall chart begins with the prior. Each following bar shows the match weight of one feature, added to
the sum of log odds. The link models store no prior: the page assumes even odds, so the first bar has weight
0. All candidates of one item use the same scale, so that people can compare them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.evidence_words import evidence_sentence
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.store.links.review_pages import ItemToReview


@dataclass(frozen=True, slots=True)
class WeightStep:
    """One feature of a candidate: its weight, the sum of log odds after it, and its bar.

    `left` and `width` of the bar are in percent of the chart's width.
    """

    name: str
    words: str
    weight: float
    total: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A candidate as a page shows it.

    `log_odds` is the sum of the weights. `zero` is the place of log odds 0 in percent of the chart's width.
    """

    id: int
    choice: str
    data: dict[str, Any]
    confidence: float
    log_odds: float
    steps: list[WeightStep]
    zero: float


class _Scale(NamedTuple):
    """The log odds at the left and at the right edge of the charts of an item."""

    low: float
    high: float

    def place(self, log_odds: float) -> float:
        """Return a place in percent of the chart's width."""
        return 100 * (log_odds - self.low) / ((self.high - self.low) or 1.0)


def shown_candidates(item: ItemToReview) -> list[ShownCandidate]:
    """Return an item's candidates, the best first."""
    evidence = [_with_prior(candidate["evidence"]) for candidate in item.candidates]
    sums = [total for features in evidence for total in _running_sums(features)]
    scale = _Scale(min([0.0, *sums]), max([0.0, *sums]))
    kind = "contact" if item.session_number is None else "order"
    return [
        _shown_candidate(kind, candidate, features, scale)
        for candidate, features in zip(item.candidates, evidence, strict=True)
    ]


def _shown_candidate(
    kind: str, candidate: dict[str, Any], evidence: list[dict[str, Any]], scale: _Scale
) -> ShownCandidate:
    steps = _steps(evidence, scale)
    return ShownCandidate(
        candidate["id"],
        f"{kind}:{candidate['id']}",
        {**candidate, "status": ORDER_STATUS.get(str(candidate.get("status") or ""), "")},
        candidate["confidence"],
        steps[-1].total if steps else 0.0,
        steps,
        scale.place(0.0),
    )


def _steps(evidence: list[dict[str, Any]], scale: _Scale) -> list[WeightStep]:
    """Return the bars of a chart. A bar begins at the sum before its feature and ends at the sum after it."""
    steps, before = [], 0.0
    for feature, after in zip(evidence, _running_sums(evidence), strict=True):
        left, right = sorted((scale.place(before), scale.place(after)))
        steps.append(
            WeightStep(
                feature["name"],
                evidence_sentence(feature["name"], feature["value"], feature["words"]),
                feature["weight"],
                after,
                left,
                max(right - left, 0.5),  # a bar of a very small weight is still visible
            )
        )
        before = after
    return steps


def _with_prior(evidence: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the evidence after a prior of even odds.

    The evidence is returned unchanged if it is empty, already begins with a prior, or is a person's decision.
    """
    if not evidence or evidence[0]["name"] in {"prior", "override"}:
        return evidence
    return [{"name": "prior", "value": 0.0, "weight": 0.0, "words": words.EVEN_ODDS}, *evidence]


def _running_sums(evidence: list[dict[str, Any]]) -> list[float]:
    return list(accumulate(feature["weight"] for feature in evidence))

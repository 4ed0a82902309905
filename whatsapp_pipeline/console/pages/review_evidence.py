"""The evidence for a candidate: its match weights as a waterfall and as a table.

What belongs here: preparing evidence for the template. What does not: weights (domain/matching).

A waterfall starts at the prior, and each further reason moves the sum of log odds. The models of links have
no prior of their own: before any evidence the odds are even, so the first step has no weight. The bars of an
item have the same scale, so that people can compare candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.evidence_words import evidence_sentence
from whatsapp_pipeline.domain.summaries.wording import ORDER_STATUS
from whatsapp_pipeline.store.links.review_pages import ItemToReview


@dataclass(frozen=True, slots=True)
class WeightStep:
    """One reason: its weight, the sum after it, and its bar in percent of the drawing's width."""

    name: str
    words: str
    weight: float
    total: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A candidate as a page shows it.

    `log_odds` is the sum of the weights, and `zero` is the position of 0, in percent.
    """

    id: int
    choice: str
    data: dict[str, Any]
    confidence: float
    log_odds: float
    steps: list[WeightStep]
    zero: float


def shown_candidates(found: ItemToReview) -> list[ShownCandidate]:
    """Return an item's candidates, the best first."""
    reasons = {candidate["id"]: _from_prior(candidate["evidence"]) for candidate in found.candidates}
    sums = {id_: _sums(evidence) for id_, evidence in reasons.items()}
    ends = [total for one in sums.values() for total in one]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return 100 * (value - low) / span

    kind = "contact" if found.session_number is None else "order"
    return [
        ShownCandidate(
            candidate["id"],
            f"{kind}:{candidate['id']}",
            {**candidate, "status": ORDER_STATUS.get(str(candidate.get("status") or ""), "")},
            candidate["confidence"],
            sums[candidate["id"]][-1] if reasons[candidate["id"]] else 0.0,
            [
                WeightStep(
                    feature["name"],
                    evidence_sentence(feature["name"], feature["value"], feature["words"]),
                    feature["weight"],
                    after,
                    place(min(before, after)),
                    max(place(max(before, after)) - place(min(before, after)), 0.5),
                )
                for feature, before, after in zip(
                    reasons[candidate["id"]],
                    [0.0, *sums[candidate["id"]]],
                    sums[candidate["id"]],
                    strict=False,
                )
            ],
            place(0.0),
        )
        for candidate in found.candidates
    ]


def _from_prior(evidence: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the evidence with the prior before it.

    For a person's decision, and without evidence, there is no prior.
    """
    if not evidence or evidence[0]["name"] in {"prior", "override"}:
        return evidence
    return [{"name": "prior", "value": 0.0, "weight": 0.0, "words": words.EVEN_ODDS}, *evidence]


def _sums(evidence: list[dict[str, Any]]) -> list[float]:
    """Return the running sums of the weights."""
    sums, total = [], 0.0
    for feature in evidence:
        total += feature["weight"]
        sums.append(total)
    return sums

"""The name model's answer in the words of linking."""

from __future__ import annotations

from whatsapp_pipeline.domain.matching.link_types import Feature, NameEvidence
from whatsapp_pipeline.domain.matching.names import NameMatch


def as_evidence(match: NameMatch) -> NameEvidence:
    """Restate a match with its features in log-odds."""
    return NameEvidence(
        match.p_none,
        tuple(
            (
                candidate.id_contato,
                candidate.posterior,
                tuple(
                    Feature(f.name, round(f.value, 4), round(f.value * f.weight, 4), f.words)
                    for f in candidate.features
                ),
            )
            for candidate in match.candidates
        ),
    )

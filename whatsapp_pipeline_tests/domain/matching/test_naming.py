"""The name model's answer, restated as evidence: log-odds, and what a relation word takes away."""

from __future__ import annotations

import numpy as np
import pytest

from whatsapp_pipeline.domain.matching.names.features import CANDIDATE_FEATURES
from whatsapp_pipeline.domain.matching.names.matching import NameCandidate, NameMatch
from whatsapp_pipeline.domain.matching.names.name_model import NameModel
from whatsapp_pipeline.domain.matching.naming import as_evidence

NAMES = list(CANDIDATE_FEATURES)
MODEL = NameModel(
    dict.fromkeys(NAMES, 0.5),
    {},
    prior_none=0.1,
    contacts=1000,
    seed=1,
    examples=1,
    calibration_error=0.0,
    reliability=(),
)


def match(posterior: float, relation: str = "") -> NameMatch:
    values = np.zeros(len(NAMES), np.float32)
    values[:2] = 3.0, 1.123456
    return NameMatch(0.2, (NameCandidate(7, posterior, 2.06, values, MODEL),), 0.0, relation)


def test_features_are_restated_in_log_odds() -> None:
    found = as_evidence(match(0.42))
    ((contact, posterior, features),) = found.candidates
    assert (found.p_none, contact, posterior) == (0.2, 7, 0.42)
    assert [(f.name, f.value, f.weight) for f in features] == [
        (NAMES[0], 3.0, 1.5),
        (NAMES[1], 1.1235, 0.5617),
    ]


@pytest.mark.parametrize(("posterior", "loss"), [(0.42, -1.1701), (0.3, -0.8473), (0.6, -13.41)])
def test_a_relation_word_is_a_feature_of_its_own(posterior: float, loss: float) -> None:
    ((_, _, features),) = as_evidence(match(posterior, "filha")).candidates
    assert (features[0].name, features[0].value) == ("relation", 1.0)
    assert features[0].weight == pytest.approx(loss, abs=1e-4)
    assert '"filha"' in features[0].words
    assert len(features) == 3

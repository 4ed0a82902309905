"""Calibration of a fitted model: posteriors compared with the share that is right, by bands.

What belongs here: the bands and the mean error. What does not: deciding which answers are right
(names/fitting.py, order_fitting.py).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from whatsapp_pipeline.domain.matching.link_types import ReliabilityBand

_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001)


def reliability_bands(
    posterior: npt.NDArray[np.float64], observed: Callable[[npt.NDArray[np.bool_]], float]
) -> tuple[tuple[ReliabilityBand, ...], float]:
    """Return the bands that contain posteriors, and the mean difference of predicted and observed shares.

    The difference of a band counts as often as the band has posteriors.

    `observed` returns the share of right answers among the selected posteriors.
    """
    bands = []
    for low, high in pairwise(_EDGES):
        inside = (posterior >= low) & (posterior < high)
        if inside.any():
            predicted = float(posterior[inside].mean())
            bands.append(ReliabilityBand(low, min(high, 1.0), int(inside.sum()), predicted, observed(inside)))
    error = sum(abs(band.predicted - band.observed) * band.count for band in bands)
    return tuple(bands), error / max(len(posterior), 1)

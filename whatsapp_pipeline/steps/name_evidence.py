"""What the name model says of titles: the fitted model from the database, refitted when it is stale."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from whatsapp_pipeline.domain.matching.model import NameEvidence
from whatsapp_pipeline.store.connection import Connection


def name_evidence(
    conn: Connection, titles: Mapping[int, str], *, seed: int, log: logging.Logger
) -> dict[int, NameEvidence]:
    """Return, for each titled chat, the contacts whose names fit and how likely none of them does."""
    return {}

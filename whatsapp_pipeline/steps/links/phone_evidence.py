"""Corrections of the weights of phone methods, learned from verdicts and stored when they change noticeably.

What belongs here: deciding when to store new corrections, because links depend on them. What does not:
computing them (domain/matching/phone_reliability.py).
"""

from __future__ import annotations

import json
import logging

from whatsapp_pipeline.domain.matching.contacts import phone_weights
from whatsapp_pipeline.domain.matching.phone_reliability import is_noticeable, learned_corrections
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import models as store
from whatsapp_pipeline.store.locks import named_lock

_VERSION = "1"


def phone_corrections(conn: Connection, *, log: logging.Logger) -> dict[str, float]:
    """Return the correction of each phone method's match weight, in log odds.

    Corrections are stored in `link_models`, so that every month is decided with the same corrections. If
    verdicts have changed them noticeably, new corrections are stored, and all months with phones become
    stale.
    """
    with named_lock(conn, "link_models:phones"):
        stored, learned = _stored(conn), _learned(conn)
        if not is_noticeable(learned, stored):
            return stored
        verdicts = sum(right + wrong for _, right, wrong in store.phone_verdicts(conn))
        store.save(
            conn,
            "phones",
            version=_VERSION,
            seed=0,
            contacts=0,
            overrides=verdicts,
            model=json.dumps(learned),
            reliability=[],
        )
        log.info(
            "corrected the weights of phone methods by %d verdicts: %s",
            verdicts,
            learned,
            extra=fields(corrections=learned, counts={"verdicts": verdicts}),
        )
        return learned


def phone_corrections_are_due(conn: Connection) -> bool:
    """Return whether `phone_corrections` would store new corrections."""
    return is_noticeable(_learned(conn), _stored(conn))


def _learned(conn: Connection) -> dict[str, float]:
    return learned_corrections(store.phone_verdicts(conn), phone_weights())


def _stored(conn: Connection) -> dict[str, float]:
    stored = store.newest(conn, "phones")
    if stored is None or stored.version != _VERSION:
        return {}
    kept: dict[str, float] = json.loads(stored.model)
    return kept

"""What the name model says of titles: the fitted model from the database, refitted when it is stale.

What belongs here: when to fit, what on, and keeping the index of names between months of one run. What does
not: the model itself (domain/matching/names).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache

from whatsapp_pipeline.domain.matching.few_names import FEW, match_few
from whatsapp_pipeline.domain.matching.model import NameEvidence
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, NameModel, fit
from whatsapp_pipeline.domain.matching.names.model import MODEL_VERSION
from whatsapp_pipeline.domain.matching.naming import as_evidence
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.store import models as store
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import named_lock

# A model is stale once the table has grown or shrunk by this share, or people decided this many more titles.
_CHANGED_SHARE = 0.2
_NEW_EXAMPLES = 20


def name_evidence(
    conn: Connection, titles: Mapping[int, str], *, seed: int, fit_titles: int, log: logging.Logger
) -> dict[int, NameEvidence]:
    """Return, for each titled chat, the contacts whose names fit and how likely none of them does.

    A model that has to be fitted learns from `fit_titles` simulated titles.
    """
    if not titles:
        return {}
    contacts = _contacts(conn)
    if not contacts:
        return {}
    if len(contacts) < FEW:
        return dict(zip(titles, match_few(list(titles.values()), contacts), strict=True))
    model = _model(conn, contacts, seed, fit_titles, log)
    matches = _index(contacts, model).match(list(titles.values()))
    return {chat: as_evidence(match) for chat, match in zip(titles, matches, strict=True)}


_kept: dict[str, tuple[ContactName, ...]] = {}


def _contacts(conn: Connection) -> tuple[ContactName, ...]:
    """Return every named contact; the last table's are kept, for the months of one run ask for the same."""
    digest = store.contact_names_digest(conn)
    contacts = _kept.get(digest)
    if contacts is None:
        contacts = tuple(ContactName(*row) for row in store.contact_names(conn))
        _kept.clear()
        _kept[digest] = contacts
    return contacts


def _model(
    conn: Connection, contacts: Sequence[ContactName], seed: int, fit_titles: int, log: logging.Logger
) -> NameModel:
    """Return the newest model, or fit and keep one when there is none that suits the table."""
    with named_lock(conn, "link_models:names"):
        examples = [
            (title, contact)
            for title, contact in store.decided_titles(conn)
            if parse_title(title).name is not None
        ]
        stored = store.newest(conn, "names")
        if stored is not None and not _is_stale(stored, len(contacts), len(examples), seed):
            return NameModel.from_json(stored.model)
        started = time.monotonic()
        model = fit(contacts, seed=seed, examples=examples, titles=fit_titles)
        store.save(
            conn, "names", version=str(model.version), seed=seed, contacts=len(contacts),
            overrides=len(examples), model=model.to_json(),
            reliability=[asdict(band) for band in model.reliability],
        )  # fmt: skip
        log.info(
            "fitted the name model on %d contacts and %d decisions in %.1f s; calibration error %.3f",
            len(contacts), len(examples), time.monotonic() - started, model.calibration_error,
        )  # fmt: skip
        # Read back, so that the run that fitted and the runs after it use the very same numbers.
        return NameModel.from_json(model.to_json())


def _is_stale(stored: store.StoredModel, contacts: int, examples: int, seed: int) -> bool:
    if (stored.version, stored.seed) != (str(MODEL_VERSION), seed):
        return True
    changed = abs(contacts - stored.contacts) > _CHANGED_SHARE * max(stored.contacts, 1)
    return changed or abs(examples - stored.overrides) >= _NEW_EXAMPLES


@lru_cache(maxsize=1)
def _index_of(contacts: tuple[ContactName, ...], model: str) -> NameIndex:
    return NameIndex(contacts, NameModel.from_json(model))


def _index(contacts: tuple[ContactName, ...], model: NameModel) -> NameIndex:
    """Keep the last index: the months of one run share their contacts."""
    return _index_of(contacts, model.to_json())

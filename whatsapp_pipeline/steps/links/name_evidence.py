"""Name evidence of titles, from the fitted model in the database. A stale model is fitted again.

What belongs here: the decision when to fit, and the index of names that the months of a run share. What does
not: the model (domain/matching/names).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial

from whatsapp_pipeline.domain.matching.few_names import FEW, match_few
from whatsapp_pipeline.domain.matching.link_types import NameEvidence
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, NameModel, fit_name_model
from whatsapp_pipeline.domain.matching.names.name_model import MODEL_VERSION
from whatsapp_pipeline.domain.matching.naming import as_evidence
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import models as store
from whatsapp_pipeline.store.locks import named_lock

# A model is stale if the number of contacts has changed by more than this share, or if the number of titles
# that people decided has changed by this number.
_CHANGED_SHARE = 0.2
_CHANGED_EXAMPLES = 20


class TitleNames:
    """Name evidence of titles, for the months of one run. Contacts are read once.

    A fit uses `fit_titles` simulated titles. Without `may_fit`, the newest model is used. Without a model,
    there is no evidence.
    """

    def __init__(self, *, seed: int, fit_titles: int, log: logging.Logger, may_fit: bool = True) -> None:
        self._seed, self._fit_titles, self._log = seed, fit_titles, log
        self._may_fit = may_fit
        self._match: Callable[[Sequence[str]], Sequence[NameEvidence]] | None = None

    def evidence(self, conn: Connection, titles: Mapping[int, str]) -> dict[int, NameEvidence]:
        """Return, by chat, the contacts whose names fit its title, and the probability that none fits."""
        if not titles:
            return {}
        if self._match is None:
            if not self._may_fit and not _is_ready(conn):
                return {}
            self._match = self._matcher(conn)
        return dict(zip(titles, self._match(list(titles.values())), strict=True))

    def is_due(self, conn: Connection) -> bool:
        """Return whether a run that needs names would first fit a new model."""
        contacts = store.count_named_contacts(conn)
        if contacts < FEW:
            return False
        stored = store.newest(conn, "names")
        return stored is None or _is_stale(stored, contacts, len(_examples(conn)), self._seed)

    def _matcher(self, conn: Connection) -> Callable[[Sequence[str]], Sequence[NameEvidence]]:
        contacts = [ContactName(*row) for row in store.all_contact_names(conn)]
        if len(contacts) < FEW:
            return partial(match_few, contacts=contacts)
        if not self._may_fit and (stored := store.newest(conn, "names")) is not None:
            model = NameModel.from_json(stored.model)
        else:
            model = _model(conn, contacts, self._seed, self._fit_titles, self._log)
        index = NameIndex(contacts, model)
        return lambda titles: [as_evidence(match) for match in index.match(titles)]


def _model(
    conn: Connection, contacts: Sequence[ContactName], seed: int, fit_titles: int, log: logging.Logger
) -> NameModel:
    """Return the newest model. If there is none or it is stale, fit and store a new one."""
    with named_lock(conn, "link_models:names"):
        examples = _examples(conn)
        stored = store.newest(conn, "names")
        if stored is not None and not _is_stale(stored, len(contacts), len(examples), seed):
            return NameModel.from_json(stored.model)
        started = time.monotonic()
        model = fit_name_model(contacts, seed=seed, examples=examples, titles=fit_titles)
        store.save(
            conn,
            "names",
            version=str(model.version),
            seed=seed,
            contacts=len(contacts),
            overrides=len(examples),
            model=model.to_json(),
            reliability=[asdict(band) for band in model.reliability],
        )
        log.info(
            "fitted the name model on %d contacts and %d decisions in %.1f s; calibration error %.3f",
            len(contacts),
            len(examples),
            time.monotonic() - started,
            model.calibration_error,
            extra=fields(
                counts={"contacts": len(contacts), "decisions": len(examples)},
                calibration_error=round(model.calibration_error, 4),
            ),
        )
        # The model is read from its JSON, so that this run and later runs use exactly the same numbers.
        return NameModel.from_json(model.to_json())


def _is_ready(conn: Connection) -> bool:
    """Return whether names can be compared without fitting a model."""
    stored = store.newest(conn, "names")
    known = stored is not None and stored.version == str(MODEL_VERSION)
    return known or len(store.all_contact_names(conn)) < FEW


def _examples(conn: Connection) -> list[tuple[str, int | None]]:
    """Return the titles with a name that people decided, for fitting."""
    return [
        (title, contact)
        for title, contact in store.decided_titles(conn)
        if parse_title(title).name is not None
    ]


def _is_stale(stored: store.StoredModel, contacts: int, examples: int, seed: int) -> bool:
    if (stored.version, stored.seed) != (str(MODEL_VERSION), seed):
        return True
    changed = abs(contacts - stored.contacts) > _CHANGED_SHARE * max(stored.contacts, 1)
    return changed or abs(examples - stored.overrides) >= _CHANGED_EXAMPLES

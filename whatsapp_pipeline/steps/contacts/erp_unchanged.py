"""Saved pages that the last pass has read: whether anything could come of reading them again.

What belongs here: the three things that must be as the last pass left them (the pages, the code that reads
them, and the rows that came of them). What does not: live listings, which nobody knows without reading.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from whatsapp_pipeline.erp.source import ErpSource, Resource
from whatsapp_pipeline.steps.code_hash import PACKAGE, code_hash
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import erp, erp_passes

_TABLES: Final[dict[str, erp.Table]] = {"contatos": "contatos", "ordem-servico": "ordens_servico"}


def pages_of(source: ErpSource, resource: Resource) -> str | None:
    """Name the saved pages and the code that reads them; None for a live listing.

    Call it before a page is read: of pages that change meanwhile, the name is then the older one, and the
    next pass reads them again.
    """
    found = source.fingerprint(resource)
    return None if found is None else f"{found}:{_reader()}"


def keep(conn: Connection, run: erp_passes.Pass, counts: dict[str, int]) -> None:
    """Note in the state of a pass that ends well what its rows are, and its counts; in its transaction.

    Not of a resumed one: what happened to the rows of its first part while nobody was at it, it can't know.
    """
    if run.state["pages"] is not None and not run.resumed:
        run.state.update(rows=erp.version(conn, _TABLES[run.resource]), counts=counts)


def counts_of_same(conn: Connection, resource: Resource, state: dict[str, object]) -> dict[str, int] | None:
    """Return the counts of the last pass when another one with this `state` would change nothing, else None.

    The database is asked as well as the pages: a row may have been deleted, a person erased or taken off the
    list of the erased, a column widened, a backup restored.
    """
    last = erp_passes.last_like(conn, resource, state) if state["pages"] is not None else None
    if last is None or last.get("rows") != erp.version(conn, _TABLES[resource]):
        return None
    counts: dict[str, int] = last["counts"]
    return counts


@cache
def _reader() -> str:
    return code_hash(
        [
            *(PACKAGE / "erp").glob("*.py"),
            *(PACKAGE / "steps" / "contacts").glob("erp*.py"),
            *(PACKAGE / "store" / "contacts").glob("erp*.py"),
        ]
    )

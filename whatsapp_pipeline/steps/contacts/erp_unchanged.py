"""Recognising saved pages that need not be read again, because nothing would change.

What belongs here: comparing the pages, the code that reads them and their database rows with the last pass.
What does not: live listings, which must always be read.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from whatsapp_pipeline.erp.source import ErpSource, Resource
from whatsapp_pipeline.steps.code_hash import PACKAGE, code_hash
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import erp, erp_passes

_TABLES: Final[dict[str, erp.Table]] = {"contatos": "contatos", "ordem-servico": "ordens_servico"}


def pages_fingerprint(source: ErpSource, resource: Resource) -> str | None:
    """Return a hash of the saved pages and of the code that reads them; None for a live listing.

    Call it before reading a page. If pages change during the reading, the hash is that of the older pages,
    and the next pass reads them again.
    """
    found = source.fingerprint(resource)
    return None if found is None else f"{found}:{_reader_code_hash()}"


def add_version(conn: Connection, run: erp_passes.Pass, counts: dict[str, int]) -> None:
    """Add the counts and the version of the rows to the state of a pass.

    Call this function in the transaction in which `erp_passes.complete` stores that state. Nothing is added
    for a resumed pass, because its first rows may have changed during the interruption.
    """
    if run.state["pages"] is not None and not run.resumed:
        run.state.update(rows=erp.version(conn, _TABLES[run.resource]), counts=counts)


def counts_if_unchanged(
    conn: Connection, resource: Resource, state: dict[str, object]
) -> dict[str, int] | None:
    """Return the counts of the last pass if another pass with this `state` would change nothing.

    Otherwise return None. The function compares the database rows, too: after the last pass, for example, a
    row may have been deleted, or a backup may have been restored.
    """
    last = erp_passes.last_equal_pass(conn, resource, state) if state["pages"] is not None else None
    if last is None or last.get("rows") != erp.version(conn, _TABLES[resource]):
        return None
    counts: dict[str, int] = last["counts"]
    return counts


@cache
def _reader_code_hash() -> str:
    return code_hash(
        [
            *(PACKAGE / "erp").glob("*.py"),
            *(PACKAGE / "steps" / "contacts").glob("erp*.py"),
            *(PACKAGE / "store" / "contacts").glob("erp*.py"),
        ]
    )

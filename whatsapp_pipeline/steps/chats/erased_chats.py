"""Erased people in scanned files: their chats are left out before the index is written.

What belongs here: what an index leaves out. What does not: the list of erased people
(store/operations/suppression.py), erasing (steps/operations/privacy.py) and the ERP's pages
(steps/contacts/erased_contacts.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.chats.scan import Scans


def without_erased_chats(conn: Connection, scans: Scans) -> tuple[Scans, int]:
    """Return scans without the chats of erased people, and how many chats that were; in a transaction.

    A file that holds nothing else is left out whole, its findings too. What was recognised by its phone or
    label is put on the list by its place, so that loading the rest of a combined file passes it over.
    """
    erased = suppression.suppressed_chats(
        conn,
        ((c.file_path, c.chat_number, c.phone_key, c.chat_key) for scan in scans.files for c in scan.chats),
    )
    if not erased:
        return scans, 0
    suppression.add(conn, [("file", suppression.file_value(*place)) for place in erased])
    kept = []
    for scan in scans.files:
        gone = {number for path, number in erased if path == scan.path}
        if gone and len(gone) == len(scan.chats):
            continue
        scan.chats = [row for row in scan.chats if row.chat_number not in gone]
        scan.findings = [row for row in scan.findings if row.chat_number not in gone]
        kept.append(scan)
    places = pl.DataFrame(list(erased), schema=["file_path", "chat_number"], orient="row")
    sessions, phones = (
        rows.join(places, on=places.columns, how="anti") for rows in (scans.sessions, scans.phones)
    )
    return replace(scans, files=kept, sessions=sessions, phones=phones), len(erased)

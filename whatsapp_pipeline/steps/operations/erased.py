"""Keeping erased people out of what is about to be written: ERP pages, scanned files, webhook items.

What belongs here: leaving them out, at each of the places where data comes in. What does not: the list itself
(store/operations/suppression.py) and erasing what is there (privacy.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression

if TYPE_CHECKING:
    from whatsapp_pipeline.erp.items import Item
    from whatsapp_pipeline.steps.chats.scan import Scans


def blank_contacts(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """Return contacts of an ERP page, those of erased people reduced to their id: counts stay true."""
    erased = _erased_ids(conn, items)
    if not erased:
        return list(items)
    return [{"id": item["id"]} if str(item.get("id")) in erased else item for item in items]


def blank_mentions(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """Return orders of an ERP page, whose mention of an erased contact is reduced to the id."""
    names = ("contato", "cliente")
    mentions = [item[name] for item in items for name in names if isinstance(item.get(name), dict)]
    erased = _erased_ids(conn, mentions)
    if not erased:
        return list(items)
    return [
        {
            name: {"id": value["id"]}
            if name in names and isinstance(value, dict) and str(value.get("id")) in erased
            else value
            for name, value in item.items()
        }
        for item in items
    ]


def _erased_ids(conn: Connection, items: Iterable[Item]) -> set[str]:
    return suppression.suppressed(conn, "contact", {str(item.get("id")) for item in items})


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

"""Removing erased people from the ERP's pages: contacts, and mentions of contacts, are reduced to an id.

What belongs here: removing data before it is written. What does not: the list of erased people
(store/operations/suppression.py), erasing (steps/operations/privacy.py) and chats
(steps/chats/erased_chats.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression

if TYPE_CHECKING:
    from whatsapp_pipeline.erp.items import Item


def blank_contacts(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """Return the contacts of an ERP page, with only the id of erased people.

    The items of erased people are kept with their id, so that counts stay right.
    """
    erased = _erased_ids(conn, items)
    if not erased:
        return list(items)
    return [{"id": item["id"]} if str(item.get("id")) in erased else item for item in items]


def blank_mentions(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """Return the orders of an ERP page. A mention of an erased contact keeps only the id."""
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

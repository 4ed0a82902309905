"""Hashes of the parts of the data that a month's links depend on.

The backfill planner compares them to find what has changed.

What belongs here: computing and storing the parts. What does not: the decision whether a run skips the month
(fingerprints.py), which needs more speed and less precision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import overrides
from whatsapp_pipeline.store.links.fingerprints import Stage
from whatsapp_pipeline.store.row_hashes import sum_of_hashes

PARTS: Final = ("contacts", "orders", "decisions", "chats", "rules", "model", "phone_weights", "links")
CHANGED_MEANWHILE: Final = "changed while the month was linked"
"""A value that differs from every hash of a part, so that the month is linked again."""

_DECISIONS: Final = f"""
    SELECT {sum_of_hashes("ROW(f.id, o.id, c.id)")}
    FROM chat_files f JOIN link_overrides o ON {overrides.ABOUT} LEFT JOIN contatos c ON c.id = o.id_contato
    WHERE f.month = %(month)s AND f.processing_status <> 'vanished' AND o.removed_at IS NULL"""
_NAMED: Final = """EXISTS (
    SELECT FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
      AND customer_name IS NOT NULL AND NOT is_group)"""
_PHONED: Final = """EXISTS (
    SELECT FROM chat_files f
    WHERE f.month = %(month)s AND f.processing_status <> 'vanished' AND NOT f.is_group
      AND (f.phone_key IS NOT NULL OR EXISTS (SELECT FROM chat_phones p WHERE p.id_chat_file = f.id)))"""
_MODEL: Final = f"""
    SELECT max(id) FILTER (WHERE kind = %(kind)s AND (kind <> 'names' OR {_NAMED})) FROM link_models"""
# The weights are hashed by content, so withdrawn verdicts restore the earlier weights and the earlier hash.
_PHONE_WEIGHTS: Final = f"""
    SELECT CASE WHEN %(kind)s = 'names' AND {_PHONED} THEN coalesce(
        (SELECT model::text FROM link_models WHERE kind = 'phones' ORDER BY id DESC LIMIT 1), '{{}}') END"""
_MODELS: Final = {"contact_links": "names", "order_links": "orders"}


def names_part(conn: Connection) -> str:
    """Return a hash of all contacts' names, which linking reads for months with a name in a title."""
    return _hash(
        conn,
        f"SELECT {sum_of_hashes('ROW(id, nome, fantasia)')} FROM contatos",
        {},
    )


def contacts_part(conn: Connection, month: str, names: str) -> str:
    """Return a hash of the contacts that linking the month reads. `names` is the result of `names_part`.

    The hash includes the phones with the same last digits as a phone of the month. If a title of the month
    has a name, the hash includes all names. The information of a word depends on the number of contacts with
    it, so a new contact changes the confidence of other titles, too.
    """
    own = _hash(conn, queries.load("links/part_contacts"), {"month": month})
    return f"{own} {names}" if asks_for_names(conn, month) else own


def orders_version(conn: Connection) -> str:
    """Return a hash of the version of every order.

    If a later hash is equal, no order was written in between.
    """
    return _hash(
        conn,
        f"SELECT {sum_of_hashes('ROW(t.ctid, t.xmin)')} FROM ordens_servico t",
        {},
    )


def orders_part(conn: Connection, month: str) -> str:
    """Return a hash of the orders that linking the month reads, for both stages."""
    return _hash(conn, queries.load("links/part_orders"), {"month": month})


def month_parts(conn: Connection, stage: Stage, month: str) -> dict[str, str]:
    """Return the hashes of the month's decisions, chats, links, model and phone weights, for a stage."""
    values = {"month": month, "kind": _MODELS[stage]}
    chats = [queries.load(f"links/stamp_{stage}_inputs")]
    if stage == "order_links":
        sessions = queries.load("links/order_sessions")
        chats.append(f"SELECT {sum_of_hashes('l')} FROM ({sessions}) l")
    return {
        "decisions": _hash(conn, _DECISIONS, values),
        "chats": " ".join(_hash(conn, statement, values) for statement in chats),
        "links": _hash(conn, queries.load(f"links/part_links_{stage}"), values),
        "model": _hash(conn, _MODEL, values),
        "phone_weights": _hash(conn, _PHONE_WEIGHTS, values),
    }


def asks_for_names(conn: Connection, month: str) -> bool:
    """Return whether a chat of the month has a name in its title, which needs the name model."""
    row = conn.execute(f"SELECT {_NAMED}", {"month": month}).fetchone()
    return bool(row and row[0])


def has_phones(conn: Connection, month: str) -> bool:
    """Return whether a chat of the month has a phone in its title or headers."""
    row = conn.execute(f"SELECT {_PHONED}", {"month": month}).fetchone()
    return bool(row and row[0])


def store_parts(conn: Connection, stage: Stage, month: str, parts: Mapping[str, str]) -> None:
    """Store the parts with the month's fingerprint."""
    conn.execute(
        "UPDATE link_stamps SET parts = %s::jsonb WHERE stage = %s AND month = %s",
        (json.dumps(dict(parts)), stage, month),
    )


def stored_parts(conn: Connection, months: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the stored hashes by (stage, month). A month that an older release linked has none."""
    rows = conn.execute(
        "SELECT stage, month, parts FROM link_stamps WHERE month = ANY(%s) AND parts IS NOT NULL",
        (list(months),),
    )
    return {(stage, month): parts for stage, month, parts in rows}


def _hash(conn: Connection, statement: str, values: Mapping[str, object]) -> str:
    row = conn.execute(statement.encode(), values).fetchone()
    return blake2b(repr([str(value) for value in row or ()]).encode(), digest_size=16).hexdigest()

"""What a month's links depend on, hashed part by part: the backfill planner compares, and says what changed.

What belongs here: reading and keeping the parts. What does not: whether a run may skip the month
(fingerprints.py), which asks for less precision and more speed.
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

PARTS: Final = ("contacts", "orders", "decisions", "chats", "rules", "model", "links")
CHANGED_MEANWHILE: Final = "changed while the month was linked"
"""A part's value that equals none: the month is linked again."""

_DECISIONS: Final = f"""
    SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(f.id, o.id, c.id), 0)), 0)
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
    SELECT max(id) FILTER (WHERE kind = %(kind)s AND (kind <> 'names' OR {_NAMED})),
           max(id) FILTER (WHERE kind = 'phones' AND %(kind)s = 'names' AND {_PHONED})
    FROM link_models"""
_MODELS: Final = {"contact_links": "names", "order_links": "orders"}


def names_part(conn: Connection) -> str:
    """Hash the names of all contacts, which linking reads for every month that has a name in a title."""
    return _hash(
        conn,
        """SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(id, nome, fantasia), 0)), 0)
           FROM contatos""",
        {},
    )


def contacts_part(conn: Connection, month: str, names: str) -> str:
    """Hash what linking the month reads of contacts; `names` is what `names_part` returns.

    Phones count where they end as a phone of the month does. Names count as a whole, and for every month with
    a name in a title: how much a word says depends on how many contacts have it, so a new contact moves the
    confidence of titles that it has nothing to do with, and a run would write another one.
    """
    own = _hash(conn, queries.load("links/part_contacts"), {"month": month})
    return f"{own} {names}" if asks_for_names(conn, month) else own


def orders_version(conn: Connection) -> str:
    """Hash the version of every order: equal before and after means that none was written in between."""
    return _hash(
        conn,
        """SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0)
           FROM ordens_servico t""",
        {},
    )


def orders_part(conn: Connection, month: str) -> str:
    """Hash what linking the month reads of orders; the same for both stages."""
    return _hash(conn, queries.load("links/part_orders"), {"month": month})


def month_parts(conn: Connection, stage: Stage, month: str) -> dict[str, str]:
    """Hash what is the stage's and the month's own: decisions, chats, links, and the model that was asked."""
    values = {"month": month, "kind": _MODELS[stage]}
    chats = [queries.load(f"links/stamp_{stage}_inputs")]
    if stage == "order_links":
        sessions = queries.load("links/order_sessions")
        chats.append(f"SELECT count(*), sum(hash_record_extended(l, 0)) FROM ({sessions}) l")
    return {
        "decisions": _hash(conn, _DECISIONS, values),
        "chats": " ".join(_hash(conn, statement, values) for statement in chats),
        "links": _hash(conn, queries.load(f"links/part_links_{stage}"), values),
        "model": _hash(conn, _MODEL, values),
    }


def asks_for_names(conn: Connection, month: str) -> bool:
    """Return whether a chat of the month is titled with a name, which the model of names is asked about."""
    row = conn.execute(f"SELECT {_NAMED}", {"month": month}).fetchone()
    return bool(row and row[0])


def has_phones(conn: Connection, month: str) -> bool:
    """Return whether a chat of the month has a phone in its title or inside."""
    row = conn.execute(f"SELECT {_PHONED}", {"month": month}).fetchone()
    return bool(row and row[0])


def keep_parts(conn: Connection, stage: Stage, month: str, parts: Mapping[str, str]) -> None:
    """Keep the parts beside the month's fingerprint."""
    conn.execute(
        "UPDATE link_stamps SET parts = %s::jsonb WHERE stage = %s AND month = %s",
        (json.dumps(dict(parts)), stage, month),
    )


def kept_parts(conn: Connection, months: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the kept parts by (stage, month); a month that an older release linked has none."""
    rows = conn.execute(
        "SELECT stage, month, parts FROM link_stamps WHERE month = ANY(%s) AND parts IS NOT NULL",
        (list(months),),
    )
    return {(stage, month): parts for stage, month, parts in rows}


def _hash(conn: Connection, statement: str, values: Mapping[str, object]) -> str:
    row = conn.execute(statement.encode(), values).fetchone()
    return blake2b(repr([str(value) for value in row or ()]).encode(), digest_size=16).hexdigest()

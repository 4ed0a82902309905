"""Names and phones of contacts that the role may read, to let a person choose a contact.

What belongs here: one line per contact. What does not: masking (domain/masking.py), and finding contacts
(store/summaries/customers.py).
"""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.readable import readable_columns

_SHOWN = ("nome", "fantasia", "celular", "telefone")


def contact_labels(conn: Connection, ids: Collection[int]) -> dict[int, str]:
    """Return names and phones of contacts by id, without the columns that the role may not read."""
    columns = readable_columns(conn, "contatos", _SHOWN)
    shown = sql.SQL(", ").join(sql.SQL("nullif({}::text, '')").format(sql.Identifier(c)) for c in columns)
    statement = sql.SQL(
        "SELECT id, concat_ws(' · ', {}) FROM contatos WHERE id = ANY(%s) ORDER BY id"
    ).format(shown if columns else sql.SQL("NULL"))
    return {id_: label or "" for id_, label in conn.execute(statement, (sorted(set(ids)),))}

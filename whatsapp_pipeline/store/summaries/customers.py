"""Looking up one customer: finding the contact, and reading all data to show.

What belongs here: queries that run with the rights of the command's role. What does not: lists for a search
box (store/contacts/directory.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import NEWEST_FIRST
from whatsapp_pipeline.store.readable import columns_or_null, may_read, readable_columns


def find_by_id(conn: Connection, number: int) -> list[int]:
    """Return a list with the id `number` if a contact has it, otherwise an empty list."""
    return [row[0] for row in conn.execute("SELECT id FROM contatos WHERE id = %s", (number,))]


def find_by_phone(conn: Connection, key: str) -> list[int]:
    """Return up to 20 contacts that have a phone with this key (as in contact_phones).

    Raises PipelineError if the role may not read phones.
    """
    if not may_read(conn, "contact_phones"):
        raise PipelineError("this role may not read phones; give the id in contatos, or the name")
    rows = conn.execute(
        "SELECT DISTINCT id_contato FROM contact_phones WHERE key = %s ORDER BY 1 LIMIT 20", (key,)
    )
    return [row[0] for row in rows]


def find_by_name(conn: Connection, name: str, *, limit: int = 21) -> list[tuple[int, str]]:
    """Return (id, name) of up to `limit` contacts whose name contains every word of `name`.

    If contacts have exactly this name, only these are returned.
    """
    names = readable_columns(conn, "contatos", ("nome", "fantasia"))
    rows = conn.execute(
        f"""
        WITH wanted AS (SELECT unaccent(lower(%(name)s)) AS name),
        named AS (
            SELECT c.id, c.nome, unaccent(lower(concat_ws(' ', {", ".join(names)}))) AS words,
                   unaccent(lower(c.nome)) = wanted.name AS exact
              FROM contatos c, wanted
        )
        SELECT id, nome, exact FROM named, wanted
         WHERE words LIKE ALL (SELECT '%%' || replace(replace(w, '%%', ''), '_', '') || '%%'
                                 FROM regexp_split_to_table(wanted.name, '\\s+') AS w)
         ORDER BY exact DESC, id LIMIT %(limit)s
        """.encode(),
        {"name": name.strip(), "limit": limit},
    ).fetchall()
    exact = [row for row in rows if row[2]]
    return [(row[0], row[1] or "") for row in (exact or rows)]


def _one(conn: Connection, statement: str, number: int) -> dict[str, Any] | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), (number,)).fetchone()


def _many(conn: Connection, statement: str, *values: object) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def contact_row(conn: Connection, number: int) -> dict[str, Any] | None:
    """Return id, nome, fantasia, telefone, celular and email of a contact.

    Columns that the role may not read are None.
    """
    columns = columns_or_null(conn, "contatos", ("id", "nome", "fantasia", "telefone", "celular", "email"))
    return _one(conn, f"SELECT {columns} FROM contatos WHERE id = %s", number)


def summary(conn: Connection, number: int) -> dict[str, Any] | None:
    """Return the contact's row of customer_chat_summaries, with `stale_since` of stale_summaries."""
    return _one(
        conn,
        "SELECT s.*, d.stale_since FROM customer_chat_summaries s"
        " LEFT JOIN stale_summaries d USING (id_contato) WHERE s.id_contato = %s",
        number,
    )


def contact_conversations(conn: Connection, number: int) -> list[dict[str, Any]]:
    """Return the contact's conversations, oldest first."""
    return _many(conn, "SELECT * FROM customer_conversations WHERE id_contato = %s ORDER BY number", number)


def contact_orders(conn: Connection, number: int) -> list[dict[str, Any]]:
    """Return up to 100 service orders of the contact, newest first."""
    device = columns_or_null(conn, "ordens_servico", ("equipamento",))
    return _many(
        conn,
        f"SELECT id, numero_ordem_servico::text, situacao::text, {device}, data_emissao::date,"
        " data_conclusao::date FROM ordens_servico WHERE id_contato = %s"
        " ORDER BY data_emissao DESC NULLS LAST, id DESC LIMIT 100",
        number,
    )


def quotes(
    conn: Connection, chat_ids: Sequence[int], webhook_ids: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return {"chat:1": {ref, at, direction, text}, …} for the messages that exist.

    The result is empty if the role may not read messages.
    """
    if not may_read(conn, "messages_all"):
        return {}
    rows = _many(
        conn,
        """
        SELECT source || ':' || message_id AS ref, at, side AS direction, text FROM messages_all
         WHERE source = 'chat' AND message_id = ANY (%s)
        UNION ALL
        SELECT source || ':' || message_id, at, side, text FROM messages_all
         WHERE source = 'webhook' AND message_id = ANY (%s)
        """,
        list(chat_ids),
        list(webhook_ids),
    )
    return {row["ref"]: row for row in rows}


def last_messages(conn: Connection, number: int, *, limit: int) -> list[dict[str, Any]]:
    """Return (at, direction, type, text) of the contact's last messages of archive and webhook, oldest first.

    The result is empty if the role may not read messages.
    """
    if not may_read(conn, "messages_all"):
        return []
    newest_first = _many(
        conn,
        f"""
        SELECT at, side AS direction, type, text FROM messages_all
         WHERE id_contato = %s ORDER BY {NEWEST_FIRST} LIMIT %s
        """,
        number,
        limit,
    )
    return newest_first[::-1]

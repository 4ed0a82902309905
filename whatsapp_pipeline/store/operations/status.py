"""Row counts and previews of the database, for `status`, metadata of assets and the QA table.

What belongs here: reading counts and a few rows of all tables. What does not: writing, and checks
(sql/queries/<subject>/check_<name>.sql).
"""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.message_order import CHAT_ORDER
from whatsapp_pipeline.store.readable import may_read

TABLES = (
    "contatos",
    "ordens_servico",
    "contact_phones",
    "chat_files",
    "chat_sessions",
    "chat_messages",
    "customer_chat_summaries",
    "conversations",
    "conversation_messages",
    "exceptions",
)


def contact_preview(conn: Connection, limit: int = 8) -> list[tuple[int, str | None, str | None]]:
    """Return id, nome and celular of the contacts with the lowest ids. The caller must mask them."""
    return conn.execute("SELECT id, nome, celular FROM contatos ORDER BY id LIMIT %s", (limit,)).fetchall()


def phones_by_kind(conn: Connection) -> list[tuple[str, str, int]]:
    """Return (field, kind, number) of contacts' phones."""
    return conn.execute(
        "SELECT field, kind, count(*) FROM contact_phones GROUP BY field, kind ORDER BY field, kind"
    ).fetchall()


def chat_files_in(conn: Connection, month: str) -> int:
    """Count the chats of a month."""
    row = conn.execute("SELECT count(*) FROM chat_files WHERE month = %s", (month,)).fetchone()
    return int(row[0]) if row else 0


def sessions_in(conn: Connection, month: str) -> int:
    """Count the sessions of a month's chats."""
    row = conn.execute(
        "SELECT count(*) FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file WHERE f.month = %s",
        (month,),
    ).fetchone()
    return int(row[0]) if row else 0


def messages_in(conn: Connection, month: str) -> int:
    """Count the messages of a month's chats."""
    row = conn.execute(
        "SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file WHERE f.month = %s",
        (month,),
    ).fetchone()
    return int(row[0]) if row else 0


def table_counts(conn: Connection) -> dict[str, int]:
    """Count the rows of those tables of the pipeline that the role may read."""
    return {
        table: int(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[index]  # names above
        for table in TABLES
        if may_read(conn, table)
    }


def months(conn: Connection) -> list[dict[str, Any]]:
    """Return one row per month: files, links, messages, exceptions.

    Columns that the role may not read are left out.
    """
    messages = (
        "SELECT f.month, count(*) AS messages"
        " FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file GROUP BY f.month"
    )
    problems = "SELECT month, count(*) AS exceptions FROM exceptions WHERE month IS NOT NULL GROUP BY month"
    counted = [
        (name, statement)
        for table, name, statement in (
            ("chat_messages", "messages", messages),
            ("exceptions", "exceptions", problems),
        )
        if may_read(conn, table)
    ]
    columns = "".join(f", coalesce({name}.{name}, 0) AS {name}" for name, _ in counted)
    joins = "".join(f" LEFT JOIN ({statement}) {name} USING (month)" for name, statement in counted)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            f"""
            WITH files AS (
                SELECT month, count(*) AS files,
                       count(*) FILTER (WHERE match_status IN ('linked', 'manual')) AS linked,
                       count(*) FILTER (WHERE match_status = 'proposed') AS proposed,
                       count(*) FILTER (WHERE match_status = 'ambiguous') AS ambiguous,
                       count(*) FILTER (WHERE match_status = 'unmatched') AS unmatched,
                       count(*) FILTER (WHERE match_status = 'group') AS groups,
                       count(*) FILTER (WHERE match_status = 'pending') AS pending,
                       count(*) FILTER (WHERE id_ordem_servico IS NOT NULL) AS with_order
                FROM chat_files WHERE processing_status <> 'vanished' GROUP BY month
            )
            SELECT f.*{columns} FROM files f{joins} ORDER BY month
            """.encode()
        ).fetchall()


def exceptions_elsewhere(conn: Connection) -> int:
    """Return the number of exceptions that `months` does not count.

    These are exceptions of contacts, of orders, and of months without chats. For a role that may not read the
    table, it is 0.
    """
    if not may_read(conn, "exceptions"):
        return 0
    row = conn.execute(
        """SELECT count(*) FROM exceptions e
           WHERE NOT EXISTS (SELECT FROM chat_files f
                             WHERE f.month = e.month AND f.processing_status <> 'vanished')"""
    ).fetchone()
    return int(row[0]) if row else 0


def link_methods(conn: Connection, months_of_run: list[str]) -> list[tuple[str, str, str, int]]:
    """Return (month, status, method, number of chats) of the links of the given months."""
    return conn.execute(
        """
        SELECT month, match_status, coalesce(match_method, 'none'), count(*)
        FROM chat_files WHERE month = ANY(%s) AND processing_status <> 'vanished'
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        (months_of_run,),
    ).fetchall()


def order_methods(conn: Connection, months_of_run: list[str]) -> list[tuple[str, str, str, int]]:
    """Return (month, status, method, number of sessions) of the order links of the given months."""
    return conn.execute(
        """
        SELECT f.month, s.order_match_status, coalesce(s.order_match_method, 'none'), count(*)
        FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
        WHERE f.month = ANY(%s) AND f.processing_status <> 'vanished'
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        (months_of_run,),
    ).fetchall()


def chat_preview(conn: Connection, months_of_run: list[str], limit: int = 8) -> list[tuple[Any, ...]]:
    """Return id, month, title, message count and format of a few chats. The caller must mask the title."""
    return conn.execute(
        "SELECT id, month, title, message_count, format FROM chat_files"
        " WHERE month = ANY(%s) ORDER BY id LIMIT %s",
        (months_of_run, limit),
    ).fetchall()


def message_preview(conn: Connection, months_of_run: list[str], limit: int = 8) -> list[tuple[Any, ...]]:
    """Return id, time, direction, type and text of the first messages of one chat.

    The caller must mask the text.
    """
    return conn.execute(
        f"""
        SELECT m.id, m.message_timestamp, m.direction, m.type, m.message_text
        FROM (SELECT id FROM chat_files WHERE month = ANY(%(months)s) ORDER BY id LIMIT 1) f
        JOIN chat_messages m ON m.id_chat_file = f.id ORDER BY {CHAT_ORDER} LIMIT %(limit)s
        """,
        {"months": months_of_run, "limit": limit},
    ).fetchall()


def messages_by_type(conn: Connection, months_of_run: list[str]) -> list[tuple[str, int]]:
    """Count the messages of the months by type, most frequent first."""
    return conn.execute(
        """
        SELECT m.type, count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
        WHERE f.month = ANY(%s) GROUP BY m.type ORDER BY 2 DESC, 1
        """,
        (months_of_run,),
    ).fetchall()

"""The table `search_words`: the distinct words of messages.

Misspelled words and parts of numbers of a search are looked up in it.

What belongs here: filling and querying search_words. What does not: searching (search.py and search_query).
"""

from __future__ import annotations

from typing import LiteralString

from whatsapp_pipeline.store.connection import Connection

_SOURCES: dict[str, LiteralString] = {"chat": "chat_messages", "webhook": "conversation_messages"}


def add_new_words(conn: Connection) -> int:
    """Add the words of messages that were stored since the last call. Return the number of new words."""
    added = 0
    for source, table in _SOURCES.items():
        with conn.transaction():
            row = conn.execute(
                "SELECT coalesce((SELECT last_id FROM search_words_seen WHERE source = %s), 0),"
                f" (SELECT max(id) FROM {table})",
                (source,),
            ).fetchone()
            seen, last = row if row else (0, None)
            if last is None or last <= seen:
                continue
            # ts_stat takes a statement as text. Both numbers in it come from the database.
            messages = f"SELECT search FROM {table} WHERE id > {int(seen)} AND id <= {int(last)}"
            added += conn.execute(
                """
                INSERT INTO search_words SELECT word FROM ts_stat(%s) WHERE length(word) BETWEEN 3 AND 40
                ON CONFLICT DO NOTHING
                """,
                (messages,),
            ).rowcount
            conn.execute(
                """
                INSERT INTO search_words_seen VALUES (%s, %s)
                ON CONFLICT (source) DO UPDATE SET last_id = excluded.last_id
                """,
                (source, last),
            )
    return added


UNKNOWN_WORDS: LiteralString = """
    SELECT DISTINCT w FROM regexp_split_to_table(unaccent(lower(search_spelled(%(w)s))), '[^a-z]+') w
     WHERE length(w) >= 3 AND numnode(to_tsquery('portuguese_unaccent', w)) = 1
       AND EXISTS (SELECT FROM search_words_seen)
       AND NOT EXISTS (SELECT FROM search_words s
                        WHERE s.word = btrim(to_tsquery('portuguese_unaccent', w)::text, ''''))
     ORDER BY w
"""
"""SQL for the words of the query `w` that no message contains.

Only words of at least three letters are checked. The result is empty if `search_words` was never filled.
"""


def unknown_words(conn: Connection, words: str) -> list[str]:
    """Return the words of a query that no message contains, as UNKNOWN_WORDS defines them."""
    return [word for (word,) in conn.execute(UNKNOWN_WORDS, {"w": words})]

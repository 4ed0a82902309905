"""The naive way, as the plan that started this project wrote it: measured on a sample, then extrapolated.

A query with LIKE on the last digits for each file, difflib against every contact for each name, an INSERT for
each message.
"""

from __future__ import annotations

import difflib
import random
import time
from dataclasses import dataclass

from whatsapp_pipeline.store.connection import Connection


@dataclass(frozen=True, slots=True)
class NaiveCost:
    """Seconds an item, and how many items were measured."""

    phone_query: float
    name_match: float
    insert: float
    phones: int
    names: int
    inserts: int

    def total(self, *, phone_files: int, name_files: int, messages: int) -> float:
        """Extrapolate to a whole archive, in seconds."""
        return phone_files * self.phone_query + name_files * self.name_match + messages * self.insert


def measure(conn: Connection, *, phones: int = 40, names: int = 4, inserts: int = 3000) -> NaiveCost:
    """Measure each naive step over the database as the pipeline left it; nothing is kept."""
    rng = random.Random(0)
    keys = [
        row[0]
        for row in conn.execute(
            "SELECT phone_key FROM chat_files WHERE phone_key IS NOT NULL ORDER BY id LIMIT 2000"
        )
    ]
    titles = [
        row[0]
        for row in conn.execute(
            "SELECT customer_name FROM chat_files WHERE customer_name IS NOT NULL ORDER BY id LIMIT 500"
        )
    ]
    contacts = [row[0] for row in conn.execute("SELECT nome FROM contatos WHERE nome IS NOT NULL")]
    phone_sample = rng.sample(keys, min(phones, len(keys)))
    started = time.perf_counter()
    for key in phone_sample:
        conn.execute(
            "SELECT id FROM contatos WHERE regexp_replace(celular, '\\D', '', 'g') LIKE %s LIMIT 1",
            (f"%{key[-8:]}",),
        ).fetchall()
    phone_seconds = (time.perf_counter() - started) / max(1, len(phone_sample))
    name_sample = rng.sample(titles, min(names, len(titles)))
    started = time.perf_counter()
    for title in name_sample:
        max(contacts, key=lambda name: difflib.SequenceMatcher(None, title.lower(), name.lower()).ratio())
    name_seconds = (time.perf_counter() - started) / max(1, len(name_sample))
    rows = conn.execute(
        "SELECT id_chat_file, message_timestamp, type, message_text FROM chat_messages LIMIT %s", (inserts,)
    ).fetchall()
    conn.execute(
        "CREATE TEMP TABLE naive_messages"
        " (LIKE chat_messages INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING GENERATED)"
    )
    started = time.perf_counter()
    for ordinal, (file, at, kind, text) in enumerate(rows):
        conn.execute(
            "INSERT INTO naive_messages"
            " (id, id_chat_file, ordinal, message_timestamp, type, message_text, line, body_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s, 0, 0)",
            (ordinal, file, ordinal, at, kind, text),
        )
    insert_seconds = (time.perf_counter() - started) / max(1, len(rows))
    conn.execute("DROP TABLE naive_messages")
    return NaiveCost(
        phone_seconds, name_seconds, insert_seconds, len(phone_sample), len(name_sample), len(rows)
    )

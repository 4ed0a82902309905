"""Customer summaries: the statements that find what changed, measure it, and keep the result.

What belongs here: work tables of one run and the tables customer_chat_summaries, customer_conversations and
message_readings. What does not: definitions and wording (domain/summaries) and the questions that people
and checks ask of the result (store/summaries/summary_reports.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from whatsapp_pipeline import clock
from whatsapp_pipeline.domain.summaries.metrics import BusinessDay, FrequencyBounds
from whatsapp_pipeline.domain.summaries.text_reading import Reading
from whatsapp_pipeline.store import statistics
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load
from whatsapp_pipeline.store.summaries.commitments import encode_mentions

_FACTS = (
    "summaries/summaries_totals",
    "summaries/summaries_moods",
    "summaries/summaries_topics",
    "summaries/summaries_times",
    "summaries/summaries_open",
    "summaries/summaries_case",
)
_PART_TABLES = (
    "work_messages",
    "work_talk",
    "work_sessions",
    "work_replies",
    "work_frequency",
    "work_readings",
)


class SummaryRow(NamedTuple):
    """One row of customer_chat_summaries, in the order of `_COLUMNS`."""

    id_contato: int
    first_interaction_date: datetime
    last_interaction_date: datetime
    communication_frequency: str
    common_topics: list[str]
    sentiment_analysis: str
    sentiment_score: float | None
    sentiment_change: float | None
    summary: str
    message_count: int
    customer_messages: int
    staff_messages: int
    other_messages: int
    conversation_count: int
    last_speaker: str | None
    first_response_median_s: int | None
    first_response_p90_s: int | None
    first_response_median_business_s: int | None
    first_response_p90_business_s: int | None
    reply_median_s: int | None
    reply_p90_s: int | None
    reply_median_business_s: int | None
    reply_p90_business_s: int | None
    open_since: datetime | None
    open_reasons: list[str]
    facts: Jsonb
    claims: Jsonb
    evidence_message_ids: list[int]
    evidence_webhook_ids: list[int]
    input_hash: str


_COLUMNS = SummaryRow._fields


def prepare(conn: Connection) -> None:
    """Make this session's work tables."""
    conn.execute(load("summaries/summaries_work_tables"))


def latest_message(conn: Connection, zone: str) -> datetime | None:
    """Return the local time of the latest message known that is not in the future, or None."""
    row = conn.execute(
        """
        SELECT greatest(
            (SELECT max(message_timestamp) FROM chat_messages
              WHERE message_timestamp <= %(now)s::timestamptz AT TIME ZONE %(zone)s),
            (SELECT max(sent_at) AT TIME ZONE %(zone)s FROM conversation_messages WHERE sent_at <= %(now)s))
        """,
        {"zone": zone, "now": clock.now()},
    ).fetchone()
    return row[0] if row else None


def stage_contacts(conn: Connection, options_digest: str, contacts: Sequence[int] | None = None) -> int:
    """Stage every contact that has linked messages, with its input hash; return how many.

    `contacts`: stage only these, None for all.
    """
    statistics.refresh(
        conn, {"chat_files": (), "chat_sessions": (), "chat_messages": (), "conversation_messages": ()}
    )
    values = {"options": options_digest, "contacts": None if contacts is None else list(contacts)}
    count = conn.execute(load("summaries/summaries_inputs"), values).rowcount
    conn.execute("ANALYZE work_contacts")
    return count


def stale(conn: Connection) -> list[int]:
    """Return the staged contacts whose stored summary depends on other inputs, or is missing."""
    rows = conn.execute(
        """
        SELECT w.id_contato FROM work_contacts w
         WHERE NOT EXISTS (SELECT FROM customer_chat_summaries s
                            WHERE s.id_contato = w.id_contato AND s.input_hash = w.input_hash)
         ORDER BY w.id_contato
        """
    ).fetchall()
    return [row[0] for row in rows]


def remove_gone(conn: Connection, contacts: Sequence[int] | None = None) -> int:
    """Delete the summaries of contacts that have no linked message any more; return how many.

    `contacts`: those that were staged, None for all.
    """
    values = {"contacts": None if contacts is None else list(contacts)}
    gone = """
        WHERE (%(contacts)s::bigint[] IS NULL OR k.id_contato = ANY (%(contacts)s))
          AND NOT EXISTS (SELECT FROM work_contacts w WHERE w.id_contato = k.id_contato)
    """
    conn.execute(f"DELETE FROM customer_conversations k {gone}", values)
    conn.execute(f"DELETE FROM commitments k {gone}", values)
    return conn.execute(f"DELETE FROM customer_chat_summaries k {gone}", values).rowcount


def hold_contacts(conn: Connection, months: Sequence[str]) -> int:
    """Unstage the contacts with chats in `months`; return how many of them have a summary of other inputs."""
    row = conn.execute(
        """
        WITH held AS (
            DELETE FROM work_contacts w
             WHERE EXISTS (SELECT FROM chat_files f
                            WHERE f.id_contato = w.id_contato AND f.month = ANY (%(months)s))
            RETURNING w.id_contato, w.input_hash
        )
        SELECT count(*) FROM held h
         WHERE NOT EXISTS (SELECT FROM customer_chat_summaries s
                            WHERE s.id_contato = h.id_contato AND s.input_hash = h.input_hash)
        """,
        {"months": list(months)},
    ).fetchone()
    return int(row[0]) if row else 0


def _frequency_values(
    as_of: datetime, bounds: FrequencyBounds, part: int | None
) -> dict[str, datetime | timedelta | int | None]:
    return {
        "as_of": as_of,
        "part": part,
        "frequent_window": timedelta(days=bounds.frequent_days),
        "frequent_count": bounds.frequent_count,
        "regular_window": timedelta(days=bounds.regular_days),
        "regular_count": bounds.regular_count,
        "occasional_window": timedelta(days=bounds.occasional_days),
        "occasional_count": bounds.occasional_count,
    }


class Touched(NamedTuple):
    """Number of contacts to compute: their inputs changed, or only their frequency class."""

    changed: int
    aged: int


def choose_touched(
    conn: Connection, as_of: datetime, bounds: FrequencyBounds, *, rebuild: bool, part_size: int
) -> Touched:
    """Keep the staged contacts to compute and cut them into parts of about `part_size` messages."""
    if rebuild:
        aged = 0
    else:
        conn.execute(load("summaries/summaries_frequency"), _frequency_values(as_of, bounds, None))
        aged = conn.execute(
            """
            UPDATE work_contacts w SET part = 0
              FROM customer_chat_summaries s
              LEFT JOIN work_frequency f USING (id_contato)
             WHERE s.id_contato = w.id_contato AND s.input_hash = w.input_hash
               AND s.communication_frequency <> coalesce(f.class, 'rare')
            """
        ).rowcount
        conn.execute(
            """
            DELETE FROM work_contacts w USING customer_chat_summaries s
             WHERE s.id_contato = w.id_contato AND s.input_hash = w.input_hash AND w.part IS NULL
            """
        )
    total = conn.execute(
        """
        WITH cut AS (
            SELECT id_contato,
                   (sum(messages) OVER (ORDER BY id_contato) - messages)::bigint / %(size)s AS part
              FROM work_contacts
        )
        UPDATE work_contacts w SET part = cut.part FROM cut WHERE cut.id_contato = w.id_contato
        """,
        {"size": part_size},
    ).rowcount
    return Touched(total - aged, aged)


def parts(conn: Connection) -> list[int]:
    """Return the numbers of the parts that hold contacts, in order."""
    rows = conn.execute("SELECT DISTINCT part FROM work_contacts ORDER BY part").fetchall()
    return [row[0] for row in rows]


def stage_part(conn: Connection, part: int, *, gap: timedelta) -> int:
    """Stage the messages and order sessions of one part; return the number of messages."""
    conn.execute(
        sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(sql.Identifier(name) for name in _PART_TABLES))
    )
    contacts = conn.execute("SELECT id_contato FROM work_contacts WHERE part = %s", (part,)).fetchall()
    values = {"contacts": [number for (number,) in contacts], "gap": gap}
    count = conn.execute(load("summaries/summaries_messages"), values).rowcount
    conn.execute(load("summaries/summaries_sessions"), values)
    conn.execute("ANALYZE work_messages")
    return count


def unread_texts(conn: Connection, rules: str, *, limit: int, batch: int = 5000) -> Iterator[list[Any]]:
    """Yield batches of (text_hash, text) of the part's texts that `rules` has not read yet."""
    with conn.transaction(), conn.cursor(name="unread_texts") as cursor:
        cursor.itersize = batch
        cursor.execute(
            """
            SELECT DISTINCT ON (w.text_hash) w.text_hash, left(w.body, %(limit)s)
              FROM work_messages w
             WHERE w.text_hash IS NOT NULL AND w.conversation IS NOT NULL
               AND NOT EXISTS (SELECT FROM message_readings r
                                WHERE r.text_hash = w.text_hash AND r.rules = %(rules)s)
            """,
            {"limit": limit, "rules": rules},
        )
        while rows := cursor.fetchmany(batch):
            yield rows


@lru_cache(maxsize=100_000)
def _array(names: tuple[str, ...]) -> str:
    """Write an array as COPY's text format has it: quoted for the array, then escaped for COPY."""
    quoted = ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    array = "{" + ",".join(quoted) + "}"
    return array.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _mentions(reading: Reading) -> str:
    # Kinds, numbers and codes only: nothing that COPY's format or JSON would have to escape but quotes.
    return json.dumps(encode_mentions(reading.commitments)) if reading.commitments else "\\N"


def _reading_line(text_hash: int, rules: str, reading: Reading) -> str:
    start = "\\N" if reading.start is None else reading.start
    end = "\\N" if reading.end is None else reading.end
    return (
        f"{text_hash}\t{rules}\t{reading.score}\t{reading.weight}"
        f"\t{start}\t{end}\t{reading.closes}"
        f"\t{_array(reading.topics)}\t{_array(reading.equipment)}\t{_array(reading.parts)}"
        f"\t{reading.problem}\t{reading.urgent}\t{_mentions(reading)}\t{_array(reading.symptoms)}\n"
    )


def save_readings(conn: Connection, rules: str, readings: Iterable[tuple[int, Reading]]) -> None:
    """Keep what the rules read in texts, by text hash."""
    conn.execute("TRUNCATE work_readings")
    with conn.cursor().copy("COPY work_readings FROM STDIN") as copy:
        # Lines of our own making: adapting ten values a row took as long as reading the text.
        copy.write("".join([_reading_line(text_hash, rules, reading) for text_hash, reading in readings]))
    conn.execute(
        """
        INSERT INTO message_readings AS kept SELECT * FROM work_readings
        ON CONFLICT (text_hash) DO UPDATE SET
            rules = excluded.rules, score = excluded.score, weight = excluded.weight,
            evidence_start = excluded.evidence_start, evidence_end = excluded.evidence_end,
            closes = excluded.closes, topics = excluded.topics, equipment = excluded.equipment,
            parts = excluded.parts, problem = excluded.problem, urgent = excluded.urgent,
            commitments = excluded.commitments, symptoms = excluded.symptoms
        """
    )


def staged_days(conn: Connection) -> tuple[date, date] | None:
    """Return the first and last day of the part's messages, or None when it has none."""
    row = conn.execute("SELECT min(at)::date, max(at)::date FROM work_messages").fetchone()
    return (row[0], row[1]) if row and row[0] else None


def save_business_days(conn: Connection, days: Iterable[BusinessDay]) -> None:
    """Replace the session's business calendar."""
    conn.execute("TRUNCATE business_days")
    with conn.cursor().copy("COPY business_days FROM STDIN") as copy:
        for day in days:
            copy.write_row(day)
    conn.execute("ANALYZE business_days")


def measure_part(
    conn: Connection,
    part: int,
    *,
    reply_limit: timedelta,
    opinion: float,
    customer_only: Sequence[str],
    as_of: datetime,
    bounds: FrequencyBounds,
) -> None:
    """Measure replies, conversations and frequency of one part."""
    values = {
        "part": part,
        "reply_limit": reply_limit,
        "opinion": opinion,
        "customer_only": list(customer_only),
    }
    conn.execute(load("summaries/summaries_talk"), values)
    conn.execute("ANALYZE work_talk")
    conn.execute(load("summaries/summaries_replies"), values)
    conn.execute("ANALYZE work_replies")
    conn.execute(load("summaries/summaries_conversations"), values)
    conn.execute(
        """
        DELETE FROM customer_conversations k USING work_contacts w
         WHERE w.part = %(part)s AND k.id_contato = w.id_contato
           AND k.number > (SELECT coalesce(max(m.conversation), 0) FROM work_messages m
                            WHERE m.id_contato = w.id_contato)
        """,
        {"part": part},
    )
    conn.execute(load("summaries/summaries_frequency"), _frequency_values(as_of, bounds, part))


def facts_of_part(conn: Connection, part: int, *, opinion: float) -> list[dict[str, Any]]:
    """Return one row a contact of the part with everything its summary is made of.

    Several statements rather than one: each is planned on tables whose sizes are known.
    """
    values = {"part": part, "opinion": opinion}
    facts: dict[int, dict[str, Any]] = {}
    for name in _FACTS:
        with conn.cursor(row_factory=dict_row) as cursor:
            cursor.execute(load(name), values)
            columns = [column.name for column in cursor.description or ()]
            nothing = dict.fromkeys(columns)
            found = {row["id_contato"]: row for row in cursor}
        if not facts:
            facts = found
        else:
            for number, row in facts.items():
                row.update(found.get(number, {**nothing, "id_contato": number}))
    return list(facts.values())


def save_summaries(conn: Connection, rows: Sequence[SummaryRow]) -> int:
    """Write summaries; return how many were new or said something else before."""
    conn.execute("DROP TABLE IF EXISTS work_summaries")
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    conn.execute(
        sql.SQL("CREATE TEMP TABLE work_summaries AS SELECT {} FROM customer_chat_summaries LIMIT 0").format(
            names
        )
    )
    with conn.cursor().copy(sql.SQL("COPY work_summaries ({}) FROM STDIN").format(names)) as copy:
        for row in rows:
            copy.write_row(row)
    kept = sql.SQL(", ").join(sql.Identifier("kept", name) for name in _COLUMNS)
    new = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in _COLUMNS)
    return conn.execute(
        sql.SQL(
            """
            INSERT INTO customer_chat_summaries AS kept ({names})
            SELECT {names} FROM work_summaries ORDER BY id_contato
            ON CONFLICT (id_contato) DO UPDATE SET ({names}, computed_at) = ROW({new}, now())
             WHERE ({kept}) IS DISTINCT FROM ({new})
            """
        ).format(names=names, kept=kept, new=new)
    ).rowcount


def drop_work_tables(conn: Connection) -> None:
    """Drop this session's work tables."""
    conn.execute(
        "DROP TABLE IF EXISTS work_contacts, work_messages, work_sessions, work_replies, work_frequency, "
        "business_days, work_readings, work_talk, work_summaries, work_commitments"
    )

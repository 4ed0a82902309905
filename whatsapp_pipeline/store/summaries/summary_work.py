"""The work tables of one run over the customer summaries.

What belongs here: the statements that find changed contacts and measure their messages. What does not: the
result (summaries.py, commitments.py), definitions and wording (domain/summaries).

The statements read tables that earlier statements fill. Each class below has only the methods whose input
tables are filled, so that no step can run too early:

    open_work ─► StagedContacts ─divide─► ContactBatches ─stage─► StagedBatch
              ─analyse─► AnalysedBatch ─measure─► MeasuredBatch

A batch is a group of contacts whose summaries one transaction computes. A chunk is a group of texts that are
analysed together. `gap` is the silence after which a new conversation begins. `opinion` is the lowest
distance from 0 of a score that counts as an opinion. `customer_only` are the topics that count only in
messages of customers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from whatsapp_pipeline.domain.summaries.matter_text import CaseTerm
from whatsapp_pipeline.domain.summaries.metrics import BusinessDay, FrequencyBounds
from whatsapp_pipeline.domain.summaries.text import OrderFact
from whatsapp_pipeline.domain.summaries.text_reading import Reading
from whatsapp_pipeline.store import statistics
from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.queries import load
from whatsapp_pipeline.store.summaries import stale_summaries
from whatsapp_pipeline.store.summaries.commitments import encode_mentions

_FACTS = (
    "summaries/summaries_totals",
    "summaries/summaries_moods",
    "summaries/summaries_topics",
    "summaries/summaries_times",
    "summaries/summaries_open",
    "summaries/summaries_case",
)
_BATCH_TABLES = (
    "work_messages",
    "work_talk",
    "work_sessions",
    "work_replies",
    "work_frequency",
    "work_readings",
)


_TEXTS_PER_CHUNK = 5000  # texts that are analysed together
# The columns of message_readings in the order of the values of `_reading_line`.
_READING_COLUMNS = (
    "text_hash, rules, score, weight, evidence_start, evidence_end, closes,"
    " topics, equipment, parts, problem, urgent, commitments, symptoms"
)


class ContactFacts(NamedTuple):
    """The measured facts about one contact of a batch. A field is None if nothing was found.

    Each field has the name of a column that a query in `_FACTS` returns. `customer`, `staff` and `other`
    count messages. Times between messages (first_median to reply_p90_business) are in seconds. Moods are
    scores from -1 to 1: of the last 90 days, of the last conversation, and of the 90 days before that
    conversation.
    """

    id_contato: int
    input_hash: str
    messages: int
    customer: int
    staff: int
    other: int
    first_at: datetime
    last_at: datetime
    conversations: int
    first_ref: str | None
    last_ref: str | None
    last_direction: str | None
    frequency: str
    types: dict[str, int]
    last_staff_at: datetime | None = None
    last_customer_at: datetime | None = None
    mood: Decimal | None = None
    mood_last: Decimal | None = None
    mood_before: Decimal | None = None
    mood_ref: str | None = None
    mood_start: int | None = None
    mood_end: int | None = None
    topics: list[dict[str, Any]] | None = None
    terms: list[dict[str, Any]] | None = None
    first_responses: int | None = None
    first_median: int | None = None
    first_p90: int | None = None
    first_median_business: int | None = None
    first_p90_business: int | None = None
    replies: int | None = None
    reply_median: int | None = None
    reply_p90: int | None = None
    reply_median_business: int | None = None
    reply_p90_business: int | None = None
    median_refs: list[str] | None = None
    p90_refs: list[str] | None = None
    waiting_since: datetime | None = None
    waiting_ref: str | None = None
    orders: list[OrderFact] | None = None
    order_open_since: datetime | None = None
    case_terms: list[CaseTerm] | None = None
    urgent_ref: str | None = None


@contextmanager
def open_work(
    conn: Connection, options_digest: str, contacts: Sequence[int] | None = None
) -> Iterator[StagedContacts]:
    """Create the work tables and stage the contacts that have linked messages. Drop the tables at the end.

    With `contacts`, only these contacts are staged.
    """
    try:
        conn.execute(load("summaries/summaries_work_tables"))
        statistics.refresh(
            conn, {"chat_files": (), "chat_sessions": (), "chat_messages": (), "conversation_messages": ()}
        )
        chosen = None if contacts is None else list(contacts)
        values = {"options": options_digest, "contacts": chosen}
        # Copy the rows of stale_summaries before the inputs are read. A later decision changes its row, so
        # `delete_stale_rows` keeps that row.
        stale_summaries.stage_stale(conn, chosen)
        count = conn.execute(load("summaries/summaries_inputs"), values).rowcount
        conn.execute("ANALYZE work_contacts")
        yield StagedContacts(conn, chosen, count)
    finally:
        # On a closed connection or in an aborted transaction, DROP fails and the server removes the tables.
        # That failure must not hide the first error.
        with suppress(psycopg.Error):
            conn.execute(
                "DROP TABLE IF EXISTS work_contacts, work_messages, work_sessions, work_replies,"
                " work_frequency, business_days, work_readings, work_talk, work_summaries, work_commitments,"
                " work_unlinked, work_nobodys, work_stale"
            )


@dataclass(frozen=True, slots=True)
class StagedContacts:
    """The contacts of the run with their input hashes. `count` is their number."""

    conn: Connection
    contacts: list[int] | None
    count: int

    def stale(self) -> list[int]:
        """Return the staged contacts whose stored summary depends on other inputs, or is missing."""
        rows = self.conn.execute(
            """
            SELECT w.id_contato FROM work_contacts w
             WHERE NOT EXISTS (SELECT FROM customer_chat_summaries s
                                WHERE s.id_contato = w.id_contato AND s.input_hash = w.input_hash)
             ORDER BY w.id_contato
            """
        ).fetchall()
        return [row[0] for row in rows]

    def remove_missing(self) -> int:
        """Delete the summaries of contacts that have no linked message any more. Return how many."""
        values = {"contacts": self.contacts}
        missing = """
            WHERE (%(contacts)s::bigint[] IS NULL OR k.id_contato = ANY (%(contacts)s))
              AND NOT EXISTS (SELECT FROM work_contacts w WHERE w.id_contato = k.id_contato)
        """
        self.conn.execute(f"DELETE FROM customer_conversations k {missing}", values)
        # unlinked_work.py deletes the commitments of chats without a customer.
        self.conn.execute(f"DELETE FROM commitments k {missing} AND k.id_contato IS NOT NULL", values)
        return self.conn.execute(f"DELETE FROM customer_chat_summaries k {missing}", values).rowcount

    def exclude_months(self, months: Sequence[str]) -> int:
        """Remove the contacts with chats in `months` from this run.

        Returns how many of these contacts have no summary, or a stale one.
        """
        stale_summaries.unstage_months(self.conn, months)
        row = self.conn.execute(
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

    def delete_stale_rows(self) -> None:
        """Delete the rows of `stale_summaries` that were staged at the start and have not changed since."""
        stale_summaries.delete_staged(self.conn)

    def divide(
        self, as_of: datetime, bounds: FrequencyBounds, *, rebuild: bool, batch_size: int
    ) -> ContactBatches:
        """Divide the contacts whose summary must be computed into batches of about `batch_size` messages.

        The other contacts are removed from this run. With `rebuild`, the summaries of all contacts are
        computed.
        """
        # First, the contacts of which only the frequency class changed get batch 0. Contacts with a current
        # summary, which have no batch, are deleted. Then every remaining contact gets the number of its
        # batch.
        if rebuild:
            aged = 0
        else:
            self.conn.execute(load("summaries/summaries_frequency"), _frequency_values(as_of, bounds, None))
            aged = self.conn.execute(
                """
                UPDATE work_contacts w SET batch = 0
                  FROM customer_chat_summaries s
                  LEFT JOIN work_frequency f USING (id_contato)
                 WHERE s.id_contato = w.id_contato AND s.input_hash = w.input_hash
                   AND s.communication_frequency <> coalesce(f.class, 'rare')
                """
            ).rowcount
            self.conn.execute(
                """
                DELETE FROM work_contacts w USING customer_chat_summaries s
                 WHERE s.id_contato = w.id_contato AND s.input_hash = w.input_hash AND w.batch IS NULL
                """
            )
        total = self.conn.execute(
            """
            WITH numbered AS (
                SELECT id_contato,
                       (sum(messages) OVER (ORDER BY id_contato) - messages)::bigint / %(size)s AS batch
                  FROM work_contacts
            )
            UPDATE work_contacts w SET batch = n.batch FROM numbered n WHERE n.id_contato = w.id_contato
            """,
            {"size": batch_size},
        ).rowcount
        # The table is analyzed again, because every later statement reads the contacts of one batch.
        self.conn.execute("ANALYZE work_contacts")
        return ContactBatches(self.conn, as_of, bounds, changed=total - aged, aged=aged)


@dataclass(frozen=True, slots=True)
class ContactBatches:
    """The contacts whose summaries are computed, in batches.

    `changed` is the number of contacts with new inputs, or of all contacts in a rebuild. `aged` is the number
    of contacts of which only the frequency class changed. The windows of the frequency classes end at
    `as_of`.
    """

    conn: Connection
    as_of: datetime
    bounds: FrequencyBounds
    changed: int
    aged: int

    def numbers(self) -> list[int]:
        """Return the numbers of the batches that have contacts, in order."""
        rows = self.conn.execute("SELECT DISTINCT batch FROM work_contacts ORDER BY batch").fetchall()
        return [row[0] for row in rows]

    def stage(self, batch: int, *, gap: timedelta) -> StagedBatch:
        """Stage the messages of one batch, and its sessions with a linked order."""
        prepare_batch_tables(self.conn)
        contacts = self.conn.execute(
            "SELECT id_contato FROM work_contacts WHERE batch = %s", (batch,)
        ).fetchall()
        values = {"contacts": [number for (number,) in contacts], "gap": gap}
        count = self.conn.execute(load("summaries/summaries_messages"), values).rowcount
        self.conn.execute(load("summaries/summaries_sessions"), values)
        self.conn.execute("CREATE INDEX work_messages_place ON work_messages (id_contato, seq)")
        statistics.analyze_sample(self.conn, "work_messages")
        return StagedBatch(self, batch, messages=count)


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """A batch whose messages and linked sessions are staged, in work_messages and work_sessions.

    `messages` is the number of messages.
    """

    batches: ContactBatches
    number: int
    messages: int

    @property
    def conn(self) -> Connection:
        """Return the connection that has the work tables."""
        return self.batches.conn

    def analyse(
        self, rules: str, read: Callable[[Sequence[str]], Iterable[Reading]], *, limit: int
    ) -> AnalysedBatch:
        """Analyse the batch's texts that have no result of this version of the rules, and store the results.

        Only the first `limit` characters of a text are analysed.
        """
        return AnalysedBatch(self, texts=read_staged_texts(self.conn, rules, read, limit=limit))


@dataclass(frozen=True, slots=True)
class AnalysedBatch:
    """A batch whose texts are analysed. `texts` is the number of texts that this run analysed."""

    staged: StagedBatch
    texts: int

    def measure(
        self,
        calendar: Callable[[date, date], Iterable[BusinessDay]],
        *,
        reply_limit: timedelta,
        opinion: float,
        customer_only: Sequence[str],
    ) -> MeasuredBatch:
        """Measure replies, conversations and frequency. `calendar` returns the business days of a period."""
        conn, batches, number = self.staged.conn, self.staged.batches, self.staged.number
        _save_business_days(conn, calendar)
        values = {
            "batch": number,
            "reply_limit": reply_limit,
            "opinion": opinion,
            "customer_only": list(customer_only),
        }
        conn.execute(load("summaries/summaries_talk"), values)
        conn.execute("CREATE INDEX work_talk_place ON work_talk (id_contato, seq)")
        statistics.analyze_sample(conn, "work_talk")
        conn.execute(load("summaries/summaries_replies"), values)
        statistics.analyze_sample(conn, "work_replies")
        conn.execute(load("summaries/summaries_conversations"), values)
        conn.execute(
            """
            DELETE FROM customer_conversations k
             USING work_contacts w
              LEFT JOIN (SELECT id_contato, max(conversation) AS last FROM work_talk GROUP BY id_contato) t
                    USING (id_contato)
             WHERE w.batch = %(batch)s AND k.id_contato = w.id_contato AND k.number > coalesce(t.last, 0)
            """,
            {"batch": number},
        )
        conn.execute(
            load("summaries/summaries_frequency"),
            _frequency_values(batches.as_of, batches.bounds, number),
        )
        return MeasuredBatch(conn, number, opinion)


@dataclass(frozen=True, slots=True)
class MeasuredBatch:
    """A batch whose replies, conversations and frequencies are measured, so that it can be stored."""

    conn: Connection
    number: int
    opinion: float

    def facts(self) -> list[ContactFacts]:
        """Return the facts about each contact of the batch.

        There are several statements, because PostgreSQL plans each of them better than one statement for all
        facts.
        """
        values = {"batch": self.number, "opinion": self.opinion}
        facts: dict[int, dict[str, Any]] = {}
        for name in _FACTS:
            with self.conn.cursor(row_factory=dict_row) as cursor:
                for row in cursor.execute(load(name), values):
                    if name == _FACTS[0]:  # the totals have a row for every contact of the batch
                        facts[row["id_contato"]] = row
                    elif row["id_contato"] in facts:
                        facts[row["id_contato"]].update(row)
        return [ContactFacts(**row) for row in facts.values()]


def prepare_batch_tables(conn: Connection) -> None:
    """Empty the tables of one batch, drop their indexes, and make the planner look up chats by index.

    The indexes are created again after the tables are filled. The messages of a chat are stored side by side.
    With its usual costs, the planner would still read all messages for each batch. The lower cost is set
    until the end of the transaction.
    """
    names = sql.SQL(", ").join(sql.Identifier(name) for name in _BATCH_TABLES)
    statements = sql.SQL(
        "DROP INDEX IF EXISTS work_messages_place, work_talk_place;"
        " TRUNCATE {};"
        " SET LOCAL random_page_cost = 1.1"
    )
    conn.execute(statements.format(names))


def read_staged_texts(
    conn: Connection, rules: str, read: Callable[[Sequence[str]], Iterable[Reading]], *, limit: int
) -> int:
    """Analyse the texts of work_messages that have no result of this version of the rules. Store the results.

    Return the number of texts.
    """
    count = 0
    for chunk in _unread_texts(conn, rules, limit):
        readings = read([text for _, text in chunk])
        _save_readings(conn, rules, zip((text_hash for text_hash, _ in chunk), readings, strict=True))
        count += len(chunk)
    return count


def _unread_texts(conn: Connection, rules: str, limit: int) -> Iterator[list[Any]]:
    """Yield chunks of (text_hash, text) for the staged texts without a result of this rule version."""
    with conn.transaction(), conn.cursor(name="unread_texts") as cursor:
        cursor.itersize = _TEXTS_PER_CHUNK
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
        while rows := cursor.fetchmany(_TEXTS_PER_CHUNK):
            yield rows


def _save_readings(conn: Connection, rules: str, readings: Iterable[tuple[int, Reading]]) -> None:
    """Insert the results into message_readings, or replace the row with the same text hash."""
    conn.execute("TRUNCATE work_readings")
    with conn.cursor().copy(f"COPY work_readings ({_READING_COLUMNS}) FROM STDIN") as copy:
        # The lines are formatted here, because psycopg's conversion of the values took as long as the
        # analysis.
        copy.write("".join([_reading_line(text_hash, rules, reading) for text_hash, reading in readings]))
    conn.execute(
        f"""
        INSERT INTO message_readings ({_READING_COLUMNS}) SELECT {_READING_COLUMNS} FROM work_readings
        ON CONFLICT (text_hash) DO UPDATE SET
            rules = excluded.rules, score = excluded.score, weight = excluded.weight,
            evidence_start = excluded.evidence_start, evidence_end = excluded.evidence_end,
            closes = excluded.closes, topics = excluded.topics, equipment = excluded.equipment,
            parts = excluded.parts, problem = excluded.problem, urgent = excluded.urgent,
            commitments = excluded.commitments, symptoms = excluded.symptoms
        """
    )


def _save_business_days(conn: Connection, calendar: Callable[[date, date], Iterable[BusinessDay]]) -> None:
    """Replace business_days with the days from the first to the last message of the batch.

    If the batch has no message, nothing changes.
    """
    first, last = one_row(conn.execute("SELECT min(at)::date, max(at)::date FROM work_messages"))
    if first is None:
        return
    conn.execute("TRUNCATE business_days")
    with conn.cursor().copy("COPY business_days FROM STDIN") as copy:
        for day in calendar(first, last):
            copy.write_row(day)
    conn.execute("ANALYZE business_days")


def _frequency_values(
    as_of: datetime, bounds: FrequencyBounds, batch: int | None
) -> dict[str, datetime | timedelta | int | None]:
    return {
        "as_of": as_of,
        "batch": batch,
        "frequent_window": timedelta(days=bounds.frequent_days),
        "frequent_count": bounds.frequent_count,
        "regular_window": timedelta(days=bounds.regular_days),
        "regular_count": bounds.regular_count,
        "occasional_window": timedelta(days=bounds.occasional_days),
        "occasional_count": bounds.occasional_count,
    }


@lru_cache(maxsize=100_000)
def _array(names: tuple[str, ...]) -> str:
    """Return names as a PostgreSQL array literal, escaped for COPY's text format."""
    quoted = ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    array = "{" + ",".join(quoted) + "}"
    return array.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _mentions(reading: Reading) -> str:
    """Return the commitments of a text as JSON, escaped for COPY's text format.

    Without any, return COPY's NULL.
    """
    if not reading.commitments:
        return "\\N"
    return json.dumps(encode_mentions(reading.commitments), ensure_ascii=False).replace("\\", "\\\\")


def _reading_line(text_hash: int, rules: str, reading: Reading) -> str:
    start = "\\N" if reading.start is None else reading.start
    end = "\\N" if reading.end is None else reading.end
    return (
        f"{text_hash}\t{rules}\t{reading.score}\t{reading.weight}"
        f"\t{start}\t{end}\t{reading.closes}"
        f"\t{_array(reading.topics)}\t{_array(reading.equipment)}\t{_array(reading.parts)}"
        f"\t{reading.problem}\t{reading.urgent}\t{_mentions(reading)}\t{_array(reading.symptoms)}\n"
    )

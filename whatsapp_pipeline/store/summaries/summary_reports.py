"""Questions asked of the summaries: distributions, what is most urgent, and what a check would find.

What belongs here: reading customer_chat_summaries and customer_conversations. What does not: computing them
(store/summaries/summaries.py), and masking, which is for whoever shows a name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row, dict_row

from whatsapp_pipeline.store.connection import Connection

# Whose messages count, once: those that a summary is made of.
_COUNTED = "SELECT id_contato, side AS direction FROM messages_all WHERE id_contato IS NOT NULL"


class Bucket(NamedTuple):
    """One bar of a distribution."""

    name: str
    contacts: int


class OpenIssue(NamedTuple):
    """An unresolved matter; `name` and `phone` are personal data and to be masked where shown."""

    id_contato: int
    name: str | None
    phone: str | None
    open_since: datetime
    reasons: list[str]
    sentiment: str
    sentiment_score: float | None
    last_interaction_date: datetime
    topics: list[str]


def _buckets(conn: Connection, statement: str) -> list[Bucket]:
    with conn.cursor(row_factory=class_row(Bucket)) as cursor:
        return cursor.execute(statement.encode()).fetchall()


def frequency_distribution(conn: Connection) -> list[Bucket]:
    """Contacts by communication frequency, the most frequent class first; empty classes included."""
    return _buckets(
        conn,
        """
        SELECT c.name, count(s.id)::int AS contacts
          FROM (VALUES (1, 'frequent'), (2, 'regular'), (3, 'occasional'), (4, 'rare')) AS c (rank, name)
          LEFT JOIN customer_chat_summaries s ON s.communication_frequency = c.name
         GROUP BY c.rank, c.name ORDER BY c.rank
        """,
    )


def sentiment_distribution(conn: Connection) -> list[Bucket]:
    """Contacts by estimated sentiment; empty classes included."""
    return _buckets(
        conn,
        """
        SELECT c.name, count(s.id)::int AS contacts
          FROM (VALUES (1, 'positive'), (2, 'neutral'), (3, 'negative')) AS c (rank, name)
          LEFT JOIN customer_chat_summaries s ON s.sentiment_analysis = c.name
         GROUP BY c.rank, c.name ORDER BY c.rank
        """,
    )


def response_distribution(conn: Connection) -> list[Bucket]:
    """Contacts by the median time to a first response, in calendar time."""
    return _buckets(
        conn,
        """
        SELECT c.name, count(s.id)::int AS contacts
          FROM (VALUES (1, 'up to 5 min', 0, 300), (2, 'up to 30 min', 300, 1800),
                       (3, 'up to 2 h', 1800, 7200), (4, 'up to 8 h', 7200, 28800),
                       (5, 'up to 24 h', 28800, 86400),
                       (6, 'more', 86400, NULL)) AS c (rank, name, above, upto)
          LEFT JOIN customer_chat_summaries s
                 ON (s.first_response_median_s > c.above OR c.above = 0 AND s.first_response_median_s >= 0)
                AND (c.upto IS NULL OR s.first_response_median_s <= c.upto)
         GROUP BY c.rank, c.name ORDER BY c.rank
        """,
    )


def topic_distribution(conn: Connection) -> list[Bucket]:
    """Contacts by common topic, most common first."""
    return _buckets(
        conn,
        """
        SELECT topic AS name, count(*)::int AS contacts
          FROM customer_chat_summaries, unnest(common_topics) AS topic
         GROUP BY topic ORDER BY contacts DESC, topic
        """,
    )


def most_urgent(conn: Connection, *, limit: int = 10) -> list[OpenIssue]:
    """The open issues to look at first: unanswered before orders, unhappy before happy, then the latest.

    The latest first, because what has waited for a year is lost, and what waits since yesterday is not.
    """
    with conn.cursor(row_factory=class_row(OpenIssue)) as cursor:
        return cursor.execute(
            """
            SELECT s.id_contato, c.nome AS name,
                   coalesce(nullif(c.celular::text, ''), c.telefone::text) AS phone, s.open_since,
                   s.open_reasons AS reasons, s.sentiment_analysis AS sentiment, s.sentiment_score::float8,
                   s.last_interaction_date, s.common_topics AS topics
              FROM customer_chat_summaries s
              JOIN contatos c ON c.id = s.id_contato
             WHERE s.open_since IS NOT NULL
             ORDER BY 'unanswered' = ANY (s.open_reasons) DESC, s.sentiment_analysis = 'negative' DESC,
                      s.last_interaction_date DESC, s.id_contato
             LIMIT %(limit)s
            """,
            {"limit": limit},
        ).fetchall()


def _rows(conn: Connection, statement: str, **values: object) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def contacts_without_summary(conn: Connection) -> list[dict[str, Any]]:
    """Contacts that have linked messages and no summary."""
    return _rows(
        conn,
        f"""
        SELECT id_contato, count(*) AS messages FROM ({_COUNTED}) m
         WHERE NOT EXISTS (SELECT FROM customer_chat_summaries s WHERE s.id_contato = m.id_contato)
         GROUP BY id_contato ORDER BY id_contato
        """,
    )


def wrong_counts(conn: Connection) -> list[dict[str, Any]]:
    """Summaries, and the sums of their conversations, whose counts are not the messages'."""
    return _rows(
        conn,
        f"""
        WITH counted AS (
            SELECT id_contato, count(*) AS messages, count(*) FILTER (WHERE direction = 'from') AS customer,
                   count(*) FILTER (WHERE direction = 'to') AS staff
              FROM ({_COUNTED}) m GROUP BY id_contato
        ), summed AS (
            SELECT id_contato, sum(message_count) AS messages, count(*) AS conversations
              FROM customer_conversations GROUP BY id_contato
        )
        SELECT s.id_contato, s.message_count AS said, c.messages AS found,
               s.customer_messages AS customer_said, c.customer AS customer_found,
               s.staff_messages AS staff_said, c.staff AS staff_found,
               s.conversation_count AS conversations_said, k.conversations AS conversations_found
          FROM customer_chat_summaries s
          LEFT JOIN counted c USING (id_contato)
          LEFT JOIN summed k USING (id_contato)
         WHERE (s.message_count, s.customer_messages, s.staff_messages)
                   IS DISTINCT FROM (coalesce(c.messages, 0), coalesce(c.customer, 0), coalesce(c.staff, 0))
            OR s.conversation_count <> coalesce(k.conversations, 0)
            OR s.customer_messages + s.staff_messages <> coalesce(k.messages, 0)
         ORDER BY s.id_contato
        """,
    )


def missing_evidence(conn: Connection) -> list[dict[str, Any]]:
    """Evidence ids of summaries that no message has, by contact and source."""
    return _rows(
        conn,
        """
        SELECT s.id_contato, 'chat' AS source, e.id AS message_id
          FROM customer_chat_summaries s, unnest(s.evidence_message_ids) AS e (id)
         WHERE NOT EXISTS (SELECT FROM chat_messages m WHERE m.id = e.id)
        UNION ALL
        SELECT s.id_contato, 'webhook', e.id
          FROM customer_chat_summaries s, unnest(s.evidence_webhook_ids) AS e (id)
         WHERE NOT EXISTS (SELECT FROM conversation_messages m WHERE m.id = e.id)
        ORDER BY 1, 2, 3
        """,
    )


def unsupported_claims(conn: Connection) -> list[dict[str, Any]]:
    """Sentences of summaries that name neither a message nor an order."""
    return _rows(
        conn,
        """
        SELECT s.id_contato, claim ->> 'kind' AS kind
          FROM customer_chat_summaries s, jsonb_array_elements(s.claims) AS claim
         WHERE claim -> 'messages' = '[]' AND claim -> 'orders' = '[]'
         ORDER BY 1, 2
        """,
    )


def implausible_times(conn: Connection, *, limit_days: int = 30) -> list[dict[str, Any]]:
    """Summaries with times that cannot be: negative, longer than the limit, business above calendar time,
    a p90 below the median, or a last interaction before the first or in the future.
    """
    return _rows(
        conn,
        """
        SELECT id_contato, first_response_median_s, first_response_p90_s, first_response_median_business_s,
               reply_median_s, reply_p90_s, reply_median_business_s, first_interaction_date,
               last_interaction_date
          FROM customer_chat_summaries
         WHERE least(first_response_median_s, reply_median_s, reply_median_business_s,
                     first_response_median_business_s) < 0
            OR greatest(first_response_p90_s, reply_p90_s) > %(limit)s
            OR first_response_median_business_s > first_response_median_s
            OR reply_median_business_s > reply_median_s
            OR first_response_p90_s < first_response_median_s OR reply_p90_s < reply_median_s
            OR last_interaction_date < first_interaction_date
            OR last_interaction_date > localtimestamp + interval '2 days'
         ORDER BY id_contato
        """,
        limit=limit_days * 86400,
    )

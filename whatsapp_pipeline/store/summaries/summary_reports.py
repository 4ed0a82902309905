"""Reports over the summaries: distributions, and the most urgent customers.

What belongs here: reading customer_chat_summaries, and the names and phones of contacts. What does not:
computing summaries (store/summaries/summaries.py), and masking names, which the caller must do.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection


class Bucket(NamedTuple):
    """The number of contacts in one class of a distribution."""

    name: str
    contacts: int


class OpenIssue(NamedTuple):
    """A customer with an open issue.

    `name` and `phone` are personal data, so the caller must mask them before it shows them.
    """

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
    """Return the number of contacts by communication frequency, including empty classes.

    The most frequent class is first.
    """
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
    """Return the number of contacts by estimated sentiment, including empty classes."""
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
    """Return the number of contacts by the median time to a first response, in calendar time."""
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
    """Return the number of contacts by topic, most common first."""
    return _buckets(
        conn,
        """
        SELECT topic AS name, count(*)::int AS contacts
          FROM customer_chat_summaries, unnest(common_topics) AS topic
         GROUP BY topic ORDER BY contacts DESC, topic
        """,
    )


def most_urgent(conn: Connection, *, limit: int = 10) -> list[OpenIssue]:
    """Return up to `limit` customers with open issues, the most urgent first.

    Unanswered messages come before open orders, then unhappy customers before others, then the latest
    interaction. The latest comes first, because a customer who has waited since yesterday can still be kept,
    unlike a customer who has waited for a year.
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

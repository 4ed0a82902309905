"""QA of the summaries: every customer with chats has one, and it says what the messages say."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope, rule
from whatsapp_pipeline.store.operations.checks import Findings, find

_CUSTOMERS = """
    SELECT count(DISTINCT id_contato) FROM chat_files
    WHERE match_status IN ('linked', 'manual') AND id_contato IS NOT NULL AND processing_status = 'loaded'
"""


def _without_summary(scope: Scope) -> Findings:
    return find(
        scope.conn,
        _CUSTOMERS,
        """
        SELECT f.id_contato, count(*) AS chats, max(f.last_message_at)::text AS last_message_at
        FROM chat_files f
        WHERE f.match_status IN ('linked', 'manual') AND f.id_contato IS NOT NULL
          AND f.processing_status = 'loaded' AND f.message_count > 0
          AND NOT EXISTS (SELECT FROM customer_chat_summaries s WHERE s.id_contato = f.id_contato)
        GROUP BY f.id_contato ORDER BY f.id_contato
        """,
        {},
    )


_SUMMARIES = "SELECT count(*) FROM customer_chat_summaries"

_of_nobody = rule(
    _SUMMARIES,
    """
    SELECT s.id_contato, s.message_count AS messages FROM customer_chat_summaries s
    WHERE NOT EXISTS (
              SELECT FROM chat_files f
              WHERE f.id_contato = s.id_contato AND f.match_status IN ('linked', 'manual'))
      AND NOT EXISTS (SELECT FROM conversations c WHERE c.id_contato = s.id_contato)
    ORDER BY s.id_contato
    """,
)
_evidence_gone = rule(
    _SUMMARIES,
    """
    SELECT s.id_contato, count(*) AS messages_gone
    FROM customer_chat_summaries s CROSS JOIN LATERAL unnest(s.evidence_message_ids) AS e(id)
    LEFT JOIN chat_messages m ON m.id = e.id
    LEFT JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.id IS NULL OR f.id_contato IS DISTINCT FROM s.id_contato
    GROUP BY s.id_contato ORDER BY s.id_contato
    """,
)
_impossible_numbers = rule(
    _SUMMARIES,
    """
    SELECT id_contato, message_count, customer_messages + staff_messages + other_messages AS by_side,
           first_interaction_date::text AS first, last_interaction_date::text AS last
    FROM customer_chat_summaries
    WHERE message_count <> customer_messages + staff_messages + other_messages
       OR first_interaction_date > last_interaction_date OR message_count < 1 OR btrim(summary) = ''
    ORDER BY id_contato
    """,
)


CHECKS = [
    QaCheck(
        name="summaries_are_of_customers_with_chats",
        asset="customer_summaries",
        description="Summaries of contacts that no chat or conversation is linked to any more.",
        how_to_fix="Materialize customer_summaries.",
        why="Somebody would read what another customer said.",
        find=_of_nobody,
        severity="error",
    ),
    QaCheck(
        name="summaries_cite_their_customer",
        asset="customer_summaries",
        description="Summaries that cite messages which are gone or belong to another contact.",
        how_to_fix="Materialize customer_summaries.",
        why="Every sentence of a summary must lead to the message that says it.",
        find=_evidence_gone,
        severity="error",
    ),
    QaCheck(
        name="summary_numbers_add_up",
        asset="customer_summaries",
        description="Summaries whose counts or dates contradict each other, or without text.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        find=_impossible_numbers,
        severity="error",
    ),
    QaCheck(
        name="every_linked_contact_has_a_summary",
        asset="customer_summaries",
        description="Contacts with linked, loaded chats and no summary.",
        how_to_fix="Materialize customer_summaries.",
        find=_without_summary,
        severity="error",
    ),
]

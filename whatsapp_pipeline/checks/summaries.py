"""QA of the summaries: every customer with chats has one, and it says what the messages say."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope
from whatsapp_pipeline.store.checks import Findings, find

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


CHECKS = [
    QaCheck(
        name="every_linked_contact_has_a_summary",
        asset="customer_summaries",
        description="Contacts with linked, loaded chats and no summary.",
        how_to_fix="Materialize customer_summaries.",
        find=_without_summary,
        severity="error",
    ),
]

"""QA of the summaries: every customer with chats has one, and it says what the messages say.

What belongs here: rules as data. What does not: their statements (sql/queries/summaries/check_<name>.sql).
"""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck

CHECKS = [
    QaCheck(
        name="summaries_are_of_customers_with_chats",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries of contacts that no chat or conversation is linked to any more.",
        how_to_fix="Materialize customer_summaries.",
        why="Somebody would read what another customer said.",
        severity="error",
    ),
    QaCheck(
        name="summaries_cite_their_customer",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries that cite messages which are gone or belong to another contact.",
        how_to_fix="Materialize customer_summaries.",
        why="Every sentence of a summary must lead to the message that says it.",
        severity="error",
    ),
    QaCheck(
        name="summary_numbers_add_up",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries whose counts or dates contradict each other, or without text.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        severity="error",
    ),
    QaCheck(
        name="every_linked_contact_has_a_summary",
        subject="summaries",
        asset="customer_summaries",
        description="Contacts with linked, loaded chats and no summary.",
        how_to_fix="Materialize customer_summaries.",
        severity="error",
    ),
]

"""Checks of summaries: every customer with chats has one, and it agrees with the messages.

What belongs here: rules as data. What does not: their statements (sql/queries/summaries/check_<name>.sql).
"""

from __future__ import annotations

from whatsapp_pipeline import settings
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck
from whatsapp_pipeline.store.operations.checks import Findings


def _stale(scope: CheckScope) -> Findings:
    # Imported here because the module is slow to import, and most processes only load the definitions.
    from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, stale_contacts

    contacts, stale = stale_contacts(scope.conn, SummaryOptions(zone=settings.load_settings().zone))
    return Findings.of(contacts, [{"id_contato": contact} for contact in stale])


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
        description="Contacts with linked messages and no summary.",
        how_to_fix="Materialize customer_summaries.",
        severity="error",
    ),
    QaCheck(
        name="summary_counts_are_right",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries whose numbers of messages or conversations differ from the messages.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        why="Whoever counts the messages of a customer finds other numbers than the summary.",
        severity="error",
    ),
    QaCheck(
        name="summary_evidence_exists",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries that cite messages which do not exist.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        why="A sentence whose message nobody can open can't be checked.",
        severity="error",
    ),
    QaCheck(
        name="summary_claims_are_supported",
        subject="summaries",
        asset="customer_summaries",
        description="Sentences of summaries that name neither a message nor an order.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        why="A sentence without a source may be invented.",
        severity="error",
    ),
    QaCheck(
        name="summary_times_are_possible",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries with a negative or impossibly long reply time, or dates in the wrong order.",
        how_to_fix="See whether times_are_possible fails for the customer's chats, then `rebuild`.",
        why="Response times are reported to people.",
        severity="error",
    ),
    QaCheck(
        name="summaries_are_current",
        subject="summaries",
        asset="customer_summaries",
        description="Contacts whose messages or orders changed after their summary was written.",
        how_to_fix="Materialize customer_summaries; the nightly schedule does.",
        why="A stale summary calls a settled matter open, or the other way round.",
        finder=_stale,
    ),
    QaCheck(
        name="commitments_cite_their_customer",
        subject="summaries",
        asset="commitments",
        description="Commitments whose message or evidence is missing, another contact's, or listed without"
        " the customer that their chat has.",
        how_to_fix="Materialize customer_summaries with `rebuild`; it makes the commitments too.",
        why="Staff would hold a customer to what somebody else said.",
        severity="error",
    ),
    QaCheck(
        name="promises_are_kept",
        subject="summaries",
        asset="commitments",
        description="What the staff promised in the last 90 days, is overdue or was done too late.",
        how_to_fix="See `whatsapp-pipeline commitments --overdue`; inform the customer, or close the order.",
        why="A customer who was promised a day waits for it.",
        tolerated=0.25,
    ),
    QaCheck(
        name="quotes_are_answered",
        subject="summaries",
        asset="commitments",
        description="Quotes of the last 90 days that the customer has not answered for a week.",
        how_to_fix="See `whatsapp-pipeline commitments --quotes-without-answer 7`; ask the customer.",
        why="A quote that nobody asks about again is a lost order.",
        tolerated=0.5,
    ),
]

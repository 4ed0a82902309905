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
        description="Summaries of contacts to which no chat or conversation is linked any more.",
        how_to_fix="Materialize customer_summaries.",
        why="People would read messages of another customer.",
        severity="error",
    ),
    QaCheck(
        name="summaries_cite_their_customer",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries that cite messages which are deleted or belong to another contact.",
        how_to_fix="Materialize customer_summaries.",
        why="Every sentence of a summary must cite messages of the same customer.",
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
        description="Contacts with linked messages but without a summary.",
        how_to_fix="Materialize customer_summaries.",
        severity="error",
    ),
    QaCheck(
        name="summary_counts_are_right",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries whose numbers of messages or conversations differ from the messages.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        why="A person who counts the messages of a customer gets other numbers than the summary.",
        severity="error",
    ),
    QaCheck(
        name="summary_evidence_exists",
        subject="summaries",
        asset="customer_summaries",
        description="Summaries that cite messages which do not exist.",
        how_to_fix="Materialize customer_summaries with `rebuild`.",
        why="Nobody can check a sentence whose message does not exist.",
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
        how_to_fix="Check whether times_are_possible fails for the customer's chats, then materialize "
        "customer_summaries with `rebuild`.",
        why="Response times are reported to people.",
        severity="error",
    ),
    QaCheck(
        name="summaries_are_current",
        subject="summaries",
        asset="customer_summaries",
        description="Contacts whose summary does not match their current messages, orders and links.",
        how_to_fix="Materialize customer_summaries, or wait for the nightly schedule.",
        why="A stale summary may show a closed matter as open, or an open matter as closed.",
        finder=_stale,
    ),
    QaCheck(
        name="commitments_cite_their_customer",
        subject="summaries",
        asset="commitments",
        description="Commitments whose message or evidence is missing or belongs to another contact, and "
        "commitments without a customer although their chat has one.",
        how_to_fix="Materialize customer_summaries with `rebuild`; it also writes the commitments.",
        why="Staff would attribute a promise or an approval to the wrong customer.",
        severity="error",
    ),
    QaCheck(
        name="promises_are_kept",
        subject="summaries",
        asset="commitments",
        description="Promises of the staff in the last 90 days that are overdue or were kept too late.",
        how_to_fix="See `whatsapp-pipeline commitments --overdue`; inform the customer, or close the order.",
        why="The customer waits for the promised day.",
        tolerated=0.25,
    ),
    QaCheck(
        name="quotes_are_answered",
        subject="summaries",
        asset="commitments",
        description="Quotes of the last 90 days that the customer has not answered for a week.",
        how_to_fix="See `whatsapp-pipeline commitments --quotes-without-answer 7`; ask the customer.",
        why="An order may be lost if nobody asks the customer again.",
        tolerated=0.5,
    ),
]

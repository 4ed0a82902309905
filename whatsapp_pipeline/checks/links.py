"""Checks of links: chats without a contact, doubtful links, orders that do not fit.

What belongs here: rules as data. What does not: their statements (sql/queries/links/check_<name>.sql).
"""

from __future__ import annotations

from collections import Counter

from whatsapp_pipeline.checks.qa import CheckScope, QaCheck
from whatsapp_pipeline.domain.quality import Month
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.operations.checks import Findings, Row


def _disagreement(scope: CheckScope) -> Findings:
    decided: Counter[Month] = Counter()
    wrong: list[Row] = []
    for row in verdicts.samples(scope.conn, scope.months):
        if row.verdict not in {"right", "wrong"}:
            continue
        decided[row.month] += 1
        if row.verdict == "wrong":
            wrong.append(
                {
                    "month": row.month,
                    "chat": row.id_chat_file,
                    "title": row.title,
                    "status": row.match_status,
                    "method": row.match_method,
                }
            )
    return Findings.of(decided, wrong)


CHECKS = [
    QaCheck(
        name="links_are_whole",
        subject="links",
        asset="contact_links",
        description="Chats with the status `linked` but without a contact, a method or a confidence.",
        how_to_fix="Materialize contact_links for the month again.",
        why="Nobody can review a link without its reasons.",
        severity="error",
    ),
    QaCheck(
        name="links_follow_their_evidence",
        subject="links",
        asset="contact_links",
        description="Chats linked to another contact than their best candidate.",
        how_to_fix="Materialize contact_links for the month again. To choose another contact, use "
        "`whatsapp-pipeline override add --title TITLE --contact ID --reason WHY`; do not change the table.",
        why="The evidence that is shown must be the evidence for the linked contact.",
        severity="error",
    ),
    QaCheck(
        name="decisions_of_people_hold",
        subject="links",
        asset="contact_links",
        description="Chats linked to another contact than a person decided for their file, or to a refused "
        "contact.",
        how_to_fix="Materialize contact_links for the month again.",
        why="An override outranks every rule.",
        severity="error",
    ),
    QaCheck(
        name="decisions_fit_phones",
        subject="links",
        asset="contact_links",
        description="Chats for which a decision on the title names another contact than the one with the "
        "chat's phone.",
        how_to_fix="`whatsapp-pipeline review --month MONTH` asks for a decision on each chat or phone. The "
        "decision on the title then no longer applies to that chat.",
        why="Two customers can have the same title. Messages of one would be in the summary of the other.",
    ),
    QaCheck(
        name="groups_belong_to_nobody",
        subject="links",
        asset="contact_links",
        description="Group chats linked to a contact without a person's decision.",
        how_to_fix="Materialize contact_links for the month again.",
        why="Messages of other people would be in that contact's summary.",
        severity="error",
    ),
    QaCheck(
        name="reviewers_agree",
        subject="links",
        asset="contact_links",
        description="Links of the review sample that a reviewer judged as wrong.",
        how_to_fix="`whatsapp-pipeline override add --file FILE --contact ID --reason WHY` corrects a link. "
        "If many links of one method are wrong, its rules need a change.",
        why="The sample shows how many links of the whole month are wrong.",
        finder=_disagreement,
        tolerated=verdicts.TOLERATED_DISAGREEMENT,
    ),
    QaCheck(
        name="order_links_are_whole",
        subject="links",
        asset="order_links",
        description="Sessions with the status `linked` but without an order, a method or a confidence.",
        how_to_fix="Materialize order_links for the month again.",
        why="Nobody can review a link without its reasons.",
        severity="error",
    ),
    QaCheck(
        name="named_orders_are_linked",
        subject="links",
        asset="order_links",
        description="Sessions that name an order of their contact but are linked to no order.",
        how_to_fix="Materialize order_links for the month, or choose the order with `whatsapp-pipeline "
        "override add --file FILE --order ID --reason WHY`.",
        why="An order number in the messages is the strongest evidence.",
        tolerated=0.05,
    ),
    QaCheck(
        name="orders_are_talked_about",
        subject="links",
        asset="order_links",
        description="Orders of customers with a chat in the month of the order, to which no session is "
        "linked.",
        how_to_fix="Review the customer's sessions. Orders that were arranged by telephone have no session.",
        tolerated=0.60,
    ),
    QaCheck(
        name="chats_are_linked",
        subject="links",
        asset="contact_links",
        description="Chats without a likely contact, or not linked yet.",
        how_to_fix="Add the number to the contact in the ERP, or `whatsapp-pipeline override add --phone "
        "PHONE --contact ID --reason WHY`. Numbers of people who are not customers stay unmatched.",
        tolerated=0.5,
    ),
    QaCheck(
        name="links_without_doubt",
        subject="links",
        asset="contact_links",
        description="Chats with several plausible contacts, or with one that is not certain enough.",
        how_to_fix="`whatsapp-pipeline review --month MONTH` asks for a decision on each of them.",
        tolerated=0.25,
    ),
    QaCheck(
        name="evidence_agrees",
        subject="links",
        asset="contact_links",
        description="Chats with a flag, for example if title, header phones, name and order number point to "
        "different contacts.",
        how_to_fix="Decide the chats with `whatsapp-pipeline review --month MONTH`.",
        tolerated=0.10,
    ),
    QaCheck(
        name="review_queue_is_current",
        subject="links",
        asset="contact_links",
        description="Rows of the review queue that differ from the links of the month's chats.",
        how_to_fix="Materialize contact_links for the month again: it repairs rows of current links, too.",
        why="Reviewers would miss open items, or see items that are already decided.",
        severity="error",
    ),
    QaCheck(
        name="orders_belong_to_the_contact",
        subject="links",
        asset="order_links",
        description="Sessions linked to an order of another contact than the chat's.",
        how_to_fix="Correct the order's contact in the ERP, or `override add --order ID` with the reason.",
    ),
]

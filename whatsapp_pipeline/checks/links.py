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
        description="Chats called linked without a contact, a method or a confidence.",
        how_to_fix="Materialize contact_links for the month again.",
        why="A link without grounds can't be reviewed.",
        severity="error",
    ),
    QaCheck(
        name="links_follow_their_evidence",
        subject="links",
        asset="contact_links",
        description="Chats linked to another contact than their best candidate.",
        how_to_fix="Materialize contact_links for the month again; a row that was "
        "changed by hand is decided by `whatsapp-pipeline override add --title TITLE --contact ID --reason "
        "WHY` instead.",
        why="What is shown as evidence must be what decided.",
        severity="error",
    ),
    QaCheck(
        name="decisions_of_people_hold",
        subject="links",
        asset="contact_links",
        description="Files linked to another contact than a person decided, or to one that was refused.",
        how_to_fix="Materialize contact_links for the month again.",
        why="An override outranks every rule.",
        severity="error",
    ),
    QaCheck(
        name="decisions_fit_phones",
        subject="links",
        asset="contact_links",
        description="Chats that a decision on their title gives to another contact than their phone does.",
        how_to_fix="`whatsapp-pipeline review --month MONTH` asks for a decision on each chat or phone; the "
        "decision on the title then no longer counts for it.",
        why="Two customers can share a title. The history of one would stand in the other's summary.",
    ),
    QaCheck(
        name="groups_belong_to_nobody",
        subject="links",
        asset="contact_links",
        description="Group chats linked to one contact without anybody having decided it.",
        how_to_fix="Materialize contact_links for the month again.",
        why="Other people's words would stand in that contact's summary.",
        severity="error",
    ),
    QaCheck(
        name="reviewers_agree",
        subject="links",
        asset="contact_links",
        description="Links of the review sample that a person called wrong.",
        how_to_fix="`whatsapp-pipeline override add --file FILE --contact ID --reason WHY` corrects each; "
        "many of one method speak of its rules.",
        why="The sample stands for the month.",
        finder=_disagreement,
        tolerated=verdicts.TOLERATED_DISAGREEMENT,
    ),
    QaCheck(
        name="order_links_are_whole",
        subject="links",
        asset="order_links",
        description="Sessions called linked without an order, a method or a confidence.",
        how_to_fix="Materialize order_links for the month again.",
        why="A link without grounds can't be reviewed.",
        severity="error",
    ),
    QaCheck(
        name="named_orders_are_linked",
        subject="links",
        asset="order_links",
        description="Sessions that name an order of their contact and are linked to none.",
        how_to_fix="Materialize order_links for the month; or `whatsapp-pipeline override add --file FILE "
        "--order ID --reason WHY` decides it.",
        why="A number that was said is the best evidence there is.",
        tolerated=0.05,
    ),
    QaCheck(
        name="orders_are_talked_about",
        subject="links",
        asset="order_links",
        description="Orders of the month, of customers who wrote in it, that no session is linked to.",
        how_to_fix="Review the customer's sessions; orders that are agreed on the phone stay without one.",
        tolerated=0.60,
    ),
    QaCheck(
        name="chats_are_linked",
        subject="links",
        asset="contact_links",
        description="Chats that found no contact at all.",
        how_to_fix="Add the number to the contact in the ERP, or `whatsapp-pipeline override add --phone "
        "PHONE --contact ID --reason WHY`; "
        "numbers that are nobody's yet stay unmatched.",
        tolerated=0.5,
    ),
    QaCheck(
        name="links_without_doubt",
        subject="links",
        asset="contact_links",
        description="Chats with several plausible contacts, or one that is not sure enough.",
        how_to_fix="`whatsapp-pipeline review --month MONTH` steps through them, most valuable first.",
        tolerated=0.25,
    ),
    QaCheck(
        name="evidence_agrees",
        subject="links",
        asset="contact_links",
        description="Chats whose title, header phones, name or order number point to different contacts.",
        how_to_fix="`whatsapp-pipeline review --month MONTH`, or an override with the reason.",
        tolerated=0.10,
    ),
    QaCheck(
        name="review_queue_is_current",
        subject="links",
        asset="contact_links",
        description="Rows of the review queue that differ from the links of the month's chats.",
        how_to_fix="Materialize contact_links for the month again: it repairs rows of current links, too.",
        why="Reviewers would miss what waits for them, or see what is decided.",
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

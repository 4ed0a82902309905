"""Checks of contacts and orders: the two tables, phones, and the passes over the ERP if one is set.

What belongs here: rules as data. What does not: their statements (sql/queries/contacts/check_<name>.sql).
"""

from __future__ import annotations

from functools import partial

from whatsapp_pipeline import settings
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck
from whatsapp_pipeline.steps.operations import gates
from whatsapp_pipeline.store.contacts import erp_passes
from whatsapp_pipeline.store.operations import adoption
from whatsapp_pipeline.store.operations.checks import Findings, run_check_query


def _incomplete_pass(resource: str, scope: CheckScope) -> Findings:
    # A running pass belongs to another run, whose checks evaluate it.
    with erp_passes.nobody_reads(scope.conn, resource) as quiet:
        params = {"quiet": quiet, "resource": resource}
        return run_check_query(scope.conn, "contacts/check_erp_pass_complete", params, monthly=False)


def _columns_differ(scope: CheckScope) -> Findings:
    return Findings.of(
        sum(len(adoption.expected(table)) for table in adoption.TABLES),
        [
            {"column": f"{d.table}.{d.column}", "found": d.found, "expected": d.expected, "so": d.consequence}
            for d in adoption.compare_user_tables(
                scope.conn, with_erp=settings.load_settings().erp_source is not None
            )
            if d.problem in {"other_type", "no_unique_id"}
        ],
    )


CHECKS = [
    QaCheck(
        name="columns_are_as_expected",
        subject="contacts",
        asset="contatos",
        description="Columns of contatos and ordens_servico have types that the pipeline can fill, and their "
        "ids are unique.",
        how_to_fix="Change the column to the expected type, or make the id unique. Each row shows what is "
        "expected.",
        why="ERP values that do not fit are not stored, and without a unique id a link may point to several "
        "rows.",
        finder=_columns_differ,
        severity="error",
        blocking=True,
    ),
    QaCheck(
        name="contacts_are_readable",
        subject="contacts",
        asset="tiny_contacts",
        description="Items of the ERP that could not be read as a contact.",
        how_to_fix="`whatsapp-pipeline exceptions list` shows the reason for each; report it to the ERP's "
        "support.",
        why="Chats can't be linked to a contact that is missing.",
        severity="error",
        tolerated=0.001,
    ),
    QaCheck(
        name="contacts_have_names",
        subject="contacts",
        asset="contatos",
        description="Contacts with neither name nor trade name.",
        how_to_fix="Give the contact a name in the ERP, or in the program that fills contatos.",
        why="A chat whose title is a name can't be linked to such a contact.",
        tolerated=0.02,
    ),
    QaCheck(
        name="orders_are_readable",
        subject="contacts",
        asset="tiny_orders",
        description="Items of the ERP that could not be read as a service order.",
        how_to_fix="`whatsapp-pipeline exceptions list` shows the reason for each; report it to the ERP's "
        "support.",
        why="A session about such an order is linked to another order or to none.",
        severity="error",
        tolerated=0.001,
    ),
    QaCheck(
        name="orders_have_a_contact",
        subject="contacts",
        asset="ordens_servico",
        description="Service orders without a contact, or with a contact that is not in contatos.",
        how_to_fix="If an ERP is set, materialize tiny_contacts with `full`. Otherwise add the contact, "
        "or correct the order, in the program that fills these tables.",
        why="An order number in a chat is evidence for the contact of the chat.",
        tolerated=0.02,
    ),
    QaCheck(
        name="order_dates_are_possible",
        subject="contacts",
        asset="ordens_servico",
        description="Service orders closed before they were issued, or issued in the future or before 1990.",
        how_to_fix="Correct the date in the ERP, or in the program that fills ordens_servico.",
        why="Sessions are linked to orders by date.",
        tolerated=0.005,
    ),
    QaCheck(
        name="every_phone_was_read",
        subject="contacts",
        asset="normalized_contacts",
        description="Contacts with digits in a phone field that were never read for matching.",
        how_to_fix="Materialize normalized_contacts.",
        why="Chats of these contacts can't be linked by phone.",
        severity="error",
    ),
    QaCheck(
        name="first_phone_is_the_normalized_one",
        subject="contacts",
        asset="normalized_contacts",
        description="Contacts whose celular_normalizado or telefone_normalizado differs from the first "
        "number of the field (at most its last 11 digits, without the country code).",
        how_to_fix="Another program filled the column, and its value is kept until the phone changes. "
        "Clear the column; the next run fills it.",
        why="Users' own queries join on these columns.",
    ),
    QaCheck(
        name="phones_are_not_of_many",
        subject="contacts",
        asset="normalized_contacts",
        description="Phones that more than three contacts have.",
        how_to_fix="Merge duplicate contacts in the ERP, or in the program that fills contatos. Remove a "
        "number that is only a placeholder.",
        why="Chats with such a number are ambiguous, or linked by chance.",
        tolerated=0.01,
    ),
    QaCheck(
        name="erp_lists_known_contacts",
        subject="contacts",
        asset="tiny_contacts",
        description="The last pass over the ERP's contacts listed contacts: if it was a full pass, at least "
        "half of the known ones.",
        how_to_fix="Check in the ERP that its contacts exist and that the application may read them; then "
        "materialize tiny_contacts with `full`. Known rows are kept.",
        why="An answer without rows looks like a success: a contact that is new in the ERP is missing here.",
        severity="error",
    ),
    QaCheck(
        name="erp_counts_agree_on_contacts",
        subject="contacts",
        asset="tiny_contacts",
        description="Listings of the ERP's contacts have as many different rows as the ERP counts.",
        how_to_fix="Look in the ERP for a duplicate or hidden row. If the difference is still there after "
        "the next pass, report it to the ERP's support.",
    ),
    QaCheck(
        name="erp_lists_known_orders",
        subject="contacts",
        asset="tiny_orders",
        description="The last pass over the ERP's orders listed at least half as many orders as each earlier "
        "pass with the same first date.",
        how_to_fix="Check in the ERP that its orders exist and that the application may read them; then "
        "materialize tiny_orders with `full`. Known rows are kept.",
        why="An answer without rows looks like a success: an order that is new in the ERP is missing here.",
        severity="error",
    ),
    QaCheck(
        name="erp_counts_agree_on_orders",
        subject="contacts",
        asset="tiny_orders",
        description="Listings of the ERP's orders have as many different rows as the ERP counts.",
        how_to_fix="Look in the ERP for a duplicate or hidden row. If the difference is still there after "
        "the next pass, report it to the ERP's support.",
    ),
    QaCheck(
        name="erp_pass_complete",
        subject="contacts",
        asset="tiny_contacts",
        description="The last passes over the ERP's contacts are complete and listed as many contacts as the "
        "ERP counts.",
        how_to_fix="Materialize tiny_contacts again; it resumes. If it fails again, its error states the "
        "reason.",
        why="Chats of a missing contact are linked to another contact or to none.",
        finder=partial(_incomplete_pass, "contatos"),
        severity="error",
        blocking=True,
    ),
    QaCheck(
        name=gates.ORDERS_COMPLETE,
        subject="contacts",
        asset="tiny_orders",
        description="The last pass over the ERP's orders is complete and listed as many orders as the ERP "
        "counts.",
        how_to_fix="Materialize tiny_orders again; it resumes. If it fails again, its error states the "
        "reason.",
        why="A session about a missing order is linked to another order or to none.",
        finder=partial(_incomplete_pass, "ordem-servico"),
        severity="error",
        blocking=True,
    ),
    QaCheck(
        name="values_fit_their_columns",
        subject="contacts",
        asset="tiny_contacts",
        description="Values that were cut, because they are longer than their column of contatos.",
        how_to_fix="Widen the column, or shorten the value in the ERP. For matching, phones are stored in "
        "full.",
    ),
    QaCheck(
        name="phones_can_be_matched",
        subject="contacts",
        asset="normalized_contacts",
        description="Contacts whose phone fields have digits but no number that can be matched.",
        how_to_fix="Correct the number in the ERP, or in the program that fills contatos. `shape` shows the "
        "number with each digit as 9.",
        tolerated=0.10,
    ),
]

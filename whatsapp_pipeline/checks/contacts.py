"""QA of the contacts: the ERP pass was whole, values fit, phones can be matched."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope, rule
from whatsapp_pipeline.store.contacts import adoption, erp_passes
from whatsapp_pipeline.store.operations.checks import Findings, find


def _incomplete_contacts(scope: Scope) -> Findings:
    # The pass of this run has ended; one that runs now is another run's, and that run's check judges it.
    with erp_passes.nobody_reads(scope.conn, "contatos") as quiet:
        return find(
            scope.conn,
            "SELECT count(*) FROM contact_sources",
            """
            SELECT resource, scope, status, items, expected, started_at::text AS started_at
            FROM erp_passes p
            WHERE resource = 'contatos' AND id = (
                SELECT max(id) FROM erp_passes q
                WHERE q.resource = p.resource AND q.scope = p.scope AND (%(quiet)s OR q.status <> 'running')
            ) AND (status <> 'complete' OR items < expected)
            ORDER BY scope
            """,
            {"quiet": quiet},
        )


def _cut_values(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM contact_sources",
        """
        SELECT 'contatos/' || id_contato AS row, unnest(truncated) AS column_cut
        FROM contact_sources WHERE truncated <> '{}' ORDER BY id_contato
        """,
        {},
    )


def _unusable_phones(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM contatos WHERE concat(celular, telefone) ~ '[0-9]'",
        """
        SELECT c.id AS id_contato,
               regexp_replace(coalesce(nullif(c.celular::text, ''), c.telefone::text), '[0-9]', '9', 'g')
                   AS shape
        FROM contatos c
        WHERE concat(c.celular, c.telefone) ~ '[0-9]'
          AND NOT EXISTS (SELECT FROM contact_phones p WHERE p.id_contato = c.id AND p.key IS NOT NULL)
        ORDER BY c.id
        """,
        {},
    )


def _columns_differ(scope: Scope) -> Findings:
    differences = [
        {"column": f"{d.table}.{d.column}", "found": d.found, "expected": d.expected, "so": d.consequence}
        for d in adoption.report(scope.conn)
        if d.problem in {"other_type", "no_unique_id"}
    ]
    return Findings.of(sum(len(adoption.expected(table)) for table in adoption.TABLES), differences, {})


_unreadable_contacts = rule(
    "SELECT count(*) FROM contact_sources",
    """
    SELECT file_path AS row, kind, left(detail, 120) AS detail FROM exceptions
    WHERE stage = 'tiny_contacts' AND severity = 'error' ORDER BY file_path, kind
    """,
)
_without_name = rule(
    "SELECT count(*) FROM contact_sources",
    """
    SELECT c.id AS id_contato FROM contatos c JOIN contact_sources s ON s.id_contato = c.id
    WHERE btrim(coalesce(c.nome, '')) = '' AND btrim(coalesce(c.fantasia, '')) = '' ORDER BY c.id
    """,
)
_unreadable_orders = rule(
    "SELECT count(*) FROM order_sources",
    """
    SELECT file_path AS row, kind, left(detail, 120) AS detail FROM exceptions
    WHERE stage = 'tiny_orders' AND severity = 'error' ORDER BY file_path, kind
    """,
)
_orders_of_nobody = rule(
    "SELECT count(*) FROM ordens_servico",
    """
    SELECT o.id AS id_ordem_servico, o.id_contato FROM ordens_servico o
    WHERE o.id_contato IS NULL OR NOT EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)
    ORDER BY o.id
    """,
)
_impossible_order_dates = rule(
    "SELECT count(*) FROM ordens_servico",
    """
    SELECT id AS id_ordem_servico, data_emissao::text AS issued, data_conclusao::text AS closed
    FROM ordens_servico
    WHERE data_conclusao::date < data_emissao::date OR data_emissao::date > current_date + 1
       OR data_emissao::date < '1990-01-01'
    ORDER BY id
    """,
)
_not_normalized = rule(
    "SELECT count(*) FROM contatos WHERE concat(celular, telefone) ~ '[0-9]'",
    """
    SELECT c.id AS id_contato FROM contatos c
    WHERE c.id IS NOT NULL AND concat(c.celular, c.telefone) ~ '[0-9]'
      AND NOT EXISTS (SELECT FROM contact_phone_inputs i WHERE i.id_contato = c.id)
    ORDER BY c.id
    """,
)
_first_phone_differs = rule(
    "SELECT count(*) FROM contatos",
    """
    SELECT c.id AS id_contato, f.field
    FROM contatos c
    CROSS JOIN LATERAL (VALUES ('celular', c.celular_normalizado), ('telefone', c.telefone_normalizado))
        AS f(field, written)
    LEFT JOIN LATERAL (
        SELECT key FROM contact_phones p
        WHERE p.id_contato = c.id AND p.field = f.field AND key IS NOT NULL ORDER BY position LIMIT 1
    ) p ON true
    WHERE nullif(f.written, '') IS DISTINCT FROM p.key ORDER BY c.id
    """,
)
_phones_of_many = rule(
    "SELECT count(DISTINCT key) FROM contact_phones WHERE key IS NOT NULL",
    """
    SELECT key AS phone, count(DISTINCT id_contato) AS contacts, min(id_contato) AS first_contact
    FROM contact_phones WHERE key IS NOT NULL
    GROUP BY key HAVING count(DISTINCT id_contato) > 3 ORDER BY 2 DESC, key
    """,
)


CHECKS = [
    QaCheck(
        name="columns_are_as_expected",
        asset="tiny_contacts",
        description="Columns of contatos and ordens_servico are of types that the pipeline can fill.",
        how_to_fix="Alter the column to the expected type; `whatsapp-pipeline migrate` says what it lacks.",
        why="Values of the ERP that don't fit are left out, and without a key nothing guards the links.",
        find=_columns_differ,
    ),
    QaCheck(
        name="contacts_are_readable",
        asset="tiny_contacts",
        description="Items of the ERP that could not be read as a contact.",
        how_to_fix="`whatsapp-pipeline exceptions list` says what is wrong with each; report it to the ERP.",
        why="A contact that is not there can't be linked to.",
        find=_unreadable_contacts,
        severity="error",
        tolerated=0.001,
    ),
    QaCheck(
        name="contacts_have_names",
        asset="tiny_contacts",
        description="Contacts from the ERP with neither name nor trade name.",
        how_to_fix="Give the contact a name in the ERP.",
        why="Chats that a name titles can't find it.",
        find=_without_name,
        tolerated=0.02,
    ),
    QaCheck(
        name="orders_are_readable",
        asset="tiny_orders",
        description="Items of the ERP that could not be read as a service order.",
        how_to_fix="`whatsapp-pipeline exceptions list` says what is wrong with each; report it to the ERP.",
        why="A session about that order stays unlinked, or is linked to another.",
        find=_unreadable_orders,
        severity="error",
        tolerated=0.001,
    ),
    QaCheck(
        name="orders_have_a_contact",
        asset="tiny_orders",
        description="Service orders without a contact, or of one that is not in contatos.",
        how_to_fix="Materialize tiny_contacts with `full`; an order without a contact is mended in the ERP.",
        why="Order numbers are evidence of who a chat is with.",
        find=_orders_of_nobody,
        tolerated=0.02,
    ),
    QaCheck(
        name="order_dates_are_possible",
        asset="tiny_orders",
        description="Service orders closed before they were issued, or issued in the future or before 1990.",
        how_to_fix="Correct the date in the ERP.",
        why="Sessions are linked to orders by date.",
        find=_impossible_order_dates,
        tolerated=0.005,
    ),
    QaCheck(
        name="every_phone_was_read",
        asset="normalized_contacts",
        description="Contacts with digits in a phone field that were never read for matching.",
        how_to_fix="Materialize normalized_contacts.",
        why="Their chats would look like nobody's.",
        find=_not_normalized,
        severity="error",
    ),
    QaCheck(
        name="first_phone_is_the_normalized_one",
        asset="normalized_contacts",
        description="celular_normalizado or telefone_normalizado differ from the first phone of the field.",
        how_to_fix="Another program writes these columns: let it leave them to the pipeline.",
        why="Users' own queries join on these columns.",
        find=_first_phone_differs,
        severity="error",
    ),
    QaCheck(
        name="phones_are_not_of_many",
        asset="normalized_contacts",
        description="Phones that more than three contacts have.",
        how_to_fix="Merge duplicate contacts in the ERP, or clear a number that was put in as a placeholder.",
        why="Chats of such a number are ambiguous, or linked by chance.",
        find=_phones_of_many,
        tolerated=0.01,
    ),
    QaCheck(
        name="erp_pass_complete",
        asset="tiny_contacts",
        description="The last pass over the ERP's contacts ended well and brought as many as the ERP counts.",
        how_to_fix="Materialize tiny_contacts again: it resumes. If it fails again, its error says why.",
        find=_incomplete_contacts,
        severity="error",
        blocking=True,
    ),
    QaCheck(
        name="values_fit_their_columns",
        asset="tiny_contacts",
        description="Values longer than the column of contatos, which were cut there.",
        how_to_fix="Widen the column, or shorten the value in the ERP. Phones are kept whole for matching.",
        find=_cut_values,
    ),
    QaCheck(
        name="phones_can_be_matched",
        asset="normalized_contacts",
        description="Contacts whose phone fields hold digits but no number that can be matched.",
        how_to_fix="Correct the number in the ERP; the column shows its shape, each digit as 9.",
        find=_unusable_phones,
        tolerated=0.10,
    ),
]

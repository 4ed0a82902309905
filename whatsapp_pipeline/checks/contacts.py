"""QA of the contacts: the ERP pass was whole, values fit, phones can be matched."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope
from whatsapp_pipeline.store.checks import Findings, find


def _incomplete_contacts(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM contact_sources",
        """
        SELECT resource, scope, status, items, expected, started_at::text AS started_at
        FROM erp_passes p
        WHERE resource = 'contatos' AND id = (
            SELECT max(id) FROM erp_passes q WHERE q.resource = p.resource AND q.scope = p.scope
        ) AND (status <> 'complete' OR items < expected)
        ORDER BY scope
        """,
        {},
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
        "SELECT count(*) FROM contatos WHERE coalesce(celular, '') || coalesce(telefone, '') ~ '[0-9]'",
        """
        SELECT c.id AS id_contato,
               regexp_replace(coalesce(nullif(c.celular, ''), c.telefone), '[0-9]', '9', 'g') AS shape
        FROM contatos c
        WHERE coalesce(c.celular, '') || coalesce(c.telefone, '') ~ '[0-9]'
          AND NOT EXISTS (SELECT FROM contact_phones p WHERE p.id_contato = c.id AND p.key IS NOT NULL)
        ORDER BY c.id
        """,
        {},
    )


CHECKS = [
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

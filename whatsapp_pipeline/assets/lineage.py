"""The lineage of columns in the metadata of assets, for catalogs that read Dagster's API.

What belongs here: columns that come from a column of an earlier asset. What does not: the meaning of columns
(comments in the migrations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

_KEY = "dagster/column_lineage"


def _metadata(origins: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the metadata for `column → asset.column, …`."""
    return {
        _KEY: dg.TableColumnLineage(
            {
                column: [
                    dg.TableColumnDep(asset_key=asset, column_name=name)
                    for asset, _, name in (origin.partition(".") for origin in found)
                ]
                for column, found in origins.items()
            }
        )
    }


_PHONE_FIELDS = ("contatos.celular", "contatos.telefone")

NORMALIZED_CONTACTS = _metadata(
    {"id_contato": ["contatos.id"], **dict.fromkeys(("key", "kind", "e164"), _PHONE_FIELDS)}
)
CONTACT_LINKS = _metadata(
    {
        "id_contato": [
            "normalized_contacts.id_contato",
            "normalized_contacts.key",
            "chat_file_index.phone_key",
            "chat_file_index.customer_name",
            "chat_file_index.reference_os",
            "chat_file_index.devices",
        ],
        "match_confidence": [
            "normalized_contacts.key",
            "chat_file_index.phone_key",
            "chat_file_index.customer_name",
        ],
    }
)
ORDER_LINKS = _metadata(
    {
        "id_ordem_servico": [
            "contact_links.id_contato",
            "ordens_servico.id",
            "ordens_servico.numero_ordem_servico",
            "ordens_servico.data_emissao",
            "ordens_servico.data_conclusao",
            "ordens_servico.equipamento",
        ],
    }
)
CHAT_MESSAGES = _metadata({"id_chat_file": ["chat_file_index.id"]})
COMMITMENTS = _metadata(
    {
        "id_contato": ["contact_links.id_contato"],
        "kind": ["chat_messages.message_text", "conversations.text"],
        "due_on": ["chat_messages.message_text", "chat_messages.message_timestamp"],
        "outcome": ["chat_messages.message_text", "ordens_servico.data_conclusao"],
        "id_ordem_servico": ["order_links.id_ordem_servico"],
    }
)
CUSTOMER_SUMMARIES = _metadata(
    {
        "id_contato": ["contact_links.id_contato"],
        "last_interaction_date": ["chat_messages.message_timestamp", "conversations.sent_at"],
        "common_topics": ["chat_messages.message_text", "conversations.text"],
        "sentiment_analysis": ["chat_messages.message_text", "conversations.text"],
        "open_since": ["chat_messages.message_timestamp", "order_links.id_ordem_servico"],
        "summary": ["chat_messages.message_text", "order_links.id_ordem_servico", "ordens_servico.situacao"],
    }
)

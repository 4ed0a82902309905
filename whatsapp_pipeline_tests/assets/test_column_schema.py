"""The columns on an asset's page: what each means, and which columns of other assets it comes from."""

from __future__ import annotations

import dagster as dg
import pytest

from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database


@pytest.fixture(scope="module")
def defs(prepared_url: str) -> dg.Definitions:
    """The definitions on a database with three months."""
    return build_defs({"database": Database(url=prepared_url)})


@pytest.mark.parametrize(
    ("job", "asset", "month", "column", "words"),
    [
        (
            "summaries",
            "customer_summaries",
            None,
            "open_since",
            "From `chat_messages.message_timestamp`, `order_links.id_ordem_servico`.",
        ),
        ("monthly_chats", "contact_links", "2025-01", "id_contato", ", `normalized_contacts.id_contato`, "),
    ],
)
def test_a_description_names_the_columns_that_a_column_comes_from(
    defs: dg.Definitions, job: str, asset: str, month: str | None, column: str, words: str
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance, partition_key=month, asset_selection=[dg.AssetKey(asset)]
        )
    (event, *_) = result.get_asset_materialization_events()
    schema = event.materialization.metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    described = {found.name: found.description or "" for found in schema.columns}
    assert words in described[column]
    assert "From `" not in described["id"]

"""The catalog describes what the assets fill, and marks what is personal."""

from __future__ import annotations

import dagster as dg
import pytest

from whatsapp_pipeline.definitions import defs
from whatsapp_pipeline.store import catalog
from whatsapp_pipeline.store.connection import Connection


def _tables() -> list[str]:
    graph = defs.resolve_asset_graph()
    tables = {graph.get(key).metadata.get("dagster/table_name") for key in graph.get_all_asset_keys()}
    return sorted(str(table) for table in tables if table)


@pytest.mark.parametrize("table", _tables())
def test_every_column_of_an_assets_table_is_described(conn: Connection, table: str) -> None:
    columns = catalog.table_columns(conn, table)
    assert columns
    assert [column.name for column in columns if not column.description] == []


@pytest.mark.parametrize(
    ("table", "personal"),
    [
        ("contatos", {"nome", "fantasia", "telefone", "celular", "email", "cpf_cnpj"}),
        ("chat_files", {"filename", "file_path", "title", "phone_number", "phone_key", "customer_name"}),
        ("chat_messages", {"message_text", "responding_to", "sender_name", "sender_phone"}),
        ("customer_chat_summaries", {"summary"}),
        ("conversation_messages", {"text", "raw_json"}),
    ],
)
def test_personal_columns_are_marked(conn: Connection, table: str, personal: set[str]) -> None:
    marked = {column.name for column in catalog.table_columns(conn, table) if column.pii}
    assert personal <= marked


def test_an_absent_table_has_no_columns(conn: Connection) -> None:
    assert catalog.table_columns(conn, "no_such_table") == []


def test_lineage_names_columns_that_exist(conn: Connection) -> None:
    graph = defs.resolve_asset_graph()
    table_of = {
        key.to_user_string(): str(graph.get(key).metadata.get("dagster/table_name"))
        for key in graph.get_all_asset_keys()
    }
    edges = 0
    for name, table in table_of.items():
        lineage = graph.get(dg.AssetKey(name)).metadata.get("dagster/column_lineage")
        if not isinstance(lineage, dg.TableColumnLineage):
            continue
        for column, origins in lineage.deps_by_column.items():
            assert column in {known.name for known in catalog.table_columns(conn, table)}, (name, column)
            for origin in origins:
                source = table_of[origin.asset_key.to_user_string()]
                assert origin.column_name in {known.name for known in catalog.table_columns(conn, source)}, (
                    origin
                )
                edges += 1
    assert edges > 20

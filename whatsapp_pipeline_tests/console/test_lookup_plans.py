"""Names and phones are looked up by the trigram indexes: what a page asks reads no whole table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.contacts.directory import customers_like

CUSTOMERS = 20_000


@pytest.fixture(scope="module")
def full(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome, fantasia)"
            " SELECT n, 'Pessoa ' || md5(n::text), 'Loja ' || md5((-n)::text) FROM generate_series(1, %s) n",
            (CUSTOMERS,),
        )
        conn.execute(
            "INSERT INTO contact_phones (id_contato, field, position, key, kind)"
            " SELECT n, 'celular', 1, '41' || 80000000 + n, 'mobile' FROM generate_series(1, %s) n",
            (CUSTOMERS,),
        )
        conn.execute("VACUUM ANALYZE contatos")
        conn.execute("VACUUM ANALYZE contact_phones")
        yield conn


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


@pytest.mark.parametrize(
    ("name", "phone_parts", "indexes"),
    [
        ("c4ca4238", [], {"contatos_nome_trgm_idx", "contatos_fantasia_trgm_idx"}),
        ("PESSÓA c4ca4238", [], {"contatos_nome_trgm_idx", "contatos_fantasia_trgm_idx"}),
        ("", ["80000123"], {"contact_phones_key_trgm_idx"}),
    ],
)
def test_a_lookup_reads_the_trigram_indexes(
    full: Connection, name: str, phone_parts: list[str], indexes: set[str]
) -> None:
    """The statement that `customers_like` sends is explained as it is."""
    sent: list[tuple[Any, Any]] = []

    class Recorded(type(full.cursor())):  # type: ignore[misc]  # the class of this connection's cursors
        def execute(self, query: Any, values: Any = None, **options: Any) -> Any:
            sent.append((query, values))
            return super().execute(query, values, **options)

    full.cursor_factory, kept = Recorded, full.cursor_factory
    try:
        found = customers_like(full, name, phone_parts, with_phones=True, limit=20)
    finally:
        full.cursor_factory = kept
    assert found
    ((statement, values),) = sent
    row = full.execute(b"EXPLAIN (FORMAT JSON) " + statement, values).fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    nodes = list(_nodes(plan[0]["Plan"]))
    assert {node["Index Name"] for node in nodes if "trgm" in node.get("Index Name", "")} == indexes
    assert [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"] in (
        [],
        ["customer_chat_summaries"],  # empty here
    )

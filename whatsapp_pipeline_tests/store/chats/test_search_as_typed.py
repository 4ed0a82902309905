"""Search as people type: queries that another hand wrote, and what may never be found."""

from __future__ import annotations

from pathlib import Path

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.truth.insight_accuracy import search_misses

DATA = Path(__file__).parents[2] / "domain" / "summaries" / "data"


def test_queries_as_people_type_them(conn: Connection) -> None:
    cases, failed = search_misses(conn, DATA / "search.tsv")
    assert len(failed) <= 0.05 * cases, "\n".join(failed)

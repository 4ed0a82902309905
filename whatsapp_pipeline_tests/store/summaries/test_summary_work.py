"""The work tables of the summaries: what a batch of a run measures, and that they end with their run."""

from __future__ import annotations

import logging

import psycopg
import pytest

from whatsapp_pipeline.domain.summaries.text_reading import MessageReader
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.queries import load
from whatsapp_pipeline.store.summaries import summary_work
from whatsapp_pipeline.store.summaries.summary_work import open_work
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact


def _work_tables(conn: Connection) -> list[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' ORDER BY 1"
    )
    return [name for (name,) in rows]


def test_the_work_tables_are_dropped_at_the_end(conn: Connection) -> None:
    with open_work(conn, "options"):
        assert "work_contacts" in _work_tables(conn)
    assert _work_tables(conn) == []


def test_a_part_is_measured_without_the_other_contacts(conn: Connection) -> None:
    """Its statements read only the contacts of the batch, so that many batches cost no more than one."""
    for contact in (1, 2, 3):
        add_contact(conn, contact)
        add_chat(conn, contact, f"{contact}", [Said(0, "from", "quanto fica?"), Said(5, "to", "R$ 100")])
    options = SummaryOptions()
    summarize(conn, options, log=logging.getLogger(__name__))
    rules = MessageReader(options.taxonomy).rules
    with open_work(conn, "other options") as staged:
        batches = staged.divide(START, options.frequency, rebuild=True, batch_size=2)
        assert batches.numbers() == [0, 1, 2]
        batch = batches.stage(1, gap=options.gap)
        assert batch.messages == 2
        read = batch.analyse(rules, lambda texts: [], limit=1000)  # the texts were read by the run above
        measured = read.measure(
            lambda first, last: [], reply_limit=options.reply_limit, opinion=0.0, customer_only=()
        )
        assert read.texts == 0
        for name in summary_work._FACTS:
            rows = conn.execute(load(name), {"batch": 1, "opinion": measured.opinion})
            assert {row[0] for row in rows} <= {2}, name
        assert [facts.id_contato for facts in measured.facts()] == [2]


def test_the_planner_knows_the_size_of_a_batch(conn: Connection) -> None:
    """Otherwise it expects one contact and compares each contact of a batch with all of its messages."""
    contacts, options = range(101, 121), SummaryOptions()
    with conn.transaction(force_rollback=True):
        for contact in contacts:
            add_contact(conn, contact)
            add_chat(conn, contact, f"{contact}", [Said(0, "from", "quanto fica?"), Said(5, "to", "R$ 100")])
        with open_work(conn, "options", contacts) as staged:
            staged.divide(START, options.frequency, rebuild=False, batch_size=10)
            row = conn.execute("EXPLAIN (FORMAT JSON) SELECT FROM work_contacts WHERE batch = 1").fetchone()
    assert row is not None
    assert row[0][0]["Plan"]["Plan Rows"] == 5


def test_the_work_tables_are_dropped_after_an_error(conn: Connection) -> None:
    with pytest.raises(ValueError, match="no such month"), open_work(conn, "options"):
        raise ValueError("no such month")
    assert _work_tables(conn) == []


def test_an_error_of_the_server_is_the_one_that_is_raised(conn: Connection) -> None:
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        conn.transaction(),
        open_work(conn, "options"),
    ):
        conn.execute("SELECT 1 / 0")
    assert _work_tables(conn) == []

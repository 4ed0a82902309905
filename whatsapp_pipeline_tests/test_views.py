"""Views that people read: a contract for dashboards, their numbers, and a search equal to messages_all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from whatsapp_pipeline.store import catalog, grants
from whatsapp_pipeline.store.chats.search import MessageSearch, find_messages, parse_words
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations.cases import handle_case
from whatsapp_pipeline_tests.store.test_migrate import _migrate_through as migrate_through

# A dashboard breaks when one of these goes or changes its type. New columns are added at the end.
CONTRACT = {
    "v_messages": "source text, message_id bigint, at timestamp without time zone, side text, origin text, "
    "type text, text text, id_contato bigint, nome text, id_ordem_servico bigint, numero_ordem_servico text, "
    "equipamento text, id_chat_file bigint, conversation_id bigint",
    "v_chats": "id_chat_file bigint, month text, file_date date, is_group boolean, format text, "
    "processing_status text, first_message_at timestamp without time zone, "
    "last_message_at timestamp without time zone, message_count integer, is_duplicate boolean, "
    "id_contato bigint, match_status text, match_method text, match_confidence double precision, "
    "id_ordem_servico bigint, order_match_method text, sessions bigint, linked_sessions bigint",
    "v_customers": "id_contato bigint, nome text, first_interaction_date timestamp without time zone, "
    "last_interaction_date timestamp without time zone, communication_frequency text, common_topics text[], "
    "sentiment_analysis text, sentiment_score double precision, message_count integer, "
    "customer_messages integer, staff_messages integer, conversation_count integer, last_speaker text, "
    "first_response_median_business_s bigint, reply_median_business_s bigint, "
    "open_since timestamp without time zone, open_reasons text[], summary text, "
    "computed_at timestamp with time zone, stale_since timestamp with time zone",
    "v_orders": "id_ordem_servico bigint, numero_ordem_servico text, situacao text, data_emissao date, "
    "data_conclusao date, equipamento text, total_ordem_servico numeric, id_contato bigint, nome text, "
    "sessions bigint, first_session_at timestamp without time zone, "
    "last_session_at timestamp without time zone",
    "v_open_cases": "id_contato bigint, nome text, open_since timestamp without time zone, "
    "open_reasons text[], is_waiting boolean, last_at timestamp without time zone, is_handled boolean, "
    "handled_until date, handled_note text, handled_by text, handled_at timestamp with time zone, "
    "stale_since timestamp with time zone",
    "v_link_quality": "month text, chats bigint, linked bigint, decided_by_people bigint, proposed bigint, "
    "ambiguous bigint, unmatched bigint, groups bigint, pending bigint, "
    "mean_confidence_of_linked double precision, sessions bigint, linked_sessions bigint, "
    "customer_chats bigint, linked_customer_chats bigint",
}


@pytest.fixture(scope="module")
def filled(prepared_url: str) -> Iterator[Connection]:
    """A connection to the months that the chain has filled."""
    with connect(prepared_url) as conn:
        yield conn


@pytest.mark.parametrize("view", CONTRACT)
def test_columns_and_types_stay_and_each_is_described(filled: Connection, view: str) -> None:
    columns = catalog.table_columns(filled, view)
    assert ", ".join(f"{column.name} {column.type}" for column in columns) == CONTRACT[view]
    assert [column.name for column in columns if not column.description] == []


@pytest.mark.parametrize(
    ("of_view", "of_tables"),
    [
        # Each message once, with the customer of its chat and the order of its session.
        (
            "SELECT count(*), count(id_contato), count(id_ordem_servico), count(nome) FROM v_messages",
            """SELECT count(*), count(*) FILTER (WHERE f.match_status IN ('linked', 'manual')),
                   count(s.id_ordem_servico), count(*) FILTER (WHERE f.match_status IN ('linked', 'manual'))
              FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
              LEFT JOIN chat_sessions s ON s.id_chat_file = f.id
                    AND s.order_match_status IN ('linked', 'manual')
                    AND m.message_timestamp BETWEEN s.started_at AND s.ended_at
             WHERE m.duplicate_of IS NULL AND f.duplicate_of IS NULL""",
        ),
        (
            "SELECT count(*), count(id_contato), sum(sessions), sum(linked_sessions) FROM v_chats",
            """SELECT count(DISTINCT f.id),
                   count(DISTINCT f.id) FILTER (WHERE f.match_status IN ('linked', 'manual')),
                   count(s.id), count(s.id) FILTER (WHERE s.order_match_status IN ('linked', 'manual'))
              FROM chat_files f LEFT JOIN chat_sessions s ON s.id_chat_file = f.id
             WHERE f.processing_status <> 'vanished'""",
        ),
        (
            "SELECT id_contato, nome, message_count, open_since FROM v_customers ORDER BY 1",
            """SELECT s.id_contato, c.nome, s.message_count, s.open_since FROM customer_chat_summaries s
              JOIN contatos c ON c.id = s.id_contato ORDER BY 1""",
        ),
        (
            "SELECT id_ordem_servico, numero_ordem_servico, nome, sessions FROM v_orders ORDER BY 1",
            """SELECT o.id, o.numero_ordem_servico, (SELECT nome FROM contatos c WHERE c.id = o.id_contato),
                   (SELECT count(*) FROM chat_sessions s LEFT JOIN chat_files f ON f.id = s.id_chat_file
                     WHERE s.id_ordem_servico = o.id AND s.order_match_status IN ('linked', 'manual')
                       AND f.duplicate_of IS NULL)
              FROM ordens_servico o ORDER BY 1""",
        ),
        (
            "SELECT id_contato, nome, open_since, is_waiting, is_handled FROM v_open_cases ORDER BY 1",
            """SELECT s.id_contato, c.nome, s.open_since,
                   array_position(s.open_reasons, 'unanswered') > 0 IS TRUE, false
              FROM customer_chat_summaries s JOIN contatos c ON c.id = s.id_contato
             WHERE s.open_since IS NOT NULL ORDER BY 1""",
        ),
        # The console's list is the same, without names.
        (
            "SELECT * FROM open_cases ORDER BY 1",
            """SELECT id_contato, open_since, open_reasons, is_waiting, last_at, is_handled, handled_until,
                   handled_note, handled_by, handled_at, stale_since FROM v_open_cases ORDER BY 1""",
        ),
        (
            "SELECT month, chats, linked, linked_sessions FROM v_link_quality ORDER BY 1",
            """SELECT f.month, count(*), count(*) FILTER (WHERE match_status IN ('linked', 'manual')),
                   sum((SELECT count(*) FROM chat_sessions s WHERE s.id_chat_file = f.id
                         AND s.order_match_status IN ('linked', 'manual')))::bigint
              FROM chat_files f WHERE processing_status <> 'vanished' GROUP BY 1 ORDER BY 1""",
        ),
    ],
)
def test_numbers_are_those_of_the_tables(filled: Connection, of_view: str, of_tables: str) -> None:
    shown = filled.execute(of_view.encode()).fetchall()
    assert shown
    assert shown == filled.execute(of_tables.encode()).fetchall()


def test_states_of_a_month_add_up(filled: Connection) -> None:
    rows = filled.execute(
        "SELECT chats - linked - proposed - ambiguous - unmatched - groups - pending FROM v_link_quality"
    ).fetchall()
    assert rows
    assert {row[0] for row in rows} == {0}


def test_a_reader_sees_every_view_but_the_one_with_texts(filled: Connection) -> None:
    assert grants.apply(filled) == []
    with filled.transaction(force_rollback=True):
        filled.execute("SET LOCAL ROLE whatsapp_reader")
        for view in CONTRACT.keys() - {"v_messages"}:
            assert filled.execute(f"SELECT count(*) > 0 FROM {view}".encode()).fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            filled.execute("SELECT text FROM v_messages")


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "UTC", "Asia/Tokyo", "Pacific/Honolulu"])
def test_a_handled_case_is_the_same_in_every_readers_time_zone(filled: Connection, zone: str) -> None:
    """A dashboard often connects in UTC, and the times of messages are those of the archive's zone."""
    with filled.transaction(force_rollback=True):
        found = filled.execute("SELECT id_contato FROM v_open_cases ORDER BY 1 LIMIT 3").fetchall()
        later, earlier, over = (row[0] for row in found)
        for customer, written in ((later, "-10 minutes"), (earlier, "10 minutes"), (over, "1 day")):
            handle_case(filled, customer, until=date(2999, 1, 1), note="", made_by="ana")
            filled.execute(
                "UPDATE customer_chat_summaries SET last_interaction_date = localtimestamp - %s::interval"
                " WHERE id_contato = %s",
                (written, customer),
            )
        filled.execute("UPDATE handled_cases SET until = current_date - 1 WHERE id_contato = %s", (over,))
        filled.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
        handled = dict(filled.execute("SELECT id_contato, is_handled FROM v_open_cases").fetchall())
    assert {later: False, earlier: True, over: False}.items() <= handled.items()


def test_who_read_handled_cases_reads_open_cases_before_grants_run_again(
    empty_database_url: str, tmp_path: Path
) -> None:
    migrate_through(empty_database_url, "0065", tmp_path / "migrations")
    with connect(empty_database_url) as conn:
        assert grants.apply(conn) == []
        migrate(empty_database_url)
        with conn.transaction(force_rollback=True):
            conn.execute("SET LOCAL ROLE whatsapp_reader")
            assert conn.execute("SELECT count(*) FROM v_open_cases").fetchone() == (0,)


@pytest.mark.parametrize("words", ["notebook", "bom dia", "orçamento", '"bom dia"', "valor -notebook"])
def test_a_search_without_the_joins_finds_what_the_view_holds(prepared_url: str, words: str) -> None:
    with connect(prepared_url) as conn:
        # A copy of a whole file, and of one message: neither is a hit.
        conn.execute(
            "UPDATE chat_files SET duplicate_of = (SELECT max(id) FROM chat_files) "
            "WHERE id = (SELECT min(id) FROM chat_files)"
        )
        hits = find_messages(conn, MessageSearch(words, limit=100_000))
        held = conn.execute(
            "SELECT source, message_id FROM messages_all WHERE text IS NOT NULL"
            " AND search @@ %(query)s::tsquery"
            " AND (%(recheck)s::text IS NULL OR plain_text(left(text, 5000)) ~ %(recheck)s)",
            parse_words(conn, words)._asdict(),
        ).fetchall()
    assert held
    assert {(hit.source, hit.message_id) for hit in hits} == set(held)

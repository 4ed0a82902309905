"""Databases that other programs filled: adopted with their data, completed, never altered."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.sandbox.erp_server import serving
from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts, sync_orders
from whatsapp_pipeline.store import catalog
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations import adoption
from whatsapp_pipeline_tests.erp import worlds

LOG = logging.getLogger(__name__)
_CONTACTS = """
    CREATE TABLE contatos (
        id INTEGER PRIMARY KEY, nome VARCHAR(255), codigo VARCHAR(50), fantasia VARCHAR(255),
        tipo_pessoa CHAR(1), cpf_cnpj VARCHAR(20), inscricao_estadual VARCHAR(30), rg VARCHAR(20),
        telefone VARCHAR(20),
        celular VARCHAR(20), email VARCHAR(255), id_endereco INT NULL
    )
"""
_ORDERS = """
    CREATE TABLE ordens_servico (
        id INTEGER PRIMARY KEY, numero_ordem_servico VARCHAR(50), situacao VARCHAR(10), data_emissao DATE,
        data_prevista TIMESTAMP, data_conclusao DATE, total_servicos NUMERIC(10,2),
        total_ordem_servico NUMERIC(10,2), total_pecas NUMERIC(10,2), equipamento VARCHAR(255),
        equipamento_serie VARCHAR(255), descricao_problema TEXT, observacoes TEXT, observacoes_internas TEXT,
        orcar CHAR(1), orcado CHAR(1), alq_comissao NUMERIC, vlr_comissao NUMERIC, desconto NUMERIC,
        tecnico VARCHAR(255), id_contato INT NULL, id_vendedor INT, id_categoria_os INT,
        id_forma_pagamento INT, data_extracao TIMESTAMP, linha_dispositivo VARCHAR(50),
        tipo_servico VARCHAR(100),
        origem_cliente VARCHAR(50)
    )
"""


@pytest.fixture
def conn(empty_database_url: str) -> Iterator[Connection]:
    with connect(empty_database_url) as connection:
        yield connection


def _problems(conn: Connection) -> set[tuple[str, str, str]]:
    return {
        (finding.table, finding.column, finding.problem) for finding in adoption.compare_user_tables(conn)
    }


def _links(conn: Connection, parent: str) -> int:
    row = conn.execute(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(%s)", (parent,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_expected_columns_are_those_of_the_migration() -> None:
    contacts = adoption.expected("contatos")
    assert contacts["celular"] == "varchar(20)"
    assert list(adoption.expected("ordens_servico"))[-1] == "origem_cliente"
    assert adoption.expected("ordens_servico")["total_pecas"] == "numeric(10, 2)"


def test_the_known_tables_are_adopted_with_their_data(conn: Connection, empty_database_url: str) -> None:
    conn.execute(_CONTACTS)
    conn.execute(_ORDERS)
    conn.execute("INSERT INTO contatos (id, nome, celular) VALUES (1, 'Maria Silva', '(41) 99999-0000')")
    conn.execute("INSERT INTO ordens_servico (id, numero_ordem_servico, id_contato) VALUES (5, '30001', 1)")
    before = adoption.columns_by_name(conn, "contatos")
    migrate(empty_database_url)
    after = adoption.columns_by_name(conn, "contatos")
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"telefone_normalizado", "celular_normalizado"}
    assert conn.execute("SELECT nome, celular FROM contatos").fetchall() == [
        ("Maria Silva", "(41) 99999-0000")
    ]
    assert adoption.compare_user_tables(conn) == []
    assert _links(conn, "contatos") >= 2


def test_a_fresh_database_needs_no_attention(conn: Connection, empty_database_url: str) -> None:
    migrate(empty_database_url)
    assert adoption.compare_user_tables(conn) == []


def test_what_differs_is_reported_and_left_as_it_is(
    conn: Connection, empty_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    conn.execute(
        """CREATE TABLE contatos (id INTEGER, nome VARCHAR(8), celular BIGINT, telefone TEXT,
                                  filial INTEGER NOT NULL DEFAULT 1)"""
    )
    conn.execute(
        "INSERT INTO contatos VALUES (1000, 'Antigo', 41999990000, '', 3), (1000, 'Antigo', NULL, '', 3)"
    )
    conn.execute(
        """CREATE TABLE ordens_servico (id SERIAL PRIMARY KEY, numero_ordem_servico INTEGER,
                                        data_emissao TEXT, orcar BOOLEAN, total_servicos NUMERIC(4,2),
                                        id_contato INTEGER)"""
    )
    migrate(empty_database_url)
    assert _problems(conn) == {
        ("contatos", "id", "no_unique_id"),
        ("contatos", "nome", "narrow"),
        ("contatos", "celular", "other_type"),
        ("ordens_servico", "orcar", "other_type"),
        ("ordens_servico", "total_servicos", "narrow"),
        ("ordens_servico", "numero_ordem_servico", "other_type"),
    }
    assert _links(conn, "contatos") == 0
    assert _links(conn, "ordens_servico") >= 2

    # The ERP is kept there all the same: what fits is written, the rest is reported.
    world = worlds.sandbox(3, orders=1)
    with serving(world) as base, worlds.source(base, tmp_path_factory.mktemp("tokens")) as source:
        for _ in range(2):
            contacts = sync_contacts(conn, source, full=True, backup_dir=None, log=LOG)
            orders = sync_orders(conn, source, since=None, backup_dir=None, log=LOG)
    assert (contacts.items, contacts.inserted, contacts.exceptions) == (3, 0, 6)
    assert (orders.items, orders.inserted, orders.exceptions) == (1, 0, 0)
    assert conn.execute("SELECT id, nome, celular, filial FROM contatos ORDER BY 1, 3").fetchall() == [
        (1000, "Cliente ", 41999990000, 3),
        (1000, "Cliente ", None, 3),
        (1001, "Cliente ", None, 1),
        (1002, "Cliente ", None, 1),
    ]
    assert conn.execute(
        "SELECT numero_ordem_servico, data_emissao, orcar, total_servicos::text FROM ordens_servico"
    ).fetchall() == [(30000, "2025-01-10", True, "80.00")]


def test_the_keys_can_be_added_later(conn: Connection, empty_database_url: str) -> None:
    conn.execute("CREATE TABLE contatos (id BIGINT)")
    migrate(empty_database_url)
    assert _problems(conn) == {("contatos", "id", "no_unique_id")}
    conn.execute("ALTER TABLE contatos ADD PRIMARY KEY (id)")
    assert _problems(conn) == {("contatos", "id", "no_foreign_keys")}
    conn.execute("SELECT link_to_adopted('chat_files', 'id_contato', 'contatos', 'SET NULL')")
    assert _problems(conn) == set()


def test_an_id_that_is_no_integer_is_reported(conn: Connection, empty_database_url: str) -> None:
    conn.execute("CREATE TABLE ordens_servico (id VARCHAR(20) PRIMARY KEY, total_pecas MONEY)")
    migrate(empty_database_url)
    assert ("ordens_servico", "id", "other_type") in _problems(conn)
    assert ("ordens_servico", "total_pecas", "other_type") in _problems(conn)


def test_a_required_column_of_the_users_own_is_reported(conn: Connection, empty_database_url: str) -> None:
    conn.execute("CREATE TABLE contatos (id INTEGER PRIMARY KEY, filial INTEGER NOT NULL)")
    migrate(empty_database_url)
    assert _problems(conn) == {("contatos", "filial", "required")}


def test_the_users_own_comments_stay(conn: Connection, empty_database_url: str) -> None:
    conn.execute("CREATE TABLE contatos (id INTEGER PRIMARY KEY, nome VARCHAR(255))")
    conn.execute("COMMENT ON COLUMN contatos.nome IS 'ours'")
    migrate(empty_database_url)
    described = {column.name: column for column in catalog.table_columns(conn, "contatos")}
    assert described["nome"].description == "ours"
    assert described["celular"].pii


def test_a_finding_reads_as_a_sentence(conn: Connection, empty_database_url: str) -> None:
    conn.execute("CREATE TABLE contatos (id INTEGER PRIMARY KEY, rg VARCHAR(9))")
    migrate(empty_database_url)
    assert list(map(str, adoption.compare_user_tables(conn))) == [
        "contatos.rg is character varying(9), expected varchar(20): "
        "longer values of the ERP are cut to fit, a row each in exceptions"
    ]

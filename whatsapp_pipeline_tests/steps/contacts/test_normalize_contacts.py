"""Phones of contacts as keys: only what changed is read, and a second run changes nothing."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR, migrate
from whatsapp_pipeline.store.operations.checks import run_check_query
from whatsapp_pipeline_tests.steps.links.linking_rows import add_contact

LOG = logging.getLogger(__name__)


def _keys(conn: Connection, contact: int) -> list[tuple[str, str | None]]:
    return conn.execute(
        "SELECT field, key FROM contact_phones WHERE id_contato = %s ORDER BY field, position", (contact,)
    ).fetchall()


def test_phones_are_read_once_and_again_when_they_change(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana", "(41) 99999-0000", "41 3333-0444 / 98888-0001")
        add_contact(conn, 2, "Bia", "(xx) 97777-0002", None)
        add_contact(conn, 3, "Caio")
        first = normalize_contacts(conn, default_area_code=None, log=LOG)
        assert (first.contacts, first.contacts_with_phone, first.contacts_read) == (3, 2, 3)
        assert _keys(conn, 1) == [
            ("celular", "4199990000"),
            ("telefone", "4133330444"),
            ("telefone", "4188880001"),
        ]
        assert _keys(conn, 2) == [("celular", "xx77770002")]
        row = conn.execute("SELECT celular_normalizado, telefone_normalizado FROM contatos WHERE id = 1")
        assert row.fetchone() == ("41999990000", "4133330444")

        again = normalize_contacts(conn, default_area_code=None, log=LOG)
        assert (again.contacts_read, again.phones_changed, again.contacts_updated) == (0, 0, 0)

        conn.execute("UPDATE contatos SET telefone = NULL WHERE id = 1")
        changed = normalize_contacts(conn, default_area_code=None, log=LOG)
        assert (changed.contacts_read, changed.phones_changed) == (1, 2)
        assert _keys(conn, 1) == [("celular", "4199990000")]

        normalize_contacts(conn, default_area_code="41", log=LOG)
        assert _keys(conn, 2) == [("celular", "4177770002")]

        conn.execute("DELETE FROM contatos WHERE id = 2")
        normalize_contacts(conn, default_area_code="41", log=LOG)
        assert _keys(conn, 2) == []


def test_a_field_that_was_cut_is_read_in_full_while_it_still_matches(fresh_database_url: str) -> None:
    full = "(41) 99999-0000 / 98888-0001"
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana", full)
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert [key for _, key in _keys(conn, 1)] == ["4199990000", "4188880001"]
        conn.execute("UPDATE contatos SET celular = '(41) 97777-0002' WHERE id = 1")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert [key for _, key in _keys(conn, 1)] == ["4177770002"]


def test_an_id_that_the_table_has_twice_has_the_phones_of_both_rows(fresh_database_url: str) -> None:
    """The user's own table may have no key."""
    with connect(fresh_database_url) as conn:
        conn.execute("ALTER TABLE contatos DROP CONSTRAINT contatos_pkey CASCADE")
        for celular, telefone in (
            ("(41) 99999-0002", None),
            ("(41) 99999-0001", "(41) 3333-0444"),
            ("(41) 99999-0002", ""),
        ):
            conn.execute(
                "INSERT INTO contatos (id, nome, celular, telefone) VALUES (1, 'Ana', %s, %s)",
                (celular, telefone),
            )
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert sorted(set(_keys(conn, 1))) == [
            ("celular", "4199990001"),
            ("celular", "4199990002"),
            ("telefone", "4133330444"),
        ]
        again = normalize_contacts(conn, default_area_code=None, log=LOG)
        assert (again.contacts_read, again.phones_changed, again.contacts_updated) == (0, 0, 0)


def _columns(conn: Connection) -> dict[int, tuple[str | None, str | None]]:
    rows = conn.execute("SELECT id, celular_normalizado, telefone_normalizado FROM contatos").fetchall()
    return {id_: (celular, telefone) for id_, celular, telefone in rows}


def test_the_columns_hold_at_most_the_last_11_digits_without_country_code(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana", "+55 (41) 99999-0001", "0xx41 3333-0444")
        add_contact(conn, 2, "Bia", "41 9999-0002 / 41 99999-0003", "(xx) 99999-0004")
        add_contact(conn, 3, "Caio", "99999-0005", "sem telefone")
        normalize_contacts(conn, default_area_code="41", log=LOG)
        assert _columns(conn) == {
            1: ("41999990001", "4133330444"),
            2: ("4199990002", "999990004"),
            3: ("999990005", None),
        }


def _differences(conn: Connection) -> list[tuple[int, str]]:
    found = run_check_query(conn, "contacts/check_first_phone_is_the_normalized_one", {}, monthly=False)
    return [(row["id_contato"], row["field"]) for row in found.rows]


def test_a_value_of_the_users_own_holds_until_its_phone_changes(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana", "(41) 99999-0001")
        add_contact(conn, 2, "Bia", "(41) 99999-0002")
        conn.execute("UPDATE contatos SET celular_normalizado = '99990001' WHERE id = 1")
        conn.execute("UPDATE contatos SET celular_normalizado = '41999990002' WHERE id = 2")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert _columns(conn)[1] == ("99990001", None)
        assert _differences(conn) == [(1, "celular")]
        conn.execute("UPDATE contatos SET telefone = '(41) 3333-0444' WHERE id = 1")  # another field of it
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert _columns(conn)[1] == ("99990001", "4133330444")
        conn.execute("UPDATE contatos SET celular = '(41) 99999-0003' WHERE id = 1")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert _columns(conn)[1] == ("41999990003", "4133330444")
        assert _differences(conn) == []


def test_a_column_that_was_emptied_is_filled_again(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana", "(41) 99999-0001")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        conn.execute("UPDATE contatos SET celular_normalizado = NULL")
        assert normalize_contacts(conn, default_area_code=None, log=LOG).contacts_updated == 1
        assert _columns(conn)[1] == ("41999990001", None)
        assert normalize_contacts(conn, default_area_code=None, log=LOG).contacts_read == 0


def test_values_that_an_older_release_wrote_are_replaced_once(
    empty_database_url: str, tmp_path: Path
) -> None:
    older = tmp_path / "migrations"
    older.mkdir()
    for path in MIGRATIONS_DIR.glob("*.sql"):
        if path.name[:4] <= "0017":
            shutil.copy(path, older)
    migrate(empty_database_url, older)
    with connect(empty_database_url) as conn:
        add_contact(conn, 1, "Ana", "(41) 99999-0001")
        conn.execute(
            "INSERT INTO contact_phones VALUES (1, 'celular', 1, '4199990001', 'mobile', true, NULL)"
        )
        conn.execute("INSERT INTO contact_phone_inputs VALUES (1, '\\x00')")
        conn.execute("UPDATE contatos SET celular_normalizado = '4199990001'")
        migrate(empty_database_url)
        assert _differences(conn) == []
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert _columns(conn)[1] == ("41999990001", None)
        conn.execute("UPDATE contatos SET celular_normalizado = 'meu valor'")
        conn.execute("UPDATE contatos SET telefone = '(41) 3333-0444'")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        assert _columns(conn)[1] == ("meu valor", "4133330444")


def test_an_index_of_the_users_own_is_used_and_not_doubled(empty_database_url: str) -> None:
    with connect(empty_database_url) as conn:
        conn.execute("CREATE TABLE contatos (id integer PRIMARY KEY, celular_normalizado varchar(20))")
        conn.execute("CREATE INDEX meu_indice ON contatos (celular_normalizado)")
        migrate(empty_database_url)
        names = conn.execute(
            "SELECT indexname FROM pg_indexes"
            " WHERE tablename = 'contatos' AND indexdef NOT LIKE '%trgm%' ORDER BY 1"
        )
        assert [name for (name,) in names] == [
            "contatos_pkey",
            "contatos_telefone_normalizado_idx",
            "meu_indice",
        ]

"""Phones of contacts as keys: only what changed is read, and a second run changes nothing."""

from __future__ import annotations

import logging

from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.store.connection import Connection, connect
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
            ("celular", "4199990000"), ("telefone", "4133330444"), ("telefone", "4188880001"),
        ]  # fmt: skip
        assert _keys(conn, 2) == [("celular", "xx77770002")]
        row = conn.execute("SELECT celular_normalizado, telefone_normalizado FROM contatos WHERE id = 1")
        assert row.fetchone() == ("4199990000", "4133330444")

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

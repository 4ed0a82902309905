"""The table `contact_phones`: keys of contacts' phones.

What belongs here: finding contacts whose phone fields changed, and writing their phones. What does not: the
rules of numbers (domain/phones.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class PhoneFields(NamedTuple):
    """The phone fields of a contact. A missing field is "".

    `input_hash` is a hash of the fields and the rules.
    """

    id_contato: int
    celular: str
    telefone: str
    input_hash: bytes


class ContactPhone(NamedTuple):
    """One number of a contact, as a row of `contact_phones`.

    `position` is the number's position in its field, from 1.
    """

    id_contato: int
    field: str
    position: int
    key: str | None
    kind: str
    had_ninth_digit: bool | None
    e164: str | None


class PhoneInput(NamedTuple):
    """Hashes of a contact's phone fields when they were read, and the digits that `contatos` should have."""

    id_contato: int
    input_hash: bytes
    celular_hash: bytes
    telefone_hash: bytes
    celular_digits: str | None
    telefone_digits: str | None


class ChangedRows(NamedTuple):
    """The number of rows of `contact_phones` and of `contatos` that a batch changed."""

    phones: int
    contacts: int


# Below and above every id.
LOWEST = -(2**63)
HIGHEST = 2**63 - 1


def next_range(conn: Connection, *, after: int, size: int) -> int | None:
    """Return the last id among the next `size` contacts after an id, or None if no contact follows."""
    row = conn.execute(
        "SELECT max(id) FROM (SELECT id FROM contatos WHERE id > %s ORDER BY id LIMIT %s) chunk",
        (after, size),
    ).fetchone()
    return None if row is None else row[0]


def contacts_to_read(conn: Connection, rules: str, *, after: int, upto: int) -> list[PhoneFields]:
    """Return the contacts in (after, upto] whose fields or `rules` changed since they were read."""
    rows = conn.execute(
        queries.load("contacts/normalize_pending"), {"rules": rules, "after": after, "upto": upto}
    )
    return [PhoneFields(*row) for row in rows]


def count_waiting(conn: Connection, rules: str) -> int:
    """Return how many contacts were deleted, or had a change of fields or `rules`, since the last run."""
    waiting = queries.load("contacts/normalize_pending")
    row = conn.execute(
        f"""SELECT (SELECT count(*) FROM ({waiting}) waiting) + (
                SELECT count(DISTINCT p.id_contato) FROM contact_phones p
                WHERE NOT EXISTS (SELECT FROM contatos c WHERE c.id = p.id_contato))""",
        {"rules": rules, "after": LOWEST, "upto": HIGHEST},
    ).fetchone()
    return int(row[0]) if row else 0


def write_phones(
    conn: Connection, inputs: Sequence[PhoneInput], phones: Iterable[ContactPhone]
) -> ChangedRows:
    """Write the phones of these contacts that differ, and delete phones that they no longer have.

    The caller opens a transaction.
    """
    conn.execute("DROP TABLE IF EXISTS pg_temp.incoming_phones, pg_temp.incoming_inputs")
    conn.execute(
        "CREATE TEMP TABLE incoming_phones ON COMMIT DROP AS SELECT * FROM contact_phones WITH NO DATA"
    )
    conn.execute(
        "CREATE TEMP TABLE incoming_inputs ON COMMIT DROP AS SELECT * FROM contact_phone_inputs WITH NO DATA"
    )
    columns = ", ".join(ContactPhone._fields)
    with conn.cursor() as cursor:
        with cursor.copy(f"COPY incoming_phones ({columns}) FROM STDIN") as copy:
            for phone in phones:
                copy.write_row(phone)
        fields = ", ".join(PhoneInput._fields)
        with cursor.copy(f"COPY incoming_inputs ({fields}) FROM STDIN") as copy:
            for row in inputs:
                copy.write_row(row)
    conn.execute("ANALYZE incoming_phones, incoming_inputs")
    changed = conn.execute(
        """DELETE FROM contact_phones p USING incoming_inputs i
           WHERE p.id_contato = i.id_contato AND NOT EXISTS (
               SELECT FROM incoming_phones n
               WHERE (n.id_contato, n.field, n.position) = (p.id_contato, p.field, p.position))"""
    ).rowcount
    changed += conn.execute(queries.load("contacts/normalize_upsert")).rowcount
    contacts = conn.execute(queries.load("contacts/normalize_contacts_update")).rowcount
    conn.execute(queries.load("contacts/normalize_inputs"))
    return ChangedRows(changed, contacts)


def forget_deleted(conn: Connection) -> int:
    """Delete the phones of contacts that are no longer in `contatos`. Return the number of phones."""
    deleted = conn.execute(
        "DELETE FROM contact_phones p WHERE NOT EXISTS (SELECT FROM contatos c WHERE c.id = p.id_contato)"
    ).rowcount
    conn.execute(
        """DELETE FROM contact_phone_inputs i
           WHERE NOT EXISTS (SELECT FROM contatos c WHERE c.id = i.id_contato)"""
    )
    return deleted


def totals(conn: Connection) -> tuple[int, int]:
    """Return the number of contacts, and the number of those with a phone that can be matched (has a key)."""
    row = conn.execute(
        """SELECT (SELECT count(*) FROM contatos),
                  (SELECT count(DISTINCT id_contato) FROM contact_phones WHERE key IS NOT NULL)"""
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)

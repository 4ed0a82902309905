"""`contact_phones`: the keys of contacts' phones, and which contacts changed since they were read.

What belongs here: reading phone fields that changed, and writing what they say. What does not: the rules of
numbers (domain/phones.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class PhoneFields(NamedTuple):
    """A contact's phone fields, in full; "" when there is none. `input_hash` covers them and the rules."""

    id_contato: int
    celular: str
    telefone: str
    input_hash: bytes


class ContactPhone(NamedTuple):
    """One number of a contact: a row of `contact_phones`; `position` counts from 1 in its field."""

    id_contato: int
    field: str
    position: int
    key: str | None
    kind: str
    had_ninth_digit: bool | None
    e164: str | None


class PhoneInput(NamedTuple):
    """What a contact's phones were read from, and what the columns of contatos are expected to hold."""

    id_contato: int
    input_hash: bytes
    celular_hash: bytes
    telefone_hash: bytes
    celular_digits: str | None
    telefone_digits: str | None


class Written(NamedTuple):
    """How many rows a batch changed."""

    phones: int
    contacts: int


# Below every id there is.
LOWEST = -(2**63)
HIGHEST = 2**63 - 1


def next_range(conn: Connection, *, after: int, size: int) -> int | None:
    """Return the id that ends the next `size` contacts after an id; None at the end."""
    row = conn.execute(
        "SELECT max(id) FROM (SELECT id FROM contatos WHERE id > %s ORDER BY id LIMIT %s) chunk",
        (after, size),
    ).fetchone()
    return None if row is None else row[0]


def pending(conn: Connection, rules: str, *, after: int, upto: int) -> list[PhoneFields]:
    """Return the contacts in (after, upto] whose fields, or the `rules` they are read by, changed."""
    rows = conn.execute(
        queries.load("contacts/normalize_pending"), {"rules": rules, "after": after, "upto": upto}
    )
    return [PhoneFields(*row) for row in rows]


def count_waiting(conn: Connection, rules: str) -> int:
    """Count the contacts whose fields changed since they were read by `rules`, and those that are gone."""
    waiting = queries.load("contacts/normalize_pending")
    row = conn.execute(
        f"""SELECT (SELECT count(*) FROM ({waiting}) waiting) + (
                SELECT count(DISTINCT p.id_contato) FROM contact_phones p
                WHERE NOT EXISTS (SELECT FROM contatos c WHERE c.id = p.id_contato))""",
        {"rules": rules, "after": LOWEST, "upto": HIGHEST},
    ).fetchone()
    return int(row[0]) if row else 0


def write(conn: Connection, inputs: Sequence[PhoneInput], phones: Iterable[ContactPhone]) -> Written:
    """Bring these contacts' phones to `phones`; only what differs is written. Call it in a transaction."""
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
    return Written(changed, contacts)


def forget_deleted(conn: Connection) -> int:
    """Drop the phones of contacts that are no longer in `contatos`; return how many rows went."""
    gone = conn.execute(
        "DELETE FROM contact_phones p WHERE NOT EXISTS (SELECT FROM contatos c WHERE c.id = p.id_contato)"
    ).rowcount
    conn.execute(
        """DELETE FROM contact_phone_inputs i
           WHERE NOT EXISTS (SELECT FROM contatos c WHERE c.id = i.id_contato)"""
    )
    return gone


def totals(conn: Connection) -> tuple[int, int]:
    """Return how many contacts there are, and how many have a phone that can be matched."""
    row = conn.execute(
        """SELECT (SELECT count(*) FROM contatos),
                  (SELECT count(DISTINCT id_contato) FROM contact_phones WHERE key IS NOT NULL)"""
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)

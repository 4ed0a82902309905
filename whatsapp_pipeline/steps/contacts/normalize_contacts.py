"""normalized_contacts: every phone of every contact as a key for matching.

What belongs here: reading changed contacts in batches. What does not: the rules of phones (domain/phones.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

from whatsapp_pipeline import logs
from whatsapp_pipeline.domain.phones import local_digits, parse_phone, parse_phones
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts import phones as store
from whatsapp_pipeline.store.locks import named_lock

# Part of each contact's input hash. So after a change of the rules, every contact is read again.
RULES_VERSION = "4"
_BATCH_CONTACTS = 20_000


@dataclass(frozen=True, slots=True)
class NormalizeReport:
    """Counts of contacts; `phones_changed` counts rows of `contact_phones`."""

    contacts: int = 0
    contacts_with_phone: int = 0
    contacts_read: int = 0
    contacts_updated: int = 0
    phones_changed: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def normalize_contacts(
    conn: Connection, *, default_area_code: str | None, log: logging.Logger
) -> NormalizeReport:
    """Write the phones of changed contacts to `contact_phones`, in one transaction per batch.

    `default_area_code` (two digits) completes numbers without an area code.
    """
    rules = f"{RULES_VERSION}:{default_area_code or ''}"
    read = updated = changed = 0
    after = store.LOWEST
    with named_lock(conn, "normalized_contacts"):
        while (upto := store.next_range(conn, after=after, size=_BATCH_CONTACTS)) is not None:
            fields = store.contacts_to_read(conn, rules, after=after, upto=upto)
            after = upto
            if not fields:
                continue
            with conn.transaction():
                inputs = [_input(contact, default_area_code) for contact in fields]
                written = store.write_phones(conn, inputs, _phones(fields, default_area_code))
            read += len(fields)
            updated += written.contacts
            changed += written.phones
            log.info(
                "normalized %d contacts, %d phone rows changed",
                read,
                changed,
                extra=logs.fields(counts={"contacts": read, "phone_rows_changed": changed}),
            )
        with conn.transaction():
            changed += store.forget_deleted(conn)
        contacts, with_phone = store.totals(conn)
    return NormalizeReport(contacts, with_phone, read, updated, changed)


def waiting_contacts(conn: Connection, *, default_area_code: str | None) -> int:
    """Return the number of contacts whose phones a run would read again or, for deleted contacts, remove."""
    return store.count_waiting(conn, f"{RULES_VERSION}:{default_area_code or ''}")


def _input(contact: store.PhoneFields, default_area_code: str | None) -> store.PhoneInput:
    celular, telefone = (
        parse_phone(text, default_area_code=default_area_code) for text in (contact.celular, contact.telefone)
    )
    return store.PhoneInput(
        contact.id_contato,
        contact.input_hash,
        _field_hash(contact.celular),
        _field_hash(contact.telefone),
        local_digits(celular) if celular else None,
        local_digits(telefone) if telefone else None,
    )


def _field_hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _phones(
    fields: Sequence[store.PhoneFields], default_area_code: str | None
) -> Iterator[store.ContactPhone]:
    for contact in fields:
        for name, text in (("celular", contact.celular), ("telefone", contact.telefone)):
            if not text:
                continue
            for position, phone in enumerate(parse_phones(text, default_area_code=default_area_code), 1):
                yield store.ContactPhone(
                    contact.id_contato,
                    name,
                    position,
                    phone.key,
                    phone.kind.value,
                    phone.had_ninth_digit,
                    phone.e164,
                )

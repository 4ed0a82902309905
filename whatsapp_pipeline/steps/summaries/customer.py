"""All data about one customer, collected for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.summaries import customers as store

_MAX_SHOWN_IDS = 8


@dataclass(frozen=True, slots=True)
class Dossier:
    """A customer's contact data, summary, conversations and orders, and messages.

    `summary` is None until it is computed. `quotes` are the messages that support the summary, by the
    references in its claims (`chat:1`). `messages` are the last messages.
    """

    contact: dict[str, Any]
    summary: dict[str, Any] | None
    conversations: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    quotes: dict[str, dict[str, Any]]
    messages: list[dict[str, Any]]


class SeveralCustomersError(PipelineError):
    """The search text matches several contacts; `ids` are their ids. The error text has no name or phone."""

    def __init__(self, what: str, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)
        shown = ", ".join(map(str, self.ids[:_MAX_SHOWN_IDS])) + (
            " …" if len(self.ids) > _MAX_SHOWN_IDS else ""
        )
        super().__init__(f"several customers have this {what}: {shown}; give an id")


def find_customer(conn: Connection, who: str, *, default_area_code: str | None = None) -> int:
    """Return the id of the contact that `who` names: an id, a phone or a name.

    Raises SeveralCustomersError if several contacts match, and PipelineError if none does.
    """
    text = who.strip()
    digits = "".join(filter(str.isdigit, text))
    if text.isdecimal() and (found := store.find_by_id(conn, int(text))):
        return found[0]
    if len(digits) >= 8 and len(digits) * 2 > len(text):
        phone = parse_phone(text, default_area_code=default_area_code)
        found = store.find_by_phone(conn, phone.key) if phone is not None and phone.key else []
        if len(found) == 1:
            return found[0]
        if found:
            raise SeveralCustomersError("phone", found)
        raise PipelineError("no customer has this phone; try the name, or the id in contatos")
    named = store.find_by_name(conn, text) if any(map(str.isalnum, text)) else []
    if len(named) == 1:
        return named[0][0]
    if named:
        raise SeveralCustomersError("name", [number for number, _ in named])
    raise PipelineError(
        "no customer has this id, phone or name; `whatsapp-pipeline search` finds words in messages"
    )


def dossier(conn: Connection, number: int, *, messages: int = 30) -> Dossier:
    """Collect the data about contact `number`, with the last `messages` messages."""
    contact = store.contact_row(conn, number)
    if contact is None:
        raise PipelineError(f"there is no contact {number} in contatos")
    summary = store.summary(conn, number)
    facts = summary["facts"] if summary else {}
    refs = {ref for claim in (summary["claims"] if summary else ()) for ref in claim["messages"]}
    refs |= {topic["evidence"] for topic in facts.get("topics", ())}
    ids: dict[str, list[int]] = {"chat": [], "webhook": []}
    for ref in sorted(refs):
        source, _, value = ref.partition(":")
        ids[source].append(int(value))
    return Dossier(
        contact,
        summary,
        store.contact_conversations(conn, number),
        store.contact_orders(conn, number),
        store.quotes(conn, ids["chat"], ids["webhook"]),
        store.last_messages(conn, number, limit=messages),
    )

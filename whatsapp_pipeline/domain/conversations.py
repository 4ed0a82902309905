"""What a webhook delivery says: messages, statuses and everything else, each with its position.

What belongs here: the shape of deliveries, who a correspondent is under which names, times as the provider
spells them. What does not: storing any of it, and how a message reads as text (message_text).

A delivery may have any shape whatever: an item that cannot be read as a message or a status becomes an
`Other` with its raw JSON, and nothing here raises because of what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from whatsapp_pipeline.domain.message_text import edited_text, message_text, message_type
from whatsapp_pipeline.domain.phone_texts import plain_phone_text
from whatsapp_pipeline.domain.phones import parse_phone, without_mobile_prefix
from whatsapp_pipeline.domain.webhook_json import clean_text, dumps, id_text

Role: TypeAlias = Literal["user", "assistant"]
Origin: TypeAlias = Literal["message", "echo", "history"]
IdentityKind: TypeAlias = Literal["wa_id", "user_id", "group"]

# Since 2009 there is WhatsApp; a time further ahead than this is a clock gone wrong.
_EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=2)
_BRAZILIAN_MOBILE = re.compile(r"55([1-9][1-9])9?([6-9]\d{7})")
_USER_ID = re.compile(r"[A-Z]{2}\.\S+")
_NOT_DIGITS = re.compile(r"\D")
_PHONE_SHAPE = re.compile(r"[\d\s()+.\-]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """One name of a correspondent: verbatim, and in the form all its spellings share."""

    kind: IdentityKind
    value: str
    canonical: str

    @property
    def phone_key(self) -> str | None:
        """The key under which contacts hold this number; None for a user id, a group, a service number."""
        if self.kind != "wa_id":
            return None
        phone = parse_phone("+" + _NOT_DIGITS.sub("", self.value))
        return phone.key if phone else None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a delivery; `identities` is never empty, `text` is never empty."""

    position: int
    phone_number_id: str
    identities: tuple[Identity, ...]
    role: Role
    origin: Origin
    provider_id: str | None
    provider_time: datetime | None
    type: str
    text: str
    new_text: str | None  # of an edit: what the message it speaks of now reads like
    reply_to: str | None
    profile_name: str | None
    status: str | None
    raw_json: str


@dataclass(frozen=True, slots=True)
class Status:
    """One status of a message; it may arrive before the message it speaks of."""

    position: int
    phone_number_id: str
    provider_id: str
    status: str
    time: datetime | None
    recipient: str | None
    raw_json: str


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, kept as it came."""

    position: int
    phone_number_id: str
    kind: str
    raw_json: str


Item: TypeAlias = Message | Status | Other


def wa_identity(value: str) -> Identity:
    """Read a `from` or `wa_id`: a phone (with or without its ninth digit), or a user id in its place.

    Brazilian, Mexican and Argentinian mobiles share a canonical form; other numbers stand as they are.
    """
    if _USER_ID.fullmatch(value):
        return Identity("user_id", value, f"id:{value}")
    plain = plain_phone_text(value)
    if not _PHONE_SHAPE.fullmatch(plain) or not (digits := _NOT_DIGITS.sub("", plain)):
        return Identity("wa_id", value, f"wa:{value}")
    mobile = _BRAZILIAN_MOBILE.fullmatch(digits)
    canonical = f"55{mobile[1]}{mobile[2]}" if mobile else without_mobile_prefix(digits)
    return Identity("wa_id", value, f"wa:{canonical}")


def preference(identity: Identity) -> tuple[int, int, str]:
    """Sort key of the identity a conversation is named by: a phone first, the longer spelling first."""
    return (identity.kind == "user_id", -len(identity.value), identity.value)


def provider_time(value: object, received_at: datetime) -> datetime | None:
    """Read a timestamp in seconds, as a string or a number; milliseconds are recognised.

    None for anything else, and for a time before WhatsApp or more than two days after `received_at`.
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e14:
        return None
    seconds = value / 1000 if value >= 1e11 else value
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment if _EARLIEST <= moment <= received_at + _AHEAD else None


def read_delivery(payload: object, received_at: datetime) -> Iterator[Item]:
    """Yield every item of a decoded delivery, in order; its position is stable for the same body."""
    reader = _Reader(received_at)
    if not isinstance(payload, dict):
        yield reader.other("", "unexpected body", payload)
        return
    entries = [entry for entry in _items(payload.get("entry")) if entry is not None]
    if not entries:
        yield reader.other("", "no entry", payload)
    for entry in entries:
        changes = _items(entry.get("changes")) if isinstance(entry, dict) else []
        if not changes:
            yield reader.other("", "unexpected entry", entry)
        for change in changes:
            yield from reader.change(change)


def _items(value: object) -> list[Any]:
    """Read a list, or the one object that somebody sent in its place."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class _Contacts:
    """The `contacts` of one change: which names belong to one correspondent."""

    def __init__(self, value: object) -> None:
        self._entries: list[tuple[tuple[Identity, ...], str | None]] = []
        for contact in _items(value):
            fields = _mapping(contact)
            identities = _identities(fields.get("wa_id"), fields.get("user_id"))
            name = _mapping(fields.get("profile")).get("name")
            cleaned = clean_text(name).strip()[:200] if isinstance(name, str) else ""
            if identities:
                self._entries.append((identities, cleaned or None))

    def complete(self, named: tuple[Identity, ...]) -> tuple[tuple[Identity, ...], str | None]:
        """Add the other names of the contact that shares one with `named`.

        A message that names nobody belongs to the contact, if there is exactly one.
        """
        if not named:
            return self._entries[0] if len(self._entries) == 1 else ((), None)
        canonicals = {identity.canonical for identity in named}
        for identities, name in self._entries:
            if any(identity.canonical in canonicals for identity in identities):
                more = tuple(i for i in identities if i not in named)
                return named + more, name
        return named, None


def _identities(*values: object) -> tuple[Identity, ...]:
    found = (wa_identity(text) for value in values if (text := id_text(value)))
    return tuple(dict.fromkeys(found))


class _Reader:
    """Walks one delivery and counts positions."""

    def __init__(self, received_at: datetime) -> None:
        self._received_at = received_at
        self._position = -1

    def _next(self) -> int:
        self._position += 1
        return self._position

    def other(self, account: str, kind: str, raw: object) -> Other:
        return Other(self._next(), account, clean_text(kind)[:80], dumps(raw))

    def change(self, change: object) -> Iterator[Item]:
        value = change.get("value") if isinstance(change, dict) else None
        if not isinstance(value, dict):
            yield self.other("", "unexpected change", change)
            return
        account = id_text(_mapping(value.get("metadata")).get("phone_number_id")) or ""
        contacts = _Contacts(value.get("contacts"))
        # By content, not by `field`: a change that lost its name loses no message.
        sections: tuple[tuple[str, Callable[[Any], Iterator[Item]]], ...] = (
            ("messages", lambda item: self._message(account, contacts, item)),
            ("message_echoes", lambda item: self._echo(account, contacts, item)),
            ("history", lambda item: self._history(account, contacts, item)),
            ("statuses", lambda item: self._status(account, item)),
            ("errors", lambda item: iter((self.other(account, "error", item),))),
        )
        found = False
        for name, read in sections:
            for item in _items(value.get(name)):
                found = True
                yield from read(item)
        if not found:
            label = _mapping(change).get("field")
            yield self.other(account, f"field {label}" if isinstance(label, str) else "no items", change)

    def _message(self, account: str, contacts: _Contacts, item: object) -> Iterator[Item]:
        fields = _mapping(item)
        named = _identities(fields.get("from"), fields.get("from_user_id"), fields.get("user_id"))
        system = _mapping(fields.get("system"))
        renamed = _identities(*(system.get(n) for n in ("wa_id", "new_wa_id", "user_id", "new_user_id")))
        identities, name = contacts.complete(named)
        known = tuple(dict.fromkeys(identities + renamed))
        yield self._as_message(account, known, item, "user", "message", name)

    def _echo(self, account: str, contacts: _Contacts, item: object) -> Iterator[Item]:
        fields = _mapping(item)
        identities, _ = contacts.complete(_identities(fields.get("to"), fields.get("to_user_id")))
        yield self._as_message(account, identities, item, "assistant", "echo", None)

    def _history(self, account: str, contacts: _Contacts, chunk: object) -> Iterator[Item]:
        threads = _items(_mapping(chunk).get("threads"))
        if not threads:
            yield self.other(account, "history without threads", chunk)
        for thread in threads:
            fields = _mapping(thread)
            identities, name = contacts.complete(_identities(fields.get("id"), fields.get("user_id")))
            user = {identity.canonical for identity in identities}
            messages = _items(fields.get("messages"))
            if not messages:
                yield self.other(account, "history without messages", thread)
            for item in messages:
                sender = _identities(_mapping(item).get("from"), _mapping(item).get("from_user_id"))
                by_user = any(identity.canonical in user for identity in sender)
                role: Role = "user" if by_user or not sender else "assistant"
                yield self._as_message(account, identities, item, role, "history", name)

    def _as_message(
        self,
        account: str,
        identities: tuple[Identity, ...],
        item: object,
        role: Role,
        origin: Origin,
        name: str | None,
    ) -> Item:
        if not isinstance(item, dict):
            return self.other(account, f"unexpected {origin}", item)
        if group := id_text(item.get("group_id")):
            identities, name = (Identity("group", group, f"group:{group}"),), None
        if not identities:
            return self.other(account, f"{origin} without sender", item)
        kind = message_type(item)
        status = _mapping(item.get("history_context")).get("status")
        return Message(
            position=self._next(),
            phone_number_id=account,
            identities=identities,
            role=role,
            origin=origin,
            provider_id=id_text(item.get("id")),
            provider_time=provider_time(item.get("timestamp"), self._received_at),
            type=kind,
            text=message_text(item, kind),
            new_text=edited_text(item) if kind == "edit" else None,
            reply_to=_refers_to(item, kind),
            profile_name=name if role == "user" else None,
            status=clean_text(status).lower()[:40] if isinstance(status, str) else None,
            raw_json=dumps(item),
        )

    def _status(self, account: str, item: object) -> Iterator[Item]:
        fields = _mapping(item)
        provider_id, status = id_text(fields.get("id")), fields.get("status")
        if not provider_id or not isinstance(status, str) or not status.strip():
            yield self.other(account, "unexpected status", item)
            return
        recipient = _identities(fields.get("recipient_id"), fields.get("recipient_user_id"))
        yield Status(
            position=self._next(),
            phone_number_id=account,
            provider_id=provider_id,
            status=clean_text(status).strip().lower()[:40],
            time=provider_time(fields.get("timestamp"), self._received_at),
            recipient=recipient[0].canonical if recipient else None,
            raw_json=dumps(item),
        )


def _refers_to(message: Mapping[str, Any], kind: str) -> str | None:
    """Name the message this one answers, reacts to, edits or revokes."""
    content = _mapping(message.get(kind))
    return (
        id_text(content.get("message_id"))
        or id_text(content.get("original_message_id"))
        or id_text(message.get("original_message_id"))
        or id_text(_mapping(message.get("context")).get("id"))
    )

"""Reading a webhook delivery: its messages, statuses and other items, each with its position.

What belongs here: the structure of deliveries, the identities (names) of a correspondent, and the provider's
time formats. What does not: storing items, and the text of a message (webhook_message_types).

A delivery may have any structure. An item that is neither a message nor a status becomes an `Other` with its
raw JSON. No content of a delivery makes this module raise an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from whatsapp_pipeline.domain.phone_texts import plain_phone_text
from whatsapp_pipeline.domain.phones import is_lid, parse_phone, without_mobile_prefix
from whatsapp_pipeline.domain.webhook_json import clean_text, dumps, id_text, loads
from whatsapp_pipeline.domain.webhook_message_types import (
    edited_text,
    error_reasons,
    message_text,
    message_type,
)

Role: TypeAlias = Literal["user", "assistant", "system"]
Origin: TypeAlias = Literal["message", "echo", "history"]
IdentityKind: TypeAlias = Literal["wa_id", "user_id", "group"]

# WhatsApp has existed since 2009. A time more than five minutes ahead comes from a wrong clock. A message
# with such a time would be the newest of its conversation until then.
_EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=5)
_BRAZILIAN_MOBILE = re.compile(r"55([1-9][1-9])9?([6-9]\d{7})")
_USER_ID = re.compile(r"[A-Z]{2}\.\S+")
_NOT_DIGITS = re.compile(r"\D")
# A number or a user id in the text of a notice: `changed from 5541… to 5541…`.
_NAME = re.compile(r"(?<![\w.])(?:[A-Z]{2}\.(?:ENT\.)?\w+|\d{8,15})(?!\w)", re.ASCII)
# Some senders write a number with the name of its server.
_SERVER = re.compile(r"(?<=\d)(?:[.:_]\d+)*@(?:s\.whatsapp\.net|c\.us)", re.ASCII)
_PHONE_SHAPE = re.compile(r"[\d\s()+.\-]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """One name of a correspondent: `value` is verbatim, `canonical` is the same for all its variants."""

    kind: IdentityKind
    value: str
    canonical: str

    @property
    def phone_key(self) -> str | None:
        """The phone key that contacts use for this number; None for a user id, group or service number."""
        if self.kind != "wa_id":
            return None
        phone = parse_phone("+" + _NOT_DIGITS.sub("", self.canonical))
        return phone.key if phone else None


@dataclass(frozen=True, slots=True)
class Renaming:
    """The old names of a correspondent, and the new names that replace them."""

    old: tuple[Identity, ...]
    new: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class DeliveredMessage:
    """One message of a delivery. `text` is never empty.

    `identities` name the conversation; they are empty only inside an `Unaddressed`. `sender` is the author.
    In a group, the conversation is the group and the author is one of its members. `key` identifies an item
    that has no wamid (message id of the provider) but whose content identifies it.
    """

    position: int
    phone_number_id: str
    identities: tuple[Identity, ...]
    role: Role
    origin: Origin
    provider_id: str | None
    provider_time: datetime | None
    type: str
    text: str
    new_text: str | None  # for an edit: the new text of the edited message
    reply_to: str | None
    profile_name: str | None
    status: str | None
    raw_json: str
    sender: Identity | None = None
    sender_name: str | None = None
    renaming: Renaming | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """One status of a message; it may arrive before that message.

    In a group each participant has a status, and `participant` is their canonical identity. Otherwise it is
    None.
    """

    position: int
    phone_number_id: str
    provider_id: str
    status: str
    time: datetime | None
    recipient: str | None
    raw_json: str
    participant: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """Any other item, with its JSON as it was received."""

    position: int
    phone_number_id: str
    kind: str
    raw_json: str


@dataclass(frozen=True, slots=True)
class Unaddressed(Other):
    """A message of the staff that names no recipient, such as a medium of the history.

    Its placeholder in a thread of the history names the conversation. `message` has no identities.
    """

    message: DeliveredMessage


Item: TypeAlias = DeliveredMessage | Status | Other


def wa_identity(value: str) -> Identity:
    """Read a `from` or `wa_id`: a phone (with or without its ninth digit), a user id or a LID.

    All variants of a Brazilian, Mexican or Argentinian mobile number get one canonical form. Other numbers
    are not changed. A LID (privacy identifier) is a user id, never a phone.
    """
    if _USER_ID.fullmatch(value):
        return Identity("user_id", value, f"id:{value}")
    value = _SERVER.sub("", value)
    plain = plain_phone_text(value)
    if is_lid(plain):
        digits = _NOT_DIGITS.sub("", plain.partition(":")[0])
        return Identity("user_id", value, f"id:{digits}")
    if not _PHONE_SHAPE.fullmatch(plain) or not (digits := _NOT_DIGITS.sub("", plain)):
        return Identity("wa_id", value, f"wa:{value}")
    mobile = _BRAZILIAN_MOBILE.fullmatch(digits)
    canonical = f"55{mobile[1]}{mobile[2]}" if mobile else without_mobile_prefix(digits)
    return Identity("wa_id", value, f"wa:{canonical}")


def preference(identity: Identity) -> tuple[int, int, str]:
    """Return the sort key for choosing a conversation's name: a phone first, the longer variant first."""
    return (identity.kind == "user_id", -len(identity.value), identity.value)


def provider_time(value: object, received_at: datetime) -> datetime | None:
    """Read a timestamp in seconds or milliseconds, as a string or a number.

    Returns None for any other value, and for a time before 2009 or more than five minutes after
    `received_at`.
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e14:
        return None
    seconds = value / 1000 if value >= 1e11 else value
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment if _EARLIEST <= moment <= received_at + _AHEAD else None


def read_delivery(payload: object, received_at: datetime) -> Iterator[Item]:
    """Yield every item of a decoded delivery, in order; the same body always gives the same positions."""
    reader = _DeliveryReader(received_at)
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
    yield from reader.rest()


def read_unaddressed(account: str, kind: str, raw_json: str, received_at: datetime) -> Unaddressed | None:
    """Read a stored `Unaddressed` again from its event; None if the event is something else.

    The event does not have the business's number. That number was one of the sender's names, so each name is
    tried.
    """
    item = loads(raw_json.encode())
    section = "message_echoes" if kind.startswith("echo") else "messages"
    field = "history" if kind.startswith("history") else section
    for name in _SENDER:
        if (number := _mapping(item).get(name)) is None:
            continue
        value = {"metadata": {"phone_number_id": account, "display_phone_number": number}, section: [item]}
        payload = {"entry": [{"changes": [{"field": field, "value": value}]}]}
        found = list(read_delivery(payload, received_at))
        if len(found) == 1 and isinstance(found[0], Unaddressed):
            return found[0]
    return None


def _items(value: object) -> list[Any]:
    """Return the items of a list; a single value in place of the list counts as its only item."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class _Contacts:
    """The `contacts` of one change: the names that belong to one correspondent, without the business."""

    def __init__(self, value: object, business: frozenset[str]) -> None:
        self._entries: list[tuple[tuple[Identity, ...], str | None]] = []
        for contact in _items(value):
            fields = _mapping(contact)
            identities = _identities(*(fields.get(name) for name in ("wa_id", "user_id", "parent_user_id")))
            name = _mapping(fields.get("profile")).get("name")
            cleaned = clean_text(name).strip()[:200] if isinstance(name, str) else ""
            if identities and not any(identity.canonical in business for identity in identities):
                self._entries.append((identities, cleaned or None))

    def complete(
        self, named: tuple[Identity, ...], *, alone: bool = False
    ) -> tuple[tuple[Identity, ...], str | None]:
        """Return `named` with the other names of the contact that shares one of them, and its profile name.

        A message without names belongs to the change's only contact, if there is exactly one. `alone` means
        that all messages of the change have one sender. The only contact is then the sender, even if `from`
        and `wa_id` differ. In that case only the profile name is used; the numbers are not joined.
        """
        if not named:
            return self._entries[0] if len(self._entries) == 1 else ((), None)
        canonicals = {identity.canonical for identity in named}
        for identities, name in self._entries:
            if any(identity.canonical in canonicals for identity in identities):
                more = tuple(i for i in identities if i not in named)
                return named + more, name
        return named, self._entries[0][1] if alone and len(self._entries) == 1 else None


def _identities(*values: object) -> tuple[Identity, ...]:
    found = (wa_identity(text) for value in values if (text := id_text(value)))
    return tuple(dict.fromkeys(found))


_SENDER = ("from", "from_user_id", "from_parent_user_id", "user_id", "parent_user_id")
_RECIPIENT = ("to", "to_user_id", "to_parent_user_id")
# Parts of a change's value that describe the change; every other part contains items.
_NO_ITEMS = frozenset({"messaging_product", "metadata", "contacts"})
# Types of messages that WhatsApp itself writes: about a correspondent, or because one opened the chat.
_SYSTEM_TYPES = frozenset({"system", "request_welcome"})


@dataclass(frozen=True, slots=True)
class _Change:
    """The values that all items of one change share."""

    account: str
    business: frozenset[str]
    contacts: _Contacts
    one_sender: bool
    # The errors of the change if it has exactly one message, because they belong to that message then.
    errors: tuple[Any, ...]

    def is_business(self, identities: tuple[Identity, ...]) -> bool:
        """Return whether one of the names is the business's own number."""
        return any(identity.canonical in self.business for identity in identities)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """The conversation, sender, role and origin of one item of a change."""

    identities: tuple[Identity, ...]
    role: Role
    origin: Origin
    name: str | None = None
    sender: tuple[Identity, ...] = ()
    renaming: Renaming | None = None
    key: str | None = None


class _DeliveryReader:
    """Reads the items of one delivery and numbers them."""

    def __init__(self, received_at: datetime) -> None:
        self._received_at = received_at
        self._position = -1
        self._unknown: list[tuple[str, str, object]] = []

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
        field = _mapping(change).get("field")
        shared = _shared(value)
        read_messages = self._history_message if field == "history" else self._message
        # The sections decide, not `field`, so that a change without `field` loses no message.
        sections: Mapping[str, Callable[[_Change, Any], Iterator[Item]]] = {
            "messages": read_messages,
            "message_echoes": self._echo,
            "history": self._history,
            "statuses": self._status,
            "user_id_update": self._user_id_update,
            "user_preferences": self._user_preference,
            "errors": lambda shared, item: iter((self.other(shared.account, "error", item),)),
        }
        found = False
        for name, read in sections.items():
            for item in _items(value.get(name)):
                found = True
                yield from read(shared, item)
        if not found:
            yield self.other(
                shared.account, f"field {field}" if isinstance(field, str) else "no items", change
            )
            return
        for name in value:
            if name not in sections and name not in _NO_ITEMS:
                self._unknown += [(shared.account, f"section {name}", item) for item in _items(value[name])]

    def rest(self) -> Iterator[Item]:
        """Yield the unknown sections that were found beside known ones.

        They come after all other items of the delivery, so that they do not change those items' positions.
        """
        for account, kind, item in self._unknown:
            yield self.other(account, kind, item)

    def _message(self, shared: _Change, item: object) -> Iterator[Item]:
        fields = _mapping(item)
        sender = _identities(*(fields.get(name) for name in _SENDER))
        if shared.is_business(sender):
            yield self._from_business(shared, item, "echo", ())
            return
        identities, name = shared.contacts.complete(sender, alone=shared.one_sender)
        renaming = _number_change(fields, sender or identities)
        if renaming is not None:
            identities = tuple(dict.fromkeys(identities + renaming.old + renaming.new))
        role: Role = "system" if message_type(fields) in _SYSTEM_TYPES else "user"
        said = _Spoken(identities, role, "message", name, sender or identities, renaming)
        yield self._as_message(shared, item, said)

    def _echo(self, shared: _Change, item: object) -> Iterator[Item]:
        fields = _mapping(item)
        sender = _identities(*(fields.get(name) for name in _SENDER))
        to = _identities(*(fields.get(name) for name in _RECIPIENT))
        if sender and shared.is_business(to) and not shared.is_business(sender):
            # A customer sent this message to the business, although it is among the echoes.
            identities, name = shared.contacts.complete(sender)
            yield self._as_message(shared, item, _Spoken(identities, "user", "echo", name, sender))
            return
        yield self._from_business(shared, item, "echo", ())

    def _from_business(
        self, shared: _Change, item: object, origin: Origin, thread: tuple[Identity, ...]
    ) -> Item:
        """Read a message of the staff; its recipient names the conversation."""
        fields = _mapping(item)
        to = _identities(*(fields.get(name) for name in _RECIPIENT)) or thread
        identities, _ = shared.contacts.complete(to)
        if shared.is_business(identities):
            return self.other(shared.account, f"{origin} to the business itself", item)
        return self._as_message(shared, item, _Spoken(identities, "assistant", origin))

    def _history_message(self, shared: _Change, item: object) -> Iterator[Item]:
        """Read a message of a history change outside the threads, such as media that are sent later."""
        yield self._of_history(shared, item, (), None)

    def _history(self, shared: _Change, chunk: object) -> Iterator[Item]:
        threads = _items(_mapping(chunk).get("threads"))
        if not threads:
            yield self.other(shared.account, "history without threads", chunk)
        for thread in threads:
            fields = _mapping(thread)
            context = _mapping(fields.get("context"))
            named = (
                fields.get("id"),
                fields.get("wa_id"),
                fields.get("user_id"),
                fields.get("parent_user_id"),
            )
            more = (context.get("wa_id"), context.get("user_id"), context.get("parent_user_id"))
            # Some threads have the business's number in place of the customer's. The customer is then the
            # sender of messages.
            others = (i for i in _identities(*named, *more) if i.canonical not in shared.business)
            identities, name = shared.contacts.complete(tuple(others))
            messages = _items(fields.get("messages"))
            if not messages:
                yield self.other(shared.account, "history without messages", thread)
            for item in messages:
                yield self._of_history(shared, item, identities, name)

    def _of_history(
        self, shared: _Change, item: object, thread: tuple[Identity, ...], name: str | None
    ) -> Item:
        fields = _mapping(item)
        sender = _identities(*(fields.get(field) for field in _SENDER))
        in_thread = {identity.canonical for identity in thread}
        by_user = any(identity.canonical in in_thread for identity in sender)
        # If the business's number is unknown, a sender who is not the thread's customer is staff.
        is_staff = shared.is_business(sender) or (
            bool(thread) and bool(sender) and not by_user and not shared.business
        )
        if is_staff:
            return self._from_business(shared, item, "history", thread)
        if not thread:
            thread, name = shared.contacts.complete(sender, alone=shared.one_sender)
        identities = tuple(dict.fromkeys((*thread, *sender)))
        renaming = _number_change(fields, sender or identities)
        if renaming is not None:
            identities = tuple(dict.fromkeys(identities + renaming.old + renaming.new))
        role: Role = "system" if message_type(fields) in _SYSTEM_TYPES else "user"
        said = _Spoken(identities, role, "history", name, sender or identities, renaming)
        return self._as_message(shared, item, said)

    def _user_id_update(self, shared: _Change, item: object) -> Iterator[Item]:
        """Read the change of a correspondent's user id as a notice in their conversation."""
        fields = _mapping(item)
        old, new = (
            _identities(
                *(
                    _mapping(fields.get(name)).get(key)
                    for name in ("user_id", "parent_user_id")
                    for key in keys
                ),
                *(fields.get(f"{key}_{name}") for name in ("user_id", "parent_user_id") for key in keys),
            )
            for keys in (("previous", "old"), ("current", "new"))
        )
        plain = _identities(
            *(fields.get(name) for name in ("wa_id", "from", "user_id", "parent_user_id", "from_user_id"))
        )
        identities, _ = shared.contacts.complete(tuple(dict.fromkeys(plain + old + new)))
        names = ">".join(",".join(identity.canonical for identity in side) for side in (old, new))
        key = f"user_id_update:{names}:{id_text(fields.get('timestamp')) or ''}" if old and new else None
        notice = {**fields, "type": "user_id_update", "user_id_update": _mapping(item)}
        said = _Spoken(identities, "system", "message", renaming=Renaming(old, new), key=key)
        yield self._as_message(shared, notice, said)

    def _user_preference(self, shared: _Change, item: object) -> Iterator[Item]:
        """Read what a correspondent wants to receive, such as no more marketing, as a notice."""
        if not isinstance(item, dict):
            yield self.other(shared.account, "unexpected preference", item)
            return
        fields = _mapping(item)
        named = _identities(*(fields.get(name) for name in ("wa_id", "user_id", "parent_user_id")))
        identities, _ = shared.contacts.complete(named)
        values = [id_text(fields.get(name)) for name in ("category", "value", "timestamp")]
        names = ",".join(identity.canonical for identity in identities[:1])
        key = f"user_preferences:{names}:{':'.join(map(str, values))}" if all(values) else None
        notice = {**fields, "type": "user_preferences", "user_preferences": fields}
        yield self._as_message(shared, notice, _Spoken(identities, "system", "message", key=key))

    def _as_message(self, shared: _Change, item: object, said: _Spoken) -> Item:
        if not isinstance(item, dict):
            return self.other(shared.account, f"unexpected {said.origin}", item)
        identities, profile_name = said.identities, said.name if said.role == "user" else None
        if group := id_text(item.get("group_id")):
            identities, profile_name = (Identity("group", group, f"group:{group}"),), None
        provider_id = id_text(item.get("id"))
        if not identities and (said.role != "assistant" or provider_id is None):
            return self.other(shared.account, f"{said.origin} without sender", item)
        kind = message_type(item)
        shown = {**item, "errors": list(shared.errors)} if shared.errors and "errors" not in item else item
        status = _mapping(item.get("history_context")).get("status")
        message = DeliveredMessage(
            position=self._next(),
            phone_number_id=shared.account,
            identities=identities,
            role=said.role,
            origin=said.origin,
            provider_id=provider_id,
            provider_time=provider_time(item.get("timestamp"), self._received_at),
            type=kind,
            text=message_text(shown, kind),
            new_text=edited_text(item) if kind == "edit" else None,
            reply_to=_refers_to(item, kind),
            profile_name=profile_name,
            status=clean_text(status).lower()[:40] if isinstance(status, str) else None,
            raw_json=dumps(item),
            sender=said.sender[0] if said.sender and said.role != "assistant" else None,
            sender_name=said.name if said.role != "assistant" else None,
            renaming=said.renaming,
            key=said.key,
        )
        if identities:
            return message
        return Unaddressed(
            message.position, shared.account, f"{said.origin} without sender", message.raw_json, message
        )

    def _status(self, shared: _Change, item: object) -> Iterator[Item]:
        fields = _mapping(item)
        provider_id, status = id_text(fields.get("id")), fields.get("status")
        if not provider_id or not isinstance(status, str) or not status.strip():
            yield self.other(shared.account, "unexpected status", item)
            return
        subject = fields.get("type")
        if isinstance(subject, str) and subject.strip().lower() not in ("", "message"):
            # This status is about a call or a payment, not about the delivery of a message.
            yield self.other(shared.account, f"{subject} status", item)
            return
        recipient = _identities(
            *(fields.get(f"recipient_{name}") for name in ("id", "user_id", "parent_user_id"))
        )
        group = id_text(fields.get("recipient_id")) if fields.get("recipient_type") == "group" else None
        participant = _identities(
            *(fields.get(f"recipient_participant_{name}") for name in ("id", "user_id", "parent_user_id"))
        )
        yield Status(
            position=self._next(),
            phone_number_id=shared.account,
            provider_id=provider_id,
            status=clean_text(status).strip().lower()[:40],
            time=provider_time(fields.get("timestamp"), self._received_at),
            recipient=f"group:{group}" if group else recipient[0].canonical if recipient else None,
            raw_json=dumps(item),
            participant=participant[0].canonical if participant else None,
            reason=error_reasons(fields),
        )


def _shared(value: Mapping[str, Any]) -> _Change:
    metadata = _mapping(value.get("metadata"))
    business = frozenset(identity.canonical for identity in _identities(metadata.get("display_phone_number")))
    senders = {
        _identities(*(_mapping(item).get(name) for name in _SENDER)) for item in _items(value.get("messages"))
    }
    return _Change(
        id_text(metadata.get("phone_number_id")) or "",
        business,
        _Contacts(value.get("contacts"), business),
        len(senders) == 1,
        tuple(_items(value.get("errors"))) if len(_items(value.get("messages"))) == 1 else (),
    )


_NEW_NAMES = ("wa_id", "new_wa_id", "user_id", "new_user_id", "parent_user_id", "new_parent_user_id")
_OLD_NAMES = (
    "customer",
    *(f"{age}_{name}" for age in ("old", "previous") for name in ("wa_id", "user_id", "parent_user_id")),
)


def _number_change(fields: Mapping[str, Any], sender: tuple[Identity, ...]) -> Renaming | None:
    """Read a notice that a correspondent changed their number or id; None for any other message.

    The sender is usually the old number. If a provider gives the new number as sender, the old number is read
    from the text of the notice. The new one is read from it if the notice has no field for it.
    """
    system = _mapping(fields.get("system"))
    new = _identities(*(system.get(name) for name in _NEW_NAMES))
    old = _identities(*(system.get(name) for name in _OLD_NAMES))
    written = _changed_names(system)
    known = {identity.canonical for identity in sender + old}
    if not new and len(written) == 2 and written[0].canonical in known:
        new = written[1:]
    canonicals = {identity.canonical for identity in new}
    old = tuple(identity for identity in dict.fromkeys(sender + old) if identity.canonical not in canonicals)
    if new and not old:
        old = tuple(identity for identity in written[:1] if identity.canonical not in canonicals)
    return Renaming(old, new) if new and old else None


def _changed_names(system: Mapping[str, Any]) -> tuple[Identity, ...]:
    """Return the names in the text of a notice that somebody changed them, the old one first."""
    body, kind = system.get("body"), system.get("type")
    if not isinstance(body, str) or (isinstance(kind, str) and "identity" in kind):
        return ()
    return tuple(wa_identity(name) for name in _NAME.findall(body))


def _refers_to(message: Mapping[str, Any], kind: str) -> str | None:
    """Return the id of the message that this one answers, reacts to, edits or revokes."""
    content = _mapping(message.get(kind))
    return (
        id_text(content.get("message_id"))
        or id_text(content.get("original_message_id"))
        or id_text(message.get("original_message_id"))
        or id_text(_mapping(message.get("context")).get("id"))
    )

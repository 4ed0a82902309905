"""Finding one person in texts and webhook deliveries, and removing only this person's data.

What belongs here: finding the places where a delivery or a text names a person, and replacing the names. What
does not: the person to look for (the caller passes a test of names) and where data is stored (store, steps).

A name here is a canonical identity of domain/conversations.py (`wa:554199990000`, `id:BR.…`), or
`wa:xx99990000` for a number without an area code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from whatsapp_pipeline.domain.conversations import wa_identity
from whatsapp_pipeline.domain.phone_spans import find_phone_spans
from whatsapp_pipeline.domain.titles import parse_file_name
from whatsapp_pipeline.domain.vocabulary import fold_ascii
from whatsapp_pipeline.domain.webhook_json import id_text

NameTest: TypeAlias = Callable[[str], bool]

ERASED = "[apagado]"
# Fields of an item that may look like a number but name no person, except the `id` of a history thread.
_NO_PERSON = frozenset({"timestamp", "id", "message_id", "phone_number_id", "display_phone_number"})
# Lists of a delivery. A provider may send a single object in place of such a list.
_SECTIONS = frozenset(
    {
        "messages",
        "message_echoes",
        "history",
        "threads",
        "statuses",
        "errors",
        "contacts",
        "calls",
        "state_sync",
        "user_preferences",
        "contact",
    }
)
_USER_ID = re.compile(r"\b[A-Z]{2}\.[\w.\-]+")
# Fields of an item whose objects name the item's person: an entry of the address book, the numbers of a
# shared contact, a change of id.
_CARD_FIELDS = ("contact", "phones", "user_id", "parent_user_id", "wa_id")

# Objects inside an item or around items. A number in one of them does not mean that the whole object is about
# that person.
_PARTS = frozenset(
    {
        "context",
        "metadata",
        "text",
        "system",
        "error_data",
        "interactive",
        "button",
        "image",
        "audio",
        "video",
        "document",
        "sticker",
        "location",
        "order",
        "reaction",
        "referral",
        "edit",
        "revoke",
        "message",
    }
)
_NAME_FIELDS = frozenset(
    {
        "name",
        "full_name",
        "first_name",
        "last_name",
        "formatted_name",
        "display_name",
        "profile_name",
        "customer_name",
        "contact_name",
        "sender_name",
        "pushname",
        "push_name",
        "notify",
        "username",
        "nome",
        "profile",
    }
)
_PARTICLES = frozenset({"de", "da", "do", "das", "dos", "del", "la"})
_LETTER = re.compile(r"[^\W\d_]")


class Cleaned(NamedTuple):
    """A value without the person, the items that were removed from it, and whether anything changed."""

    value: object
    removed: list[object]
    changed: bool


def name_of_key(phone_key: str) -> str:
    """Return the canonical identity of a phone key in webhooks."""
    if phone_key.startswith("+"):
        return f"wa:{phone_key[1:]}"
    return f"wa:{phone_key}" if phone_key.startswith("xx") else f"wa:55{phone_key}"


def names_in_text(text: str) -> Iterator[str]:
    """Yield the names of all identities that a number in a text may be."""
    for span in find_phone_spans(text):
        yield from map(name_of_key, span.keys)


def names_in_path(path: str) -> Iterator[str]:
    """Yield the names of all identities that a number in an archive path may be, except times."""
    for part in path.split("/"):
        named = parse_file_name(part)
        yield from names_in_text(part if named is None else named.title)


def name_words(text: str) -> frozenset[str]:
    """Return the words of a full name in the form for comparison; empty for a name of one word.

    Many people have the same single name, so one word does not identify a person.
    """
    words = frozenset(re.findall(r"[a-z]{2,}", fold_ascii(text))) - _PARTICLES
    return words if len(words) > 1 else frozenset()


def scrub_value(value: object, is_person: NameTest) -> object:
    """Return a JSON value with the person's numbers replaced by `ERASED` in all its texts."""
    if isinstance(value, dict):
        return {key: scrub_value(child, is_person) for key, child in value.items()}
    if isinstance(value, list):
        return [scrub_value(child, is_person) for child in value]
    return scrub_text(value, is_person) if isinstance(value, str) else value


def scrub_text(text: str, is_person: NameTest) -> str:
    """Replace the person's numbers, in any written form, and user ids in a text by `ERASED`."""
    places = [
        place
        for span in find_phone_spans(text)
        for key in span.keys
        if is_person(name_of_key(key))
        for place in span.places(key)
    ]
    scrubbed, end = "", 0
    for start, stop in sorted(places):
        if start >= end:
            scrubbed += text[end:start] + ERASED
        end = max(end, stop)
    scrubbed += text[end:]
    return _USER_ID.sub(lambda match: ERASED if is_person(f"id:{match[0]}") else match[0], scrubbed)


def without_person(payload: object, is_person: NameTest) -> Cleaned:
    """Return the payload without the person.

    An item that names the person is removed: a contact, a message, a status, a call, an entry of an address
    book, or a history thread. null replaces the item, so that the positions of the other items, which
    identify them, do not change. An object of unknown structure is also removed if one of its fields is the
    person's number, or if it has a name and one of its parts is about the person only. In the rest, `ERASED`
    replaces the person's numbers.
    """
    removed: list[object] = []
    is_changed = False

    def clean(value: object, section: str = "") -> object:
        nonlocal is_changed
        if isinstance(value, dict):
            is_known_part = section in _PARTS or not section
            if not is_known_part and (
                _is_about(value, is_person) or (section not in _SECTIONS and _has_name_of(value, is_person))
            ):
                removed.append(value)
                return None
            return {str(clean(key)): _cleaned_field(key, child) for key, child in value.items()}
        if isinstance(value, list):
            return [_cleaned_item(child) for child in value]
        text = str(value)  # a phone may also be a JSON number
        scrubbed = scrub_text(text, is_person)
        if scrubbed == text:
            return value
        is_changed = True
        return scrubbed

    def _cleaned_field(key: str, child: object) -> object:
        return child if key in _NO_PERSON and not isinstance(child, dict | list) else clean(child, key)

    def _cleaned_item(child: object) -> object:
        if isinstance(child, dict) and (_is_about(child, is_person) or _has_name_of(child, is_person)):
            removed.append(child)
            return None
        return clean(child)

    rest = clean(payload)
    return Cleaned(rest, removed, is_changed or bool(removed))


def _is_about(item: dict[str, object], is_person: NameTest) -> bool:
    return any(is_person(name) for name in _names_of(item))


def _has_name_of(value: dict[str, object], is_person: NameTest) -> bool:
    """Return whether an object has a field for a name, and a part that is about the person only."""
    if _NAME_FIELDS.isdisjoint(value):
        return False
    parts = [child for key, child in value.items() if key not in _PARTS]
    return any(isinstance(part, dict | list) and _is_about_alone(part, is_person) for part in parts)


def _is_about_alone(part: object, is_person: NameTest) -> bool:
    if isinstance(part, dict):
        return _is_about(part, is_person) or any(
            isinstance(child, dict | list) and _is_about_alone(child, is_person)
            for key, child in part.items()
            if key not in _PARTS
        )
    if isinstance(part, list):
        return bool(part) and all(_is_about_alone(entry, is_person) for entry in part)
    text = id_text(part)
    return text is not None and any(map(is_person, _names_of_value(text)))


def _names_of(item: dict[str, object]) -> Iterator[str]:
    """Yield the canonical identities that an item's own fields give."""
    for key, value in item.items():
        if isinstance(value, dict | list):
            if key in _CARD_FIELDS:
                yield from _names_of_card(value)
            continue
        # The id of a history thread is its person; the id of any other item is that of a message.
        if key in _NO_PERSON and not (key == "id" and isinstance(item.get("messages"), list | dict)):
            continue
        if (text := id_text(value)) is not None:
            yield from _names_of_value(text)


def _names_of_value(text: str) -> Iterator[str]:
    """Yield the identities of a value that consists only of a user id or a number."""
    if len(text) >= len("AA.1"):
        yield wa_identity(text).canonical
        if not _LETTER.search(text):
            yield from names_in_text(text)


def _names_of_card(value: object) -> Iterator[str]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            for text in map(id_text, entry.values()):
                if text is not None:
                    yield wa_identity(text).canonical
                    yield from names_in_text(text)

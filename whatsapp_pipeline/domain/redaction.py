"""Finding a person in texts and in webhook deliveries that hold others too, and taking them out.

What belongs here: where a delivery or a text names somebody, and what is put in their place. What does not:
who is looked for (a test of names that the caller has) and where data is kept (store, steps).

A name is a canonical identity of domain/conversations.py (`wa:554199990000`, `id:BR.…`), or `wa:xx99990000`
for a number without an area code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from whatsapp_pipeline.domain.conversations import wa_identity
from whatsapp_pipeline.domain.phone_spans import find_phone_spans
from whatsapp_pipeline.domain.titles import parse_file_name
from whatsapp_pipeline.domain.vocabulary import fold
from whatsapp_pipeline.domain.webhook_json import id_text

NameTest: TypeAlias = Callable[[str], bool]

ERASED = "[apagado]"
# Fields of an item that are numbers and never a person.
_NO_PERSON = frozenset({"timestamp", "id", "message_id", "phone_number_id", "display_phone_number"})
# Lists of a delivery whose items may be sent as one object in the list's place.
_SECTIONS = frozenset({
    "messages", "message_echoes", "history", "threads", "statuses", "errors", "contacts", "calls",
    "state_sync", "user_preferences", "contact",
})  # fmt: skip
_USER_ID = re.compile(r"\b[A-Z]{2}\.[\w.\-]+")
# Objects of an item that speak of its person, one level further down: a card of the address book, the numbers
# of a shared contact, a change of id.
_CARD_FIELDS = ("contact", "phones", "user_id", "parent_user_id", "wa_id")

# Objects inside an item or around items: a number in one of them says nothing about the rest of it.
_PARTS = frozenset({
    "context", "metadata", "text", "system", "error_data", "interactive", "button", "image", "audio", "video",
    "document", "sticker", "location", "order", "reaction", "referral", "edit", "revoke", "message",
})  # fmt: skip
_NAME_FIELDS = frozenset({
    "name", "full_name", "first_name", "last_name", "formatted_name", "display_name", "profile_name",
    "customer_name", "contact_name", "sender_name", "pushname", "push_name", "notify", "username", "nome",
    "profile",
})  # fmt: skip
_PARTICLES = frozenset({"de", "da", "do", "das", "dos", "del", "la"})
_LETTER = re.compile(r"[^\W\d_]")


class Cleaned(NamedTuple):
    """A value without the person, the items that were taken out of it, and whether anything changed."""

    value: object
    removed: list[object]
    changed: bool


def name_of_key(phone_key: str) -> str:
    """Return the canonical identity under which webhooks know a phone key."""
    if phone_key.startswith("+"):
        return f"wa:{phone_key[1:]}"
    return f"wa:{phone_key}" if phone_key.startswith("xx") else f"wa:55{phone_key}"


def names_in_text(text: str) -> Iterator[str]:
    """Yield every name that the numbers in a text may be."""
    for span in find_phone_spans(text):
        yield from map(name_of_key, span.keys)


def names_in_path(path: str) -> Iterator[str]:
    """Yield every name that the numbers in an archive path may be; the time in a file's name is none."""
    for part in path.split("/"):
        named = parse_file_name(part)
        yield from names_in_text(part if named is None else named.title)


def name_words(text: str) -> frozenset[str]:
    """Return the words of a person's full name as they compare; empty for a single word, which many share."""
    words = frozenset(re.findall(r"[a-z]{2,}", fold(text))) - _PARTICLES
    return words if len(words) > 1 else frozenset()


def scrub_value(value: object, is_person: NameTest) -> object:
    """Return a JSON value in whose texts the person's numbers are replaced by `ERASED`."""
    if isinstance(value, dict):
        return {key: scrub_value(child, is_person) for key, child in value.items()}
    if isinstance(value, list):
        return [scrub_value(child, is_person) for child in value]
    return scrub_text(value, is_person) if isinstance(value, str) else value


def scrub_text(text: str, is_person: NameTest) -> str:
    """Replace each spelling of the person's numbers and user ids in a text by `ERASED`."""
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

    An item is an object of a list that names the person: a contact, a message, a status, a call, an entry of
    an address book, a history thread. null stands in its place, so that the positions of the others, which
    identify them, stay as they were. An object of a shape nobody knows goes as well when a field of it is
    the person's number, or when it has a name and the number is further down. In what stays, the person's
    numbers are replaced by `ERASED`.
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
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            text = str(value)
            scrubbed = scrub_text(text, is_person)
            if scrubbed != text:
                is_changed = True
                return scrubbed
        return value

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
    """Return whether an object has a field for a name, and a part that is about the person alone."""
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
        # A history thread carries its person as its id; any other id is a message's.
        if key in _NO_PERSON and not (key == "id" and isinstance(item.get("messages"), list | dict)):
            continue
        if (text := id_text(value)) is not None:
            yield from _names_of_value(text)


def _names_of_value(text: str) -> Iterator[str]:
    """Yield the identities of a value that is a user id or a number and nothing else."""
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

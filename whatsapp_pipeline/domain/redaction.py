"""Finding one person in a delivery that holds others too, and taking them out."""

from __future__ import annotations

from collections.abc import Collection

from whatsapp_pipeline.domain.conversations import wa_identity
from whatsapp_pipeline.domain.webhook_json import id_text

# Where an item says whom it is from, to or about.
_PERSON_FIELDS = (
    "from", "to", "wa_id", "user_id", "parent_user_id", "from_user_id", "from_parent_user_id", "to_user_id",
    "to_parent_user_id", "recipient_id", "recipient_user_id", "recipient_parent_user_id",
    "recipient_participant_id", "recipient_participant_user_id", "recipient_participant_parent_user_id",
    "phone", "phone_number", "previous", "current",
)  # fmt: skip
# Objects of an item that speak of its person: a card of the address book, a change of id. `phones` is a list.
_PERSON_OBJECTS = ("contact", "user_id", "parent_user_id", "wa_id")


def without_person(payload: object, canonicals: Collection[str]) -> tuple[object, list[object]]:
    """Return the payload without the person known by these canonical identities, and what was taken out.

    An item is an object of a list that names the person: a contact, a message, a status, a history thread.
    null stands in its place, so that the positions of the others, which identify them, stay as they were.
    """
    removed: list[object] = []

    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {key: clean(child) for key, child in value.items()}
        if isinstance(value, list):
            about = [_is_about(child, canonicals) for child in value]
            removed.extend(child for child, taken in zip(value, about, strict=True) if taken)
            return [None if taken else clean(child) for child, taken in zip(value, about, strict=True)]
        return value

    return clean(payload), removed


def _is_about(item: object, canonicals: Collection[str]) -> bool:
    if not isinstance(item, dict):
        return False
    phones = item.get("phones")  # a shared contact: the whole card goes, with the name on it
    inner = [item.get(name) for name in _PERSON_OBJECTS] + (phones if isinstance(phones, list) else [])
    names = [part.get(name) for part in (item, *inner) if isinstance(part, dict) for name in _PERSON_FIELDS]
    if isinstance(item.get("messages"), list):  # a history thread carries its person as its id
        names.append(item.get("id"))
    texts = (id_text(name) for name in names)
    return any(text is not None and wa_identity(text).canonical in canonicals for text in texts)

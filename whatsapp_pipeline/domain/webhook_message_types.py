"""The text of a WhatsApp message of any type.

What belongs here: a text, never empty, for every known or unknown message type. What does not: the sender of
a message, and storing it. An object may have any structure; no content makes this module raise an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from whatsapp_pipeline.domain.webhook_json import UnreadableBodyError, clean_text, loads

# Types whose content is an object of the same name. A message without `type` is recognised by that object.
KNOWN_TYPES = (
    "text",
    "button",
    "image",
    "audio",
    "video",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "reaction",
    "order",
    "system",
    "unsupported",
    "edit",
    "revoke",
)
_EDITABLE = ("text", "image", "video", "document")
_MAX_TYPE_LENGTH = 40
_MAX_WORDS = 10_000  # characters of one message's text; raw_json has the rest
_MAX_ITEMS = 50
_MAX_DEPTH = 6
# Keys whose values mean nothing to a person.
_TECHNICAL = re.compile(r"(?:^|_)(?:ids?|type|url|sha256|timestamp|token|key|hash)$")
# Keys that hold text for people in an object of an unknown type.
_WORD_KEYS = frozenset(
    {
        "body",
        "text",
        "title",
        "description",
        "caption",
        "headline",
        "name",
        "formatted_name",
        "detail",
        "details",
        "reason",
        "question",
        "emoji",
        "address",
        "option_name",
        "message",
    }
)


def message_type(message: Mapping[str, Any]) -> str:
    """Return the declared type; without one, the name of the message's content, or `unknown`."""
    declared = message.get("type")
    if isinstance(declared, str) and (name := clean_text(declared).strip()[:_MAX_TYPE_LENGTH]):
        return name
    return next((name for name in KNOWN_TYPES if message.get(name) is not None), "unknown")


def message_text(message: Mapping[str, Any], kind: str) -> str:
    """Return the message as text: a text message unchanged, any other type as `[type: content]`.

    A message without content is its type alone, such as `[text]`.
    The advertisement or product that led to the message follows on a separate line.
    """
    led_here = [line for line in (_referral(message), _referred_product(message)) if line]
    return "\n".join([_own_text(message, kind), *led_here])


def _own_text(message: Mapping[str, Any], kind: str) -> str:
    content = message.get(kind)
    if kind == "text":
        body = _string(content.get("body")) if isinstance(content, Mapping) else _string(content)
        return body or "[text]"
    reasons = _reasons(message.get("errors"))
    if kind == "contacts":
        words = _shared_contacts(content)
    elif kind == "unsupported":
        declared = _string(content.get("type")) if isinstance(content, Mapping) else ""
        words = ": ".join(word for word in (declared, reasons) if word)
    elif isinstance(content, Mapping):
        words = _RENDERERS.get(kind, _words_or_values)(content)
    else:
        words = _string(content)
    words = words or reasons
    return f"[{kind}: {words[:_MAX_WORDS]}]" if words else f"[{kind}]"


def edited_text(message: Mapping[str, Any]) -> str | None:
    """Return the new text of the message that an edit changes; None if the edit does not contain one."""
    content = message.get("edit")
    edited = content.get("message") if isinstance(content, Mapping) else None
    if not isinstance(edited, Mapping):
        return None
    kind = message_type(edited)
    text = message_text(edited, kind)
    # Only texts and media can be edited, and a text message without words gives no new text.
    return text if kind in _EDITABLE and (kind, text) != ("text", "[text]") else None


def _string(value: object) -> str:
    """Return a string without stripping it; "" for a blank string or any other value."""
    return clean_text(value) if isinstance(value, str) and value.strip() else ""


def _media(fields: Mapping[str, Any]) -> str:
    words = (_string(fields.get("filename")), _string(fields.get("caption")))
    return " — ".join(word for word in words if word)


def _button(fields: Mapping[str, Any]) -> str:
    return _string(fields.get("text")) or _string(fields.get("payload"))


def _location(fields: Mapping[str, Any]) -> str:
    words = [word for word in (_string(fields.get("name")), _string(fields.get("address"))) if word]
    if words:
        return ", ".join(words)
    latitude, longitude = fields.get("latitude"), fields.get("longitude")
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        return f"{latitude:.5f}, {longitude:.5f}" if abs(latitude) <= 90 and abs(longitude) <= 180 else ""
    return ""


def _interactive(fields: Mapping[str, Any]) -> str:
    for name, render in _REPLIES.items():
        reply = fields.get(name)
        if isinstance(reply, Mapping):
            return render(reply)
    # An unknown kind of reply is shown with all its keys and values: `payment_method: pix`.
    kind = fields.get("type")
    return _any_words(fields) or _answers(fields.get(kind) if isinstance(kind, str) else None)


def _choice(reply: Mapping[str, Any]) -> str:
    return _joined(reply.get("title") or reply.get("id"), reply.get("description"))


def _flow_answers(reply: Mapping[str, Any]) -> str:
    """Return the answers of a flow as text; `response_json` is JSON inside a string, or any other value."""
    response: object = reply.get("response_json")
    if isinstance(response, str):
        try:
            response = loads(response.encode(errors="replace"))
        except UnreadableBodyError:
            response = _string(response) if re.search(r"\w", str(response)) else None
    if isinstance(response, Mapping):
        response = {key: value for key, value in response.items() if key != "flow_token"}
    return _answers(response) or _string(reply.get("body")) or _string(reply.get("name"))


def _answers(value: object, depth: int = 0) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, Mapping):
        pairs = [(str(key), _answers(child, depth + 1)) for key, child in list(value.items())[:_MAX_ITEMS]]
        return "; ".join(f"{clean_text(key)}: {words}" for key, words in pairs if words)
    if isinstance(value, list):
        return ", ".join(words for child in value[:_MAX_ITEMS] if (words := _answers(child, depth + 1)))
    return ""


def _call_permission(reply: Mapping[str, Any]) -> str:
    return (
        f"call permission {response}" if (response := _string(reply.get("response"))) else "call permission"
    )


def _any_words(fields: Mapping[str, Any]) -> str:
    """Return the texts for people in an object of any structure, in the object's order."""
    found: list[str] = []

    def walk(value: object, depth: int) -> None:
        if depth > _MAX_DEPTH or len(found) >= _MAX_ITEMS:
            return
        if isinstance(value, Mapping):
            for key, child in value.items():
                if isinstance(child, str):
                    if key in _WORD_KEYS and (words := _string(child)):
                        found.append(words)
                else:
                    walk(child, depth + 1)
        elif isinstance(value, list):
            for child in value:
                walk(child, depth + 1)

    walk(fields, 0)
    return " — ".join(dict.fromkeys(found))


def _words_or_values(fields: Mapping[str, Any]) -> str:
    """Return the texts for people in an object of an unknown type; if it has none, its other values."""
    if words := _any_words(fields):
        return words
    return _answers({key: value for key, value in fields.items() if not _TECHNICAL.search(str(key))})


def _shared_contacts(content: object) -> str:
    """Return shared contacts as text, each with its name, company, numbers and e-mail addresses.

    A provider may send a single contact in place of the list.
    """
    content = [content] if isinstance(content, Mapping) else content
    if not isinstance(content, list):
        return ""
    cards = [words for card in content[:_MAX_ITEMS] if isinstance(card, Mapping) and (words := _card(card))]
    if not cards:
        left = sum(card is not None for card in content)
        return str(left) if left else ""
    return "; ".join(cards)


def _card(card: Mapping[str, Any]) -> str:
    name = card.get("name")
    names = name if isinstance(name, Mapping) else {"formatted_name": name}
    full = _string(names.get("formatted_name")) or " ".join(
        word for key in ("first_name", "last_name") if (word := _string(names.get(key)))
    )
    org = card.get("org")
    company = _string(org.get("company")) if isinstance(org, Mapping) else ""
    numbers = [
        _string(phone.get("phone")) or _string(phone.get("wa_id")) for phone in _mappings(card.get("phones"))
    ]
    mails = [_string(mail.get("email")) for mail in _mappings(card.get("emails"))]
    return " ".join(word for word in (full, company, *numbers, *mails) if word)


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return (
        [item for item in value if isinstance(item, Mapping)][:_MAX_ITEMS] if isinstance(value, list) else []
    )


def _joined(*values: object) -> str:
    return " — ".join(word for value in values if (word := _string(value)))


def _reasons(errors: object) -> str:
    """Return the title, message and details of each error that the provider reports about the content."""
    reasons = []
    for error in _mappings(errors):
        data = error.get("error_data")
        details = data.get("details") if isinstance(data, Mapping) else error.get("details")
        words = dict.fromkeys(
            word for value in (error.get("title"), error.get("message"), details) if (word := _string(value))
        )
        reasons.append(" — ".join(words))
    return "; ".join(filter(None, dict.fromkeys(reasons)))


def error_reasons(item: Mapping[str, Any]) -> str | None:
    """Return the reasons in an item's `errors`; None when it has none."""
    return _reasons(item.get("errors"))[:_MAX_WORDS] or None


def _referral(message: Mapping[str, Any]) -> str:
    referral = message.get("referral")
    if not isinstance(referral, Mapping):
        return ""
    source = _string(referral.get("source_url")) or _string(referral.get("source_id"))
    words = _joined(referral.get("headline"), referral.get("body"), referral.get("source_type"), source)
    return f"[referral: {words[:_MAX_WORDS]}]" if words else ""


def _referred_product(message: Mapping[str, Any]) -> str:
    context = message.get("context")
    product = context.get("referred_product") if isinstance(context, Mapping) else None
    name = _string(product.get("product_retailer_id")) if isinstance(product, Mapping) else ""
    return f"[product: {name}]" if name else ""


def _reaction(fields: Mapping[str, Any]) -> str:
    return _string(fields.get("emoji")) or "removed"


def _order(fields: Mapping[str, Any]) -> str:
    items = fields.get("product_items")
    lines = [line for item in _mappings(items) if (line := _order_line(item))]
    count = f"{len(items)} items" if isinstance(items, list) else ""
    listed = "; ".join(lines) if lines and len(lines) == len(_items(items)) else "; ".join([*lines, count])
    return " — ".join(word for word in (_string(fields.get("text")), listed) if word)


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _order_line(item: Mapping[str, Any]) -> str:
    product = _string(item.get("name")) or _string(item.get("product_retailer_id"))
    quantity, price = _answers(item.get("quantity")), _answers(item.get("item_price"))
    words = f"{quantity} × {product}" if quantity and product else product
    cost = " ".join(word for word in (price, _string(item.get("currency"))) if word)
    return ", ".join(word for word in (words, cost) if word)


def _system(fields: Mapping[str, Any]) -> str:
    return _string(fields.get("body"))


def _preferences(fields: Mapping[str, Any]) -> str:
    return _string(fields.get("detail")) or " ".join(
        word for key in ("category", "value") if (word := _string(fields.get(key)))
    )


def _edit(fields: Mapping[str, Any]) -> str:
    edited = fields.get("message")
    return (
        message_text(edited, kind)
        if isinstance(edited, Mapping) and (kind := message_type(edited)) != "edit"
        else ""
    )


_RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys(("image", "audio", "video", "document", "sticker"), _media),
    "button": _button,
    "location": _location,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
    "system": _system,
    "edit": _edit,
    "user_preferences": _preferences,
}
_REPLIES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "button_reply": _choice,
    "list_reply": _choice,
    "nfm_reply": _flow_answers,
    "call_permission_reply": _call_permission,
}

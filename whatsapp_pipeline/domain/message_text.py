"""What a WhatsApp message of any type reads like as text.

What belongs here: `text`, never empty, for every message type there is or will be. What does not: who sent
it, and storing it. Objects arrive in any shape; nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from whatsapp_pipeline.domain.webhook_json import clean_text

# Types whose content is an object of the same name; also how a message that lost its `type` is recognised.
KNOWN_TYPES = (
    "text", "button", "image", "audio", "video", "document", "sticker", "location", "contacts",
    "interactive", "reaction", "order", "system", "unsupported", "edit", "revoke",
)  # fmt: skip
_EDITABLE = ("text", "image", "video", "document")
_MAX_TYPE_LENGTH = 40


def message_type(message: Mapping[str, Any]) -> str:
    """Name the type: what the message says, else the content it carries, else `unknown`."""
    declared = message.get("type")
    if isinstance(declared, str) and (name := clean_text(declared).strip()[:_MAX_TYPE_LENGTH]):
        return name
    return next((name for name in KNOWN_TYPES if message.get(name) is not None), "unknown")


def message_text(message: Mapping[str, Any], kind: str) -> str:
    """Render the message as text: a text as itself, anything else as `[kind: what it says]`."""
    content = message.get(kind)
    if kind == "text":
        body = _string(content.get("body")) if isinstance(content, Mapping) else _string(content)
        return body or "[text]"
    if kind == "contacts":
        return f"[contacts: {len(content)}]" if isinstance(content, list) and content else "[contacts]"
    fields = content if isinstance(content, Mapping) else {}
    render = _RENDERERS.get(kind)
    words = render(fields) if render else ""
    return f"[{kind}: {words}]" if words else f"[{kind}]"


def edited_text(message: Mapping[str, Any]) -> str | None:
    """Render what an edit makes of the message it speaks of; None where it does not say."""
    content = message.get("edit")
    edited = content.get("message") if isinstance(content, Mapping) else None
    if not isinstance(edited, Mapping):
        return None
    kind = message_type(edited)
    text = message_text(edited, kind)
    # A text or a medium: nothing else can be edited, and a text without words says nothing.
    return text if kind in _EDITABLE and (kind, text) != ("text", "[text]") else None


def _string(value: object) -> str:
    """Return a string stripped of nothing but emptiness: blank counts as absent."""
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
    for name in ("button_reply", "list_reply", "nfm_reply"):
        reply = fields.get(name)
        if isinstance(reply, Mapping):
            return _string(reply.get("title")) or _string(reply.get("body")) or _string(reply.get("name"))
    return ""


def _reaction(fields: Mapping[str, Any]) -> str:
    return _string(fields.get("emoji")) or "removed"


def _order(fields: Mapping[str, Any]) -> str:
    items = fields.get("product_items")
    return f"{len(items)} items" if isinstance(items, list) else ""


def _system(fields: Mapping[str, Any]) -> str:
    return _string(fields.get("body"))


def _edit(fields: Mapping[str, Any]) -> str:
    edited = fields.get("message")
    return message_text(edited, kind) if isinstance(edited, Mapping) and (
        kind := message_type(edited)
    ) != "edit" else ""  # fmt: skip


_RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys(("image", "audio", "video", "document", "sticker"), _media),
    "button": _button,
    "location": _location,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
    "system": _system,
    "edit": _edit,
}

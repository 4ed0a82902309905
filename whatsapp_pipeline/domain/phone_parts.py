"""Converting a part of a phone, as a user types it into a search box, to the digits of phone keys.

What belongs here: the conversion. What does not: reading a whole phone (phones.py), and the lookup
(store/contacts/directory.py).

The key of a Brazilian number consists of the area code and the last eight digits. So the conversion removes
the country code, the trunk zero and the ninth digit. In a part of a number, a 9 may or may not be the ninth
digit; the conversion then returns both readings.
"""

from __future__ import annotations

import re

_SHORTEST, _LONGEST = 4, 15
# Text before a number that is no part of it: a label, or the beginning of a link to a WhatsApp chat. In
# "0xx41" the trunk zero and a carrier come before the area code.
_BEFORE = re.compile(
    r"^\s*(?:(?:https?://)?wa\.me/|(?:telefone|tel|celular|cel|fone|whatsapp|whats|zap)\b[.:]?)?\s*(?:\(?0xx)?",
    re.IGNORECASE,
)


def phone_key_parts(text: str) -> list[str]:
    """Return the digit sequences that a matching phone key may contain; `[]` if the text is no phone part."""
    text = _BEFORE.sub("", text, count=1)
    if re.search(r"[^\d\s()+.\-/]", text):
        return []
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 12 and digits.startswith("55"):
        digits = digits[2:]
    if len(digits) >= 11:
        digits = digits.lstrip("0")
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return []
    if len(digits) == 11 and digits[2] == "9":
        return [digits[:2] + digits[3:]]
    parts = []
    for part in (digits, digits.lstrip("0")):
        parts.append(part)
        if part.startswith("9"):
            parts.append(part[1:])
        if len(part) >= 6 and part[2] == "9":
            parts.append(part[:2] + part[3:])
    return sorted({part for part in parts if len(part) >= _SHORTEST})

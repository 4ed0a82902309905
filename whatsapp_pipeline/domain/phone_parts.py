"""Part of a phone as somebody types it into a search box, folded to what phones' keys contain.

What belongs here: the folding. What does not: reading a whole phone (phones.py), and the lookup
(store/contacts/directory.py).

A key has the area code and the last eight digits of a Brazilian number, so the country code, the trunk zero
and the ninth digit are taken away. Whether a 9 is the ninth digit can't be known of a part: both readings are
given.
"""

from __future__ import annotations

import re

_SHORTEST, _LONGEST = 4, 15


def phone_key_parts(text: str) -> list[str]:
    """Return the digits that the key of a phone with this part may contain; `[]` for other text."""
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

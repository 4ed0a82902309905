"""A phonetic key for Brazilian names: variants that sound alike have the same key.

What belongs here: rules of sound (Thiago/Tiago, Luiz/Luís, Wagner/Vagner, Souza/Sousa, Kauã/Cauã). What does
not: nicknames and typing errors.
"""

from __future__ import annotations

import re

# Applied in this order, each to the result of the one before.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^h|(?<=[^cslnp])h(?=[aeiouy])|h$", ""),  # mute h, but not in ch, sh, lh, nh, ph
        (r"ph", "f"),
        (r"^s(?=[tpckm])", "is"),  # Stefani/Estefani
        (r"ch(?=r)", "k"),
        (r"ch|sh|sch", "x"),
        (r"th", "t"),
        (r"lh", "li"),
        (r"nh", "ni"),
        (r"h(?=[^aeiouy])", ""),
        (r"y|e", "i"),  # Felipe/Filipe: unstressed e and i
        (r"w", "v"),
        (r"o", "u"),  # Manoel/Manuel
        (r"s?c(?=i)|sc$", "s"),
        (r"qu(?=i)|ck|[qck]", "k"),
        (r"g(?=i)", "j"),
        (r"gu(?=i)", "g"),
        (r"z", "s"),
        (r"m(?=[^aiu]|$)", "n"),
        (r"(.)\1+", r"\1"),
        (r"h", ""),
    )
)


def phonetic_key(word: str) -> str:
    """Return the key of a folded word: `thiago` and `tiago` → `tiagu`. A word with digits is its own key."""
    if not word.isalpha():
        return word
    key = word
    for pattern, replacement in _RULES:
        key = pattern.sub(replacement, key)
    return key

"""A phonetic key for Brazilian names: spellings that sound alike get the same key.

What belongs here: the folding of sounds (Thiago/Tiago, Luiz/Luís, Wagner/Vagner, Souza/Sousa, Kauã/Cauã).
What does not: nicknames and typing errors, which are no matter of sound.
"""

from __future__ import annotations

import re

# In order: each rule sees what the ones before it left.
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
    """Return the sound of a folded word: `thiago` and `tiago` → `tiagu`; numbers come back unchanged."""
    if not word.isalpha():
        return word
    key = word
    for pattern, replacement in _RULES:
        key = pattern.sub(replacement, key)
    return key

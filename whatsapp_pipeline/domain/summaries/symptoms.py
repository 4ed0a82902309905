"""Faults of a device, as customers describe them: "não liga", "está com a tela quebrada".

What belongs here: finding the symptoms of `symptoms.toml`. What does not: topics and devices (topics.py).
"""

from __future__ import annotations

import tomllib
from functools import cache
from hashlib import sha256
from importlib.resources import files

from whatsapp_pipeline.domain.summaries.patterns import Matcher, parse_pattern

_TEXT = files(__package__).joinpath("symptoms.toml").read_text(encoding="utf-8")
SYMPTOMS_DIGEST = sha256(_TEXT.encode()).hexdigest()[:16]
# Said of every defect, so nothing beside a closer word.
VAGUE = "parou de funcionar"
# Not a symptom: the message is about more than one device of a kind, so nothing says which has which.
SEVERAL = "são vários"


@cache
def _symptoms() -> tuple[tuple[str, ...], Matcher]:
    entries: list[list[str]] = tomllib.loads(_TEXT)["symptoms"]
    patterns = [
        parse_pattern(pattern, number) for number, (_, *found) in enumerate(entries) for pattern in found
    ]
    return tuple(entry[0] for entry in entries), Matcher(patterns)


def read_symptoms(forms: list[str]) -> tuple[str, ...]:
    """Return the symptoms that a message cut into tokens describes, in the file's order."""
    names, matcher = _symptoms()
    found = sorted({pattern.payload for pattern, _, _ in matcher.find(forms)})
    symptoms = tuple(names[number] for number in found)
    return tuple(one for one in symptoms if one != VAGUE) or symptoms

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
# A general symptom, which is left out beside a more specific one.
VAGUE = "parou de funcionar"
# This is no symptom. It means that the message is about several devices of a kind, so it is not known which
# has which fault.
SEVERAL = "são vários"


@cache
def _symptoms() -> tuple[tuple[str, ...], Matcher]:
    entries: list[list[str]] = tomllib.loads(_TEXT)["symptoms"]
    patterns = [
        parse_pattern(pattern, number) for number, (_, *found) in enumerate(entries) for pattern in found
    ]
    return tuple(entry[0] for entry in entries), Matcher(patterns)


# Faults of something other than the device: "Molhou até o tapete", "a trava da porta".
_WETTED = frozenset({"ate", "tudo", "chao", "piso", "tapete", "parede", "moveis"})
_ARTICLES = frozenset({"a", "as", "da", "das", "na", "uma"})


def _is_of_another(forms: list[str], at: int, end: int) -> bool:
    """Return whether a word of a fault is about an object that got wet, or about the lock of a door."""
    if forms[at] == "molhou" and end == at + 1:
        return not _WETTED.isdisjoint(forms[end : end + 2])
    if forms[at] == "linha" and forms[at + 1 : at + 2] == ["branca"]:
        return True  # "linha branca": appliances
    if forms[at].startswith("trav") and at > 0 and forms[at - 1] in {"nao", "nem"}:
        return True  # "o encosto não trava": a lock that does not hold
    return forms[at] == "trava" and at > 0 and forms[at - 1] in _ARTICLES


def read_symptoms(forms: list[str]) -> tuple[str, ...]:
    """Return the symptoms in the tokens of a message, in the order of the file."""
    names, matcher = _symptoms()
    found = sorted(
        {pattern.payload for pattern, at, end in matcher.find(forms) if not _is_of_another(forms, at, end)}
    )
    symptoms = tuple(names[number] for number in found)
    return tuple(one for one in symptoms if one != VAGUE) or symptoms

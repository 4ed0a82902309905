"""The phrases of `phrases.toml`, compiled.

What belongs here: reading that file. What does not: the phrases themselves, and the meaning of a match
(the modules `*_rules`).
"""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from importlib.resources import files

_TEXT = files(__package__).joinpath("phrases.toml").read_text(encoding="utf-8")
_TABLE = tomllib.loads(_TEXT)
# This hash makes the pipeline analyse all texts again when a phrase changes.
PHRASES_DIGEST = sha256(_TEXT.encode()).hexdigest()[:16]


def phrase_pattern(name: str) -> re.Pattern[str]:
    """Return a list of phrases as one pattern. Each phrase begins at the start of a word."""
    return re.compile(r"\b(?:" + "|".join(map(filled, _TABLE["phrases"][name])) + ")")


def filled(phrase: str) -> str:
    """Return an expression in which each name is replaced by its words from the section [words]."""
    words: dict[str, str] = _TABLE["words"]
    for name, alternatives in words.items():
        phrase = phrase.replace(f"{{{name}}}", alternatives)
    return phrase


def trigger(name: str) -> re.Pattern[str]:
    """Return the pattern of the words that a kind needs."""
    return re.compile(_TABLE["triggers"][name])


def short_forms() -> dict[str, str]:
    """Return the short forms of words in chats, with the word for each."""
    entries = (entry.partition("=") for entry in _TABLE["spelling"]["short"].split())
    return {written: word for word, _, spellings in entries for written in spellings.split(",")}


def needed_words() -> frozenset[str]:
    """Return the words that are also found if they are mistyped."""
    return frozenset(_TABLE["spelling"]["needed"].split())


def around_amounts(name: str) -> str:
    """Return a list of words beside amounts, as alternatives of an expression."""
    return "|".join(_TABLE["amounts"][name])

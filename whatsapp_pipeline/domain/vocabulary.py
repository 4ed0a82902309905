"""The words of a repair shop: devices, brands, and words that people use when an order opens or closes.

What belongs here: finding the words in a text. What does not: the words (`vocabulary.toml`), and the weight
of a match (domain/matching/).

Every message of an archive is searched, so a vocabulary is one expression that groups its phrases by their
first letter. For a word that begins no phrase, the regex engine then tries some twenty letters and not all
phrases. Columns of texts are first searched by polars, with an expression of the same phrases.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from operator import itemgetter

_DATA = tomllib.loads((files(__package__) / "vocabulary.toml").read_text(encoding="utf-8"))


def fold_ascii(text: str) -> str:
    """Return `text` in lower case, without accents and non-ASCII characters: `Orçamento` → `orcamento`."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()


def _expression(phrase: str) -> str:
    """Return an expression for a phrase. A hyphen or nothing may be in the place of each space."""
    # The separators \x1c to \x1f are spaces in Python, but not in polars.
    return re.escape(phrase).replace(r"\ ", r"[\s\x1c-\x1f-]?")


class Finder:
    """Finds the phrases of a vocabulary in a text and returns their keys.

    `expression` extracts words from a folded text, which may have capitals: `find` finds the same in these
    words as in the text. It is for polars, whose regex engine (Rust) has no look-around.
    """

    def __init__(self, *groups: Mapping[str, Sequence[str]]) -> None:
        keys: dict[str, list[str]] = {}
        for group in groups:
            for key, phrases in group.items():
                for phrase in phrases:
                    keys.setdefault(phrase, []).append(key)
        # Longest first within a letter, so that "macbook air" is not read as "macbook" and a rest. A digit
        # may follow a phrase ("iphone11"), a letter may not: "notebooks" is listed, "notebookshop" is not.
        ordered = sorted(keys, key=lambda phrase: (phrase[0], -len(phrase), phrase))
        body = "|".join(
            f"{re.escape(letter)}(?:{'|'.join(_expression(phrase[1:]) for phrase in phrases)})"
            for letter, phrases in groupby(ordered, key=itemgetter(0))
        )
        self.pattern = re.compile(rf"(?<![a-z0-9])(?:{body})(?![a-z])")
        # A digit may follow. Any other character belongs to the next word, which begins with a character that
        # is not a letter. An underscore counts as a letter there, so the expression takes the rest after it.
        self.expression = rf"(?i)(?:^|[^a-z0-9])(?:{body})(?:[0-9]|(?-u:\b{{end-half}})|_(?s:.)*)"
        self._spaces = re.compile(r"[\s-]+")
        self._keys = {phrase.replace(" ", ""): tuple(names) for phrase, names in keys.items()}

    def find(self, text: str) -> list[str]:
        """Return the keys found in `text`, each once, in order of appearance."""
        found: dict[str, None] = {}
        for match in self.pattern.finditer(fold_ascii(text)):
            for key in self._keys[self._spaces.sub("", match.group())]:
                found[key] = None
        return list(found)


DEVICE_FINDER = Finder(_DATA["devices"], _DATA["brands"])
STAGE_FINDER = Finder(_DATA["stages"])
_TITLE_WORDS = Finder(_DATA["devices"], _DATA["brands"], _DATA["work"])

BRANDS: frozenset[str] = frozenset(_DATA["brands"])
DEVICES: Mapping[str, Sequence[str]] = _DATA["devices"]
"""The folded phrases of each type of device, for modules that have their own names for devices."""


def find_devices(text: str) -> list[str]:
    """Return the devices and brands named in `text` (`["notebook", "dell"]`), each once, in order."""
    return DEVICE_FINDER.find(text)


def find_stages(text: str) -> list[str]:
    """Return `"opening"` and `"closing"` if `text` has words for them, each once, in order."""
    return STAGE_FINDER.find(text)


def find_title_words(folded: str) -> list[tuple[int, int]]:
    """Return the spans of words about devices and work in a folded title, which are not part of a name."""
    return [match.span() for match in _TITLE_WORDS.pattern.finditer(folded)]

"""The words of a repair shop: devices, brands, and words said when an order opens or closes.

What belongs here: finding them in a text. The words themselves stand in `vocabulary.toml`. What does not:
what a match of them is worth (domain/matching/).

Both functions run on every message of an archive: a text is cut into words once, and only one that holds
the beginning of a known word or phrase is searched for phrases.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.resources import files

_DATA = tomllib.loads((files(__package__) / "vocabulary.toml").read_text(encoding="utf-8"))
_WORD = re.compile(r"[a-z0-9]+")


def fold(text: str) -> str:
    """Lower `text` and drop its accents and everything that is not ASCII: `Orçamento` → `orcamento`."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()


class _Finder:
    """Finds the phrases of a vocabulary in a text and names their keys."""

    def __init__(self, *groups: Mapping[str, Sequence[str]]) -> None:
        keys: dict[str, list[str]] = {}
        for group in groups:
            for key, phrases in group.items():
                for phrase in phrases:
                    keys.setdefault(phrase, []).append(key)
        self._keys = {phrase: tuple(names) for phrase, names in keys.items()}
        self._first_words = frozenset(phrase.split()[0] for phrase in keys)
        # Longest first, so that "macbook air" is not read as "macbook" and a rest; digits may follow a
        # letter ("iphone11", "ps4") but a letter may not ("notebooks" is listed, "notebookshop" is not).
        longest = sorted(keys, key=lambda phrase: (-len(phrase), phrase))
        body = "|".join(re.escape(phrase).replace(r"\ ", r"[\s-]?") for phrase in longest)
        self.pattern = re.compile(rf"(?<![a-z0-9])(?:{body})(?![a-z])")
        self._spaces = re.compile(r"[\s-]+")
        self._squeezed = {phrase.replace(" ", ""): names for phrase, names in self._keys.items()}

    def find(self, text: str) -> list[str]:
        """Return the keys found in `text`, each once, in order of appearance."""
        folded = fold(text)
        words = _WORD.findall(folded)
        if self._first_words.isdisjoint(words) and self._first_words.isdisjoint(
            [word.rstrip("0123456789") for word in words if word[-1] <= "9"]
        ):
            return []
        found: dict[str, None] = {}
        for match in self.pattern.finditer(folded):
            for key in self._squeezed[self._spaces.sub("", match.group())]:
                found[key] = None
        return list(found)


_DEVICES = _Finder(_DATA["devices"], _DATA["brands"])
_STAGES = _Finder(_DATA["stages"])
_TITLE_WORDS = _Finder(_DATA["devices"], _DATA["brands"], _DATA["work"])

BRANDS: frozenset[str] = frozenset(_DATA["brands"])
DEVICE_TYPES: frozenset[str] = frozenset(_DATA["devices"])


def find_devices(text: str) -> list[str]:
    """Return the devices and brands named in `text` (`["notebook", "dell"]`), each once, in order."""
    return _DEVICES.find(text)


def find_stages(text: str) -> list[str]:
    """Return `"opening"` and `"closing"` as the words of `text` suggest, each once, in order."""
    return _STAGES.find(text)


def find_title_words(folded: str) -> list[tuple[int, int]]:
    """Return the spans of words about devices and work in a folded title: what is no part of a name."""
    return [match.span() for match in _TITLE_WORDS.pattern.finditer(folded)]

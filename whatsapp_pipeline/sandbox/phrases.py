"""The sentences of `phrases.toml`, read once.

What belongs here: loading them. What does not: the sentences themselves, and in which order they come
(`dialogue`).
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, Final


def _load() -> dict[str, Any]:
    return tomllib.loads(files("whatsapp_pipeline.sandbox").joinpath("phrases.toml").read_text("utf-8"))


_ALL: Final = _load()

POOLS: Final[dict[str, tuple[str, ...]]] = {name: tuple(pool) for name, pool in _ALL["pools"].items()}
"""Sentences that stand alone, by the moment of a conversation they fit: `c_…` customer, `s_…` staff."""

PAIRS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    name: tuple((said, answer) for said, answer in pairs) for name, pairs in _ALL["pairs"].items()
}
"""What a customer says and what staff answers, by the moment they fit."""

CHAINS: Final[tuple[tuple[tuple[str, str], ...], ...]] = tuple(
    tuple((turn[0], turn[3:]) for turn in chain) for chain in _ALL["chains"]["all"]
)
"""Exchanges that can stand anywhere: (who, sentence) in turn, c = customer, s = staff."""

ENCRYPTION: Final[str] = _ALL["encryption"]
DELETED: Final[str] = _ALL["deleted"]
PASTED: Final[str] = _ALL["pasted"]
DASHES: Final[tuple[str, ...]] = tuple(_ALL["dashes"])

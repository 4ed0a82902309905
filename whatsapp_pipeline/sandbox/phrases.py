"""The sentences of `phrases.toml`, loaded once.

What belongs here: loading. What does not: the sentences, and their order in a conversation (`dialogue`).
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, Final


def _load() -> dict[str, Any]:
    return tomllib.loads(files("whatsapp_pipeline.sandbox").joinpath("phrases.toml").read_text("utf-8"))


_ALL: Final = _load()

POOLS: Final[dict[str, tuple[str, ...]]] = {name: tuple(pool) for name, pool in _ALL["pools"].items()}
"""Moment of a conversation (`c_…` customer, `s_…` staff) → single sentences."""

PAIRS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    name: tuple((said, answer) for said, answer in pairs) for name, pairs in _ALL["pairs"].items()
}
"""Moment of a conversation → sentences of a customer with the answer of staff."""

CHAINS: Final[tuple[tuple[tuple[str, str], ...], ...]] = tuple(
    tuple((turn[0], turn[3:]) for turn in chain) for chain in _ALL["chains"]["all"]
)
"""Exchanges that fit anywhere: sequences of (who, sentence), c = customer, s = staff."""

ENCRYPTION: Final[str] = _ALL["encryption"]
DELETED: Final[str] = _ALL["deleted"]
PASTED: Final[str] = _ALL["pasted"]
DASHES: Final[tuple[str, ...]] = tuple(_ALL["dashes"])

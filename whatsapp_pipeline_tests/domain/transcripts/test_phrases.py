"""The phrases of the language files, each found as its file writes it."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from whatsapp_pipeline.domain.transcripts import languages
from whatsapp_pipeline.domain.transcripts.phrases import fold_phrase, phrases

FILES = sorted(path.name for path in files(languages).iterdir() if path.name.endswith(".toml"))
FILLINGS = ("Ana", "+55 41 99999-0000", "1", "“a b”")


@pytest.mark.parametrize("name", FILES)
def test_looking_for_a_notices_words_first_finds_what_the_patterns_find(name: str) -> None:
    table = phrases()
    sections = tomllib.loads(files(languages).joinpath(name).read_text(encoding="utf-8"))["notifications"]
    for phrase in (phrase for found in sections.values() for phrase in found):
        for filling in FILLINGS:
            text = phrase.replace("*", filling)
            for written in (text, f"\u200e{text}.", text.upper(), text.replace(" ", "\u00a0", 1)):
                match = table.notification_patterns.fullmatch(fold_phrase(written).removesuffix("."))
                assert table.notification(written) == (match.lastgroup if match else None), written


@pytest.mark.parametrize("name", FILES)
def test_every_phrase_of_a_file_is_known_with_and_without_a_full_stop(name: str) -> None:
    table = phrases()
    data = tomllib.loads(files(languages).joinpath(name).read_text(encoding="utf-8"))
    for kind in ("encryption", "group", "system"):
        for phrase in data["notifications"].get(kind, ()):
            text = phrase.replace("*", "Ana").removesuffix(".")
            assert {table.notification(text), table.notification(f"{text}.")} <= {
                "group",
                "system",
                "encryption",
            }
    for phrase in data["texts"].get("deleted", ()):
        assert table.type_of_text(fold_phrase(phrase.replace("*", "Ana"))) == "deleted", phrase
    for kind, found in data["omitted"].items():
        assert {table.type_of_text(fold_phrase(phrase)) for phrase in found} <= {kind, "media"}, kind

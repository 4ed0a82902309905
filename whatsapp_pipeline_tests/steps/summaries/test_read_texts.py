"""Reading with a helper process gives what reading alone gives, also when the helper dies."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from whatsapp_pipeline.domain.summaries.text_reading import MessageReader
from whatsapp_pipeline.steps.summaries.read_texts import TextReader
from whatsapp_pipeline_tests.truth.text_accuracy import HELDOUT_TOPICS, read_pairs

TEXTS = [text for _, text in read_pairs(HELDOUT_TOPICS)]
ALONE = [MessageReader().read(text) for text in TEXTS]


def test_with_and_without_a_helper() -> None:
    with TextReader(None) as alone, TextReader(None, spread_from=0) as helped:
        assert alone.read(TEXTS) == helped.read(TEXTS) == helped.read(TEXTS) == ALONE
        assert helped.read([]) == []


@pytest.mark.parametrize(("cores", "helpers"), [(None, 0), (1, 0), (2, 1), (8, 1)])
def test_a_helper_works_where_there_are_cores_and_texts_for_it(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, helpers: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    me = psutil.Process()
    before = len(me.children())
    with TextReader(None, spread_from=3) as reader:
        reader.read(["oi", "quanto fica?"])
        assert len(me.children()) == before
        reader.read(["oi"])
        assert len(me.children()) == before + helpers
    assert len(me.children()) == before


def test_a_helper_that_dies_costs_no_reading(tmp_path: Path) -> None:
    taxonomy = tmp_path / "taxonomy.toml"
    taxonomy.write_text('[[topics]]\nname = "x"\nstrong = ["pix"]\n', encoding="utf-8")
    with TextReader(taxonomy, spread_from=0) as helped:
        taxonomy.unlink()  # the helper cannot start, this process has read it
        assert helped.read(["aceita pix?", "oi"])[0].topics == ("x",)

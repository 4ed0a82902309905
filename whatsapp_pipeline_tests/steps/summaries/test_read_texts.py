"""Reading with a helper process gives what reading alone gives, also when the helper dies."""

from __future__ import annotations

from pathlib import Path

from whatsapp_pipeline.domain.summaries.text_reading import MessageReader
from whatsapp_pipeline.steps.summaries.read_texts import TextReader
from whatsapp_pipeline_tests.truth.text_accuracy import HELDOUT_TOPICS, read_pairs

TEXTS = [text for _, text in read_pairs(HELDOUT_TOPICS)]
ALONE = [MessageReader().read(text) for text in TEXTS]


def test_with_and_without_a_helper() -> None:
    with TextReader(None) as alone, TextReader(None, worth=0) as helped:
        assert alone.read(TEXTS) == helped.read(TEXTS) == helped.read(TEXTS) == ALONE
        assert helped.read([]) == []


def test_a_helper_that_dies_costs_no_reading(tmp_path: Path) -> None:
    taxonomy = tmp_path / "taxonomy.toml"
    taxonomy.write_text('[[topics]]\nname = "x"\nstrong = ["pix"]\n', encoding="utf-8")
    with TextReader(taxonomy, worth=0) as helped:
        taxonomy.unlink()  # the helper cannot start, this process has read it
        assert helped.read(["aceita pix?", "oi"])[0].topics == ("x",)

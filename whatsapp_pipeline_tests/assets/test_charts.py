"""Charts in metadata: every number is in them, and Dagster shows them without a click."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import pytest

from whatsapp_pipeline.assets.charts import SHOWN_AT_ONCE, bars


def texts(markdown: str | None) -> list[str]:
    found = re.fullmatch(r"!\[by status\]\(data:image/svg\+xml;base64,(.+)\)", markdown or "")
    assert found, markdown
    tree = ElementTree.fromstring(base64.b64decode(found[1]))
    return [element.text or "" for element in tree.iter() if element.tag.endswith("text")]


def test_each_value_has_its_label_and_number() -> None:
    assert texts(bars("by status", {"a <b": 1200, "c": 0}).value) == ["a <b 1,200", "c 0"]
    assert texts(bars("by status", {}).value) == []


@pytest.mark.parametrize("count", [3, 8, 30])
def test_a_chart_is_short_enough_to_be_shown_at_once_and_keeps_the_sum(count: int) -> None:
    chart = bars("by status", {f"linked: method_{n:02}": 1000 - n for n in range(count)}).value
    assert chart is not None
    assert len(chart) < SHOWN_AT_ONCE
    numbers = [int(text.rpartition(" ")[2].replace(",", "")) for text in texts(chart)]
    assert sum(numbers) == sum(1000 - n for n in range(count))
    assert len(numbers) >= min(count, 8)

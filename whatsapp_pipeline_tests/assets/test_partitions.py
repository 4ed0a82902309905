"""Months as people write them."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.assets.partitions import MONTHS, month_ranges, parse_months
from whatsapp_pipeline.errors import PipelineError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01", ["2025-01"]),
        ("2025-01..2025-03", ["2025-01", "2025-02", "2025-03"]),
        ("2025-03,2025-01", ["2025-01", "2025-03"]),
        ("2025-01..2025-02, 2025-05", ["2025-01", "2025-02", "2025-05"]),
        ("all", ["2025-02", "2025-04"]),
    ],
)
def test_months(text: str, expected: list[str]) -> None:
    assert parse_months(text, ["2025-04", "2025-02"]) == expected


@pytest.mark.parametrize("text", ["", "2025", "2025-1", "2025-13", "2025-03..2025-01", "2025-01..", "jan"])
def test_what_is_no_month_is_named(text: str) -> None:
    with pytest.raises(PipelineError, match="is not a month or a range"):
        parse_months(text, [])


def test_a_month_outside_the_partitions_names_the_setting() -> None:
    with pytest.raises(PipelineError, match="FIRST_MONTH"):
        parse_months("2019-12", [])


def test_ranges_break_at_gaps() -> None:
    months = ["2025-01", "2025-02", "2025-05", "2025-12", "2026-01"]
    assert month_ranges(months) == [("2025-01", "2025-02"), ("2025-05", "2025-05"), ("2025-12", "2026-01")]
    assert month_ranges([]) == []


def test_the_current_month_has_a_partition() -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    assert MONTHS.get_last_partition_key() == datetime.now(ZoneInfo("America/Sao_Paulo")).strftime("%Y-%m")

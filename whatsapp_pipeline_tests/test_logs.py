"""Log lines: short text, or one JSON object a line."""

from __future__ import annotations

import io
import json
import logging

import pytest

from whatsapp_pipeline.logs import PipelineHandler


def _line(record: logging.LogRecord) -> str:
    handler = PipelineHandler()
    stream = io.StringIO()
    handler.setStream(stream)
    handler.handle(record)
    return stream.getvalue()


def _record(message: str, level: int = logging.INFO, **meta: object) -> logging.LogRecord:
    record = logging.LogRecord("dagster", level, __file__, 1, message, None, None)
    record.dagster_meta = {"step_key": "chat_messages", "run_id": "r1", "orig_message": message, **meta}
    return record


def test_text_is_short() -> None:
    assert _line(_record("2 of 3 files")).rstrip().endswith("chat_messages        2 of 3 files")


def test_json_lines_name_run_and_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    fields = json.loads(_line(_record("olá", level=logging.WARNING)))
    assert fields["asset"] == "chat_messages"
    assert fields["run_id"] == "r1"
    assert fields["message"] == "olá"
    assert fields["level"] == "warning"


@pytest.mark.parametrize(
    ("tags", "months"),
    [
        ({"dagster/partition": "2025-01"}, "2025-01"),
        (
            {
                "dagster/asset_partition_range_start": "2025-01",
                "dagster/asset_partition_range_end": "2025-03",
            },
            "2025-01..2025-03",
        ),
        ({}, None),
    ],
)
def test_json_lines_name_the_months_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], months: str | None
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert json.loads(_line(_record("x", job_tags=tags))).get("partition") == months


def test_engine_chatter_is_left_out_but_not_its_errors() -> None:
    assert _line(_record("engine", dagster_event=object())) == ""
    assert "boom" in _line(_record("boom", level=logging.ERROR, dagster_event=object()))
    skipped = _record(
        "Dependencies for step b failed: ['a']. Not executing.", logging.ERROR, dagster_event=object()
    )
    assert _line(skipped) == ""

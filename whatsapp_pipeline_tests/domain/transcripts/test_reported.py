"""Headers and lines that users of public readers reported, as invented equivalents with the right values.

`reported.jsonl` holds one case per line: `source` is the report (repository and number), or "public code"
where several public readers name the phrase; `data` is the file, `want` what each message must be. `findings`
must be among the file's findings, and `no_findings` must not. `failed_first` is true where this reader gave
another result at first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.domain.transcripts import Message, ParseOptions
from whatsapp_pipeline_tests.domain.transcripts.helpers import parse

CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("reported.jsonl").read_text(encoding="utf-8").split("\n")
    if line
]
FIELDS = {
    "name": "sender_name",
    "phone": "sender_phone",
    "dir": "direction",
    "file": "attachment_name",
    "reply": "reply_ordinal",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['source']} {case['name']}")
@pytest.mark.parametrize("chunk", [None, 200])
def test_a_reported_file_is_read_right(case: dict[str, Any], chunk: int | None) -> None:
    options = ParseOptions(owner=tuple(case.get("owner", ())), default_title=case.get("title"))
    result = parse(case["data"], options, chunk=chunk)
    assert len(result.messages) == len(case["want"])
    for want, message in zip(case["want"], result.messages, strict=True):
        assert {key: value_of(message, key, want) for key in want} == want
    assert set(case.get("findings", ())) <= set(result.kinds)
    assert set(case.get("no_findings", ())).isdisjoint(result.kinds)


def value_of(message: Message, key: str, want: dict[str, Any]) -> object:
    """What a case's key names of a message."""
    if key == "at":
        return message.timestamp.isoformat()
    if key == "phone_ends":
        digits = "".join(filter(str.isdigit, message.sender_phone or ""))
        return digits[-len(want["phone_ends"]) :]
    return getattr(message, FIELDS.get(key, key))


def test_the_table_is_large_and_most_of_it_is_of_public_reports() -> None:
    reports = [case for case in CASES if "#" in case["source"]]
    assert len(reports) >= 100
    assert sum(case.get("failed_first", False) for case in reports) >= 45

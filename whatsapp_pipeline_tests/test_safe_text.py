"""What people wrote, made harmless for terminals, JSON readers and spreadsheets."""

from __future__ import annotations

import json

import pytest

from whatsapp_pipeline.safe_text import for_json, for_json_bytes, for_spreadsheet, for_terminal, on_one_line

HOSTILE = "a\x1b]0;title\x07b\x9b31m\u202ec\x7f\r\b"


def test_a_terminal_gets_no_control_character() -> None:
    assert for_terminal(HOSTILE) == r"a\x1b]0;title\x07b\x9b31m\u202ec\x7f\x0d\x08"
    assert for_terminal("São Paulo 👩🏽‍🔧\n\tok") == "São Paulo 👩🏽‍🔧\n\tok"


def test_a_newline_in_a_value_begins_no_line() -> None:
    assert on_one_line("Ana\nerror: all is lost\x1b[2K") == r"Ana\nerror: all is lost\x1b[2K"


def test_json_keeps_its_value_and_shows_no_control_character() -> None:
    text = json.dumps({"text": HOSTILE}, ensure_ascii=False)
    for escaped in (for_json(text), for_json_bytes(text.encode()).decode()):
        assert json.loads(escaped) == {"text": HOSTILE}
        assert not [c for c in escaped if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e"]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd", "\t=1", "+A1", "\uff1d1+1", "\uff20SUM(A1)"],
)
def test_a_formula_becomes_text(cell: str) -> None:
    assert for_spreadsheet(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["Ana", "+55 (41) 99999-0001", "-12,5", "30415", "", "a=b"])
def test_what_is_no_formula_stays(cell: str) -> None:
    assert for_spreadsheet(cell) == cell

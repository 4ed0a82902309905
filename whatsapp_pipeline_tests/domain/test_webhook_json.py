"""Raw bodies of any kind."""

from __future__ import annotations

import json

import pytest

from whatsapp_pipeline.domain.webhook_json import (
    TOO_DEEP,
    UnreadableBodyError,
    clean_text,
    dumps,
    id_text,
    loads,
)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\x00", b"{", b"[" * 1_000_000, b'{"a":' * 5000, b"{} {}", b"nonsense", b'{"a" 1}'],
)
def test_what_is_no_json_is_one_clear_error(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        loads(body)


def test_what_jsonb_refuses_is_kept() -> None:
    body = rb'{"nul":"a\u0000b","lone":"\ud83d","nan":NaN,"inf":-Infinity,"big":1e999}'
    spelled = dumps(loads(body))
    assert json.loads(spelled) == {
        "nul": "a\0b",
        "lone": "\ud83d",
        "nan": "NaN",
        "inf": "-Infinity",
        "big": "1e999",
    }
    assert spelled.isascii()


def test_huge_integers_survive() -> None:
    assert loads(b'{"a":' + b"9" * 3000 + b"}") == {"a": int("9" * 3000)}
    assert loads(b'{"a":' + b"9" * 100_000 + b"}") == {"a": "9" * 100_000}


def test_bytes_that_are_no_utf8_do_not_hide_their_siblings() -> None:
    assert loads(b'{"a":"caf\xe9","b":1}') == {"a": "caf�", "b": 1}


def test_deep_nesting_costs_only_itself() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    read = loads(b'{"deep":' + deep + b',"sibling":"[kept]"}')
    assert isinstance(read, dict)
    assert read["sibling"] == "[kept]"
    assert TOO_DEEP in dumps(read)


def test_brackets_in_strings_are_no_nesting() -> None:
    body = json.dumps({"a": "[" * 500, "b": '"' + "{" * 500}).encode()
    assert loads(body) == {"a": "[" * 500, "b": '"' + "{" * 500}


def test_identifiers() -> None:
    assert id_text(" wamid.1 ") == "wamid.1"
    assert id_text(123) == "123"
    nothing: list[object] = [None, True, "", "  ", [], {}, 1.5]
    assert [id_text(value) for value in nothing] == [None] * 7
    longest = "x" * 200
    assert id_text(f" {longest} ") == longest
    longer = id_text(f"{longest}x")
    assert longer is not None
    assert longer.startswith("sha256:")
    assert clean_text("a\0\ud800b") == "a��b"

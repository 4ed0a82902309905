"""`parse`: JSON lines and summaries of files and zips, without a database."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline.cli.parse import parse
from whatsapp_pipeline_tests.domain.transcripts.helpers import LABEL, block

NATIVE = "25/01/2025 10:00 - Maria: oi\n25/01/2025 10:01 - Loja: olá\n"


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(parse, [str(argument) for argument in arguments], input=stdin)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "WhatsApp - 2025-01-05 10 00 00 - +55 41 99999-0000.txt"
    body = "➜ Respondendo para X, 2025-01-05 10:00:00: « oi »\n\nfoto.jpg (Imagem)\n2 KB"
    path.write_text(
        block("2025-01-05 10:00:00 from Maria (+554199990000) - Lida", "oi")
        + block(f"2025-01-05 10:00:05 to {LABEL} - Lida", body),
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("others", "locale", "month", "source"),
    [
        ("1/25/25, 3:05 pm - Ana: oi\n", None, 1, "the files nearest to it in the archive"),
        ("25/1/25, 3:05 pm - Ana: oi\n", "en_US", 2, "the files nearest to it in the archive"),
        ("1/2/25, 3:05 pm - Ana: oi\n", "en_US", 1, "the owner's locale (CHAT_LOCALE)"),
        ("1/2/25, 3:05 pm - Ana: oi\n", None, 2, "the owner's locale (CHAT_LOCALE)"),
    ],
)
def test_one_ambiguous_day_is_ordered_as_other_files_then_as_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str, locale: str | None, month: int, source: str
) -> None:
    monkeypatch.delenv("CHAT_LOCALE", raising=False)
    if locale:
        monkeypatch.setenv("CHAT_LOCALE", locale)
    (tmp_path / "a.txt").write_text("1/2/25, 3:05 pm - Bia: oi\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text(others, encoding="utf-8")
    result = run(tmp_path / "a.txt", tmp_path / "b.txt")
    assert lines(result.stdout)[0]["timestamp"][5:7] == f"{month:02d}"
    details = [f["detail"] for f in lines(result.stderr)[0]["findings"] if f["kind"] == "date_order_assumed"]
    assert len(details) == 1
    assert source in details[0]


def test_messages_of_impossible_times_are_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "25/01/2025 10:00 - Ana: oi\n25/01/2008 10:00 - Ana: velho\n25/01/2098 10:00 - Ana: novo\n",
        encoding="utf-8",
    )
    (summary,) = lines(run(path).stderr)
    found = [f for f in summary["findings"] if f["kind"] == "impossible_time"]
    assert [(f["line"], f["detail"].split()[0]) for f in found] == [(2, "2")]


def test_a_message_is_a_line_and_a_file_a_summary(chat: Path) -> None:
    result = run(chat)
    assert result.exit_code == 0
    assert lines(result.stdout)[1] == {
        "file": str(chat),
        "chat": 1,
        "ordinal": 2,
        "timestamp": "2025-01-05T10:00:05",
        "timestamp_utc": "2025-01-05T13:00:05+00:00",
        "direction": "to",
        "sender_name": None,
        "sender_phone": None,
        "type": "image",
        "text": "",
        "attachment": {"name": "foto.jpg", "kind": "image", "size_bytes": 2048, "duration_seconds": None},
        "reply_to": {"timestamp": "2025-01-05T10:00:00", "quote": "oi", "ordinal": 1},
        "status": "Lida",
        "line": 9,
    }
    (summary,) = lines(result.stderr)
    assert summary["messages"] == 2
    assert summary["by_direction"] == {"from": 1, "to": 1}
    assert summary["by_type"] == {"text": 1, "image": 1}
    assert sum(summary["lines"].values()) == chat.read_text(encoding="utf-8").count("\n")
    assert (summary["format"], summary["date_order"], summary["exceptions"]) == ("block", None, {})


def test_a_line_is_spelt_as_json_is_with_nothing_escaped_that_need_not_be(tmp_path: Path) -> None:
    text = 'aspas " barra \\ tab\t sino\x07 linha\u2028 ação 😀 </b>'
    path = tmp_path / "chat.txt"
    path.write_text(block("2025-01-05 10:00:00 from Maria (+554199990000) - Lida", text), encoding="utf-8")
    (line,) = run(path).stdout_bytes.decode().split("\n")[:-1]
    message = json.loads(line)
    assert message["text"] == text
    plain = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    assert line == plain.replace("\u2028", "\\u2028")  # it would begin a new line on some terminals
    assert list(message)[:4] == ["file", "chat", "ordinal", "timestamp"]
    assert message["attachment"] is None
    assert message["reply_to"] is None


def test_options_steer_native_exports_and_the_title_comes_from_the_name(tmp_path: Path) -> None:
    path = tmp_path / "Conversa do WhatsApp com Maria.txt"
    path.write_text(NATIVE, encoding="utf-8")
    assert [line["direction"] for line in lines(run(path).stdout)] == ["from", "to"]
    result = run(path, "--owner", "Maria", "--zone", "UTC", "--date-order", "dmy", "--format", "android")
    assert [line["direction"] for line in lines(result.stdout)] == ["to", "from"]
    assert lines(result.stdout)[0]["timestamp_utc"] == "2025-01-25T10:00:00+00:00"
    assert lines(run(path, "--format", "block").stderr)[0]["exceptions"] == {"unknown_format": 1}


def test_a_zip_is_read_and_its_media_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat - Maria.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("_chat.txt", NATIVE)
        packed.writestr("1.jpg", b"x")
    result = run(path)
    assert [line["direction"] for line in lines(result.stdout)] == ["from", "to"]
    assert [found["kind"] for found in lines(result.stderr)[0]["findings"]] == ["zip_media"]


def test_standard_input_is_a_file(chat: Path) -> None:
    result = run("-", stdin=chat.read_text(encoding="utf-8"))
    assert [line["file"] for line in lines(result.stdout)] == ["-", "-"]


def test_a_file_that_cannot_be_read_fails_the_command_after_the_others(tmp_path: Path, chat: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    result = run(broken, chat)
    assert result.exit_code == 1
    assert len(lines(result.stdout)) == 2
    assert [summary.get("error", {}).get("kind") for summary in lines(result.stderr)] == ["zip_damaged", None]


@pytest.mark.parametrize("name", ["nowhere.txt", "folder", "noise.txt"])
def test_what_is_no_transcript_fails_the_command_after_the_others(
    tmp_path: Path, chat: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "noise.txt").write_text("nothing of a chat\n", encoding="utf-8")
    result = run(tmp_path / name, chat)
    assert result.exit_code == 1
    assert len(lines(result.stdout)) == 2
    wrong, right = lines(result.stderr)
    assert right["messages"] == 2
    assert wrong["messages"] == 0
    assert wrong.get("error", {}).get("kind") == "file_unreadable" or wrong["exceptions"] == {
        "unknown_format": 1
    }


def test_an_empty_file_is_a_chat_without_messages(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").touch()
    result = run(tmp_path / "chat.txt")
    assert result.exit_code == 0
    assert lines(result.stderr)[0]["exceptions"] == {"empty_file": 1}


def test_bad_usage_is_told(chat: Path) -> None:
    assert run(chat, "--format", "json").exit_code == 2
    assert "Mars/Base" in str(run(chat, "--zone", "Mars/Base").exception)

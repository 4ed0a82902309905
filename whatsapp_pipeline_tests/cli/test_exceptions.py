from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.steps.chats.file_lines import lines_around
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.block_files import block, talk, write_chat


def invoke(url: str, root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--archive", str(root)], env={"DATABASE_URL": url})


@pytest.fixture
def root(tmp_path: Path, fresh_database_url: str) -> Path:
    path = write_chat(tmp_path, block(talk(3)))
    path.write_bytes(path.read_bytes().replace(b"mensagem de teste 1", b"Ol\xe1"))
    (tmp_path / "2025/01/noise.txt").write_text("a\nb\n")
    with connect(fresh_database_url) as conn:
        archive, log = ChatArchive(str(tmp_path)), logging.getLogger("test")
        index_month(conn, archive, "2025-01", IndexOptions(), log=log)
        load_month(conn, archive, "2025-01", LoadOptions(), log=log)
    return tmp_path


def test_a_finding_is_shown_with_its_line_and_neighbours(root: Path, fresh_database_url: str) -> None:
    result = invoke(
        fresh_database_url, root, "exceptions", "list", "--kind", "encoding_assumed", "--context", "1"
    )
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "encoding_assumed" in lines[0]
    assert [line.strip() for line in lines[2:5]] == ["11 |", ">     12 | Olá", "13 | segunda linha"]
    assert lines[-1] == "1 of 1 findings"


def test_months_kinds_and_json(root: Path, fresh_database_url: str) -> None:
    result = invoke(fresh_database_url, root, "exceptions", "list", "--month", "2025-01", "--json")
    found = [json.loads(line) for line in result.output.splitlines()]
    assert {row["kind"] for row in found} >= {"encoding_assumed", "no_messages"}
    assert found[0]["severity"] == "error"
    assert (
        "no findings" in invoke(fresh_database_url, root, "exceptions", "list", "--month", "2024-01").output
    )
    unknown = invoke(fresh_database_url, root, "exceptions", "list", "--kind", "encoding").output
    assert "no findings of kind 'encoding'; the kinds are: " in unknown
    assert "encoding_assumed (1)" in unknown


def test_lines_of_a_chat_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("WhatsApp Chat with Ana.txt", block(talk(1), label="Ana"))
        packed.writestr("WhatsApp Chat with Bia.txt", block(talk(1), label="Bia"))
    archive = ChatArchive(str(tmp_path))
    assert lines_around(archive, "a.zip", 1, 2, context=0) == [(2, "Ana")]
    assert lines_around(archive, "a.zip", 2, 2, context=0) == [(2, "Bia")]
    assert lines_around(archive, "a.zip", 2, 999) == []
    assert lines_around(archive, "gone.zip", 1, 1) == []

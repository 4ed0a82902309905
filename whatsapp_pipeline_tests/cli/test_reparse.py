from __future__ import annotations

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import Connection, connect

PATH = "2025/01/Conversa do WhatsApp com Ana.txt"
# Every date can be read both ways.
TEXT = "".join(
    f"0{day}/02/2025 10:0{day} - {who}: mensagem {day}\n"
    for day, who in enumerate(["Ana", "Loja", "Ana"], start=1)
)


def run_pipeline(conn: Connection, root: Path) -> None:
    archive, log = ChatArchive(str(root)), logging.getLogger("test")
    index_month(conn, archive, "2025-01", IndexOptions(), log=log)
    load_month(conn, archive, "2025-01", LoadOptions(), log=log)


def invoke(url: str, root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["reparse", *arguments, "--archive", str(root)], env={"DATABASE_URL": url})


@pytest.fixture
def root(tmp_path: Path, fresh_database_url: str) -> Path:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_text(TEXT)
    with connect(fresh_database_url) as conn:
        run_pipeline(conn, tmp_path)
    return tmp_path


def test_another_date_order_is_remembered_and_ids_stay(root: Path, fresh_database_url: str) -> None:
    dates = "SELECT id, message_timestamp::date::text FROM chat_messages ORDER BY ordinal"
    with connect(fresh_database_url) as conn:
        before = conn.execute(dates).fetchall()
        assert [date for _, date in before] == ["2025-02-01", "2025-02-02", "2025-02-03"]
        result = invoke(fresh_database_url, root, "--file", PATH, "--date-order", "mdy")
        assert result.exit_code == 0, result.output
        after = conn.execute(dates).fetchall()
        assert [id_ for id_, _ in after] == [id_ for id_, _ in before]
        assert [date for _, date in after] == ["2025-01-02", "2025-02-02", "2025-03-02"]
        run_pipeline(conn, root)
        assert conn.execute(dates).fetchall() == after
        (root / PATH).write_text(TEXT + "04/02/2025 10:04 - Ana: mais uma\n")
        run_pipeline(conn, root)
        assert conn.execute(dates).fetchall()[-1][1] == "2025-04-02"
        assert invoke(fresh_database_url, root, "--file", PATH, "--reset").exit_code == 0
        assert conn.execute(dates).fetchall()[0] == before[0]
        assert conn.execute("SELECT parse_options FROM chat_files").fetchone() == ({},)


def test_an_owner_for_a_month(root: Path, fresh_database_url: str) -> None:
    result = invoke(fresh_database_url, root, "--month", "2025-01", "--owner", "Ana")
    assert result.exit_code == 0, result.output
    with connect(fresh_database_url) as conn:
        directions = conn.execute("SELECT direction FROM chat_messages ORDER BY ordinal").fetchall()
    assert directions == [("to",), ("from",), ("to",)]


def test_wrong_use_is_told(root: Path, fresh_database_url: str) -> None:
    assert invoke(fresh_database_url, root, "--file", PATH).exit_code == 2
    assert invoke(fresh_database_url, root, "--date-order", "dmy").exit_code == 2
    result = invoke(fresh_database_url, root, "--file", "2025/01/other.txt", "--format", "ios")
    assert isinstance(result.exception, PipelineError)

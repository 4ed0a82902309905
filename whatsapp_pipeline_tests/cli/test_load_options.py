"""Batch size and rest, as options and as settings."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from whatsapp_pipeline.automation.headless import open_instance, run_chain
from whatsapp_pipeline.cli.load_options import load_options
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect

_GIVEN: dict[str, Any] = {}


@click.command()
@load_options
def _command(config: dict[str, dict[str, Any]]) -> None:
    _GIVEN.clear()
    _GIVEN.update(config)


def test_options_become_the_configuration_of_the_assets() -> None:
    assert CliRunner().invoke(_command, ["--batch-size", "50", "--delay", "0.5"]).exit_code == 0
    assert _GIVEN == {
        "chat_file_index": {"accept_missing": False},
        "chat_messages": {"batch_size": 50, "delay_seconds": 0.5},
    }
    assert CliRunner().invoke(_command, []).exit_code == 0
    assert _GIVEN["chat_messages"] == {}  # left to the settings
    assert CliRunner().invoke(_command, ["--batch-size", "0"]).exit_code == 2


@pytest.mark.parametrize("by_option", [False, True], ids=["LOAD_BATCH_SIZE", "--batch-size"])
def test_a_batch_is_one_transaction_of_so_many_files(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, by_option: bool
) -> None:
    config: dict[str, dict[str, Any]] = {"chat_messages": {"writers": 1}}
    monkeypatch.setenv("LOAD_BATCH_SIZE", "800" if by_option else "5")
    if by_option:
        config["chat_messages"]["batch_size"] = 5
    sample = str(PROJECT_ROOT / "data" / "organized_whatsapp_chats")
    defs = build_defs({"database": Database(url=fresh_database_url), "archive": Archive(root=sample)})
    with open_instance(ephemeral=True) as instance:
        assert run_chain(defs, instance, months=["2025-01"], with_erp=False, config=config).errors == []
    with connect(fresh_database_url) as conn:
        row = conn.execute(
            "SELECT count(DISTINCT file_path), count(DISTINCT m.xmin::text)"
            " FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file"
        ).fetchone()
    assert row is not None
    files, transactions = row
    assert files > 15
    assert transactions >= files // 5

"""The check of backups: none, an old one, one that was only listed, a good one."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from json import dumps
from pathlib import Path

import pytest

from whatsapp_pipeline.checks.operations import CHECKS
from whatsapp_pipeline.checks.qa import CheckScope
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.operations.backup import BackupOptions, take
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.checks import Findings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))
    return tmp_path


def _find(conn: Connection) -> Findings:
    check = next(check for check in CHECKS if check.name == "a_recent_backup_restores")
    return check.find(CheckScope(conn, [], Archive()))


def test_a_backup_must_be_recent_and_restored(conn: Connection, database_url: str, folder: Path) -> None:
    assert _find(conn).rows == [{"newest": "none", "verified": ""}]
    good = take(database_url, BackupOptions(folder), reason="daily", log=logging.getLogger(__name__))
    assert _find(conn).failing == 0
    record = (folder / good.file).with_suffix(".json")
    old = replace(good, taken_at=(datetime.now(UTC) - timedelta(days=3)).isoformat())
    for worse in (old, replace(good, verified="listed")):
        record.write_text(dumps(asdict(worse)))
        assert _find(conn).failing == 1

"""Which archive and which ERP are chosen."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.resources.sources import Archive


@pytest.mark.parametrize("root", ["", " "])
def test_an_empty_archive_is_an_error_and_not_another_archive(root: str) -> None:
    with pytest.raises(SettingError, match="--archive is empty"):
        Archive(root=root).open()


@pytest.mark.slow
@pytest.mark.parametrize("command", [("run", "--months", "2025-01"), ("backfill", "--dry-run")])
def test_an_empty_archive_stops_a_run(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*command, "--archive", ""])
    assert done.exit_code == 1
    assert "--archive is empty" in str(done.exception)

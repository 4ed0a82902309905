"""What commands need first says in one line what is missing, and the way out."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli.database_option import require_free
from whatsapp_pipeline.cli.run import run
from whatsapp_pipeline.databases import dagster_url, pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import from_mapping
from whatsapp_pipeline.store.connection import connect


def test_a_taken_port_names_the_option_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(PipelineError, match="choose another --port"):
            require_free("127.0.0.1", taken.getsockname()[1], "--port")
        port = taken.getsockname()[1]
    require_free("127.0.0.1", port, "--port")


def test_a_port_that_is_none_is_an_error_too() -> None:
    with pytest.raises(PipelineError, match="cannot listen on"):
        require_free("127.0.0.1", 99_999, "--port")


@pytest.mark.parametrize("url", ["nonsense", "mysql://ana:s3cret@db/shop"])
def test_a_url_that_is_none_is_told_without_its_password(url: str) -> None:
    for resolve in (pipeline_url, dagster_url):
        with pytest.raises(PipelineError, match="postgresql://user:password@host:5432/name") as caught:
            resolve(from_mapping({"DATABASE_URL": url}))
        assert "s3cret" not in str(caught.value)
    with pytest.raises(PipelineError, match="can't be read"), connect(url):
        pass


def test_a_server_that_is_down_is_named_whoever_asks() -> None:
    settings = from_mapping({"DATABASE_URL": "postgresql://ana:s3cret@127.0.0.1:1/shop"})
    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:1/shop .*refused.*check DATABASE_URL") as caught:
        dagster_url(settings)
    assert "s3cret" not in str(caught.value)


def test_a_run_on_ones_own_database_wants_ones_own_archive(tmp_path: Path) -> None:
    """The sample of the demo is never loaded into it; the setting is enough."""
    own = {"DATABASE_URL": "postgresql://ana@127.0.0.1:1/shop", "CHAT_ARCHIVE": None}
    result = CliRunner(env=own).invoke(run, ["--dry-run"])
    assert "CHAT_ARCHIVE is not set" in str(result.exception)
    result = CliRunner(env={**own, "CHAT_ARCHIVE": str(tmp_path)}).invoke(run, ["--dry-run"])
    assert f"no months in {tmp_path}" in str(result.exception)

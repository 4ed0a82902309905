"""Every setting is read, and a malformed one is named."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import PROJECT_ROOT, Settings, example_file, from_mapping, load_settings


def test_defaults_need_no_environment() -> None:
    assert from_mapping({}) == Settings()


def test_values_are_typed() -> None:
    settings = from_mapping(
        {"MULTITENANT_ENABLED": "yes", "WHATSAPP_APP_SECRET": "one, two,", "PIPELINE_LOCAL_DIR": "elsewhere"}
    )
    assert settings.multitenant_enabled is True
    assert [s.get_secret_value() for s in settings.whatsapp_app_secrets] == ["one", "two"]
    assert settings.local_dir == PROJECT_ROOT / "elsewhere"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert from_mapping({"FIRST_MONTH": " "}).first_month == Settings().first_month


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FIRST_MONTH", "2025-13"),
        ("CHAT_TIME_ZONE", "America/Nowhere"),
        ("DEFAULT_AREA_CODE", "041"),
        ("MULTITENANT_ENABLED", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("PIPELINE_SCHEMA", "public"),
        ("CHECKPOINTS", "links_revised"),
        ("CHECK_TOLERANCES", "chats_are_linked"),
        ("MAX_MISSING_SHARE", "1.5"),
        ("LOAD_BATCH_SIZE", "1001"),
        ("LOAD_DELAY_SECONDS", "-1"),
        ("ERP_BACKUP_KEEP", "0"),
    ],
)
def test_a_malformed_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{variable}={value!r}")):
        from_mapping({variable: value})


def test_secrets_are_not_in_the_repr() -> None:
    settings = from_mapping(
        {
            "WHATSAPP_APP_SECRET": "hush",
            "DATABASE_URL": "postgresql://u:hush@h/d",
            "ASSISTANT_API_KEY": "hush",
        }
    )
    assert "hush" not in repr(settings)


def test_a_result_backend_that_forgets_is_refused_without_its_password() -> None:
    for address in ("rpc://", "rpc://user:hush@broker"):
        with pytest.raises(SettingError) as refused:
            from_mapping({"CELERY_RESULT_BACKEND": address})
        assert str(refused.value) == (
            "CELERY_RESULT_BACKEND: rpc:// forgets the state of a task when its worker ends; set an address "
            "such as redis://broker:6379/1"
        )


def test_the_example_file_is_made_from_the_settings() -> None:
    """`python -m whatsapp_pipeline.settings > .env.example` makes it again."""
    assert (PROJECT_ROOT / ".env.example").read_text() == example_file()


def test_a_name_that_is_no_setting_is_reported_with_the_one_that_is_meant(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(PROJECT_ROOT / "whatsapp_pipeline", checkout / "whatsapp_pipeline")
    (checkout / ".env").write_text(
        "CHAT_ARCHVE=/x\nOWN_THING=1\nDAGSTER_HOME=/y\nCHAT_LOCALE=es_MX\nPRIVACY_KEY_FILE=\nCHECKPOINTS_FILE=x\n"
    )
    program = (
        "from whatsapp_pipeline.cli import cli; cli.main(['--verbose', 'sample', '--help'])",
        "from whatsapp_pipeline import settings; print(settings.load_settings().locale)",
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    told, read = (
        subprocess.run(
            [sys.executable, "-c", text],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        for text in program
    )
    assert read.stdout.split() == ["es_MX"]
    assert told.stderr.splitlines() == [
        "note: .env: CHAT_ARCHVE is no setting of this project; is CHAT_ARCHIVE meant?",
        "note: .env: OWN_THING is no setting of this project",
        "note: .env: CHECKPOINTS_FILE is no setting of this project; is CHECKPOINTS meant?",
    ]


def test_a_secret_may_be_in_a_file_and_a_file_that_is_no_secret_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("postgresql://a:b@c/d\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("CHAT_ARCHIVE_FILE", str(tmp_path / "url"))
    configured = load_settings()
    assert configured.database_url is not None
    assert configured.database_url.get_secret_value() == "postgresql://a:b@c/d"
    assert configured.archive is None
    monkeypatch.setenv("DATABASE_URL", "postgresql://e:f@g/h")
    with pytest.raises(SettingError, match="DATABASE_URL and DATABASE_URL_FILE are both set"):
        load_settings()
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL", "")  # an empty variable counts as not set
    assert load_settings().database_url == configured.database_url
    (tmp_path / "url").write_text(" \n")
    with pytest.raises(SettingError, match="DATABASE_URL_FILE: the file is empty"):
        load_settings()


@pytest.mark.parametrize("value", ["postgresql://u:hush@h/d", "hush\n", "hush" * 2000])
def test_a_secret_in_place_of_its_file_is_not_in_the_error(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DATABASE_URL_FILE", value)
    with pytest.raises(SettingError, match="DATABASE_URL_FILE: the file can't be read") as caught:
        load_settings()
    assert "hush" not in str(caught.value)

"""Databases that are not ready: not migrated, in another encoding, or of a role that may too little."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from uuid import uuid4

import click
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.databases import missing_dagster_database
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import from_mapping
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations import adoption, deployed_code
from whatsapp_pipeline_tests.conftest import create_database, drop_database

# Commands that neither read nor write the pipeline's tables, and why.
_WITHOUT_TABLES = {
    "demo": "migrates by itself",
    "up": "migrates by itself",
    "migrate": "migrates",
    "psql": "PostgreSQL's own",
    "backup now": "copies whatever there is",
    "backup list": "reads files",
    "restore": "makes the tables",
    "parse": "reads files",
    "sample": "writes files",
    "db url": "prints an address",
    "erp authorize": "asks the ERP",
    "erp status": "asks the ERP",
    "service install": "writes a unit of systemd",
    "service status": "asks systemd",
    "service uninstall": "removes a unit of systemd",
    "webhook serve": "takes deliveries on disk, and says why (test_webhook.py)",
}
# What a command cannot be called without.
_ARGUMENTS = {
    "report": "--all",
    "export": "orders --out .",
    "order": "1",
    "chat": "1",
    "console link": "--order 1 --minutes 5",
    "backfill": "--dry-run",
    "review": "--month 2025-01",
    "review record": "1 right",
    "reparse": "--month 2025-01 --format android",
    "search": "notebook",
    "customer": "1",
    "link": "Ana",
    "run": "--months 2025-01",
    "console token add": "bi --level reader",
    "console token revoke": "bi",
    "console user add": "ana",
    "console user disable": "ana",
    "console user password": "ana",
    "checkpoint waive": "links_reviewed --reason x",
    "privacy export": "--contact 1",
    "privacy erase": "--contact 1",
    "privacy forget-host": "worker-1",
    "qa accept": "--check chats_are_linked --reason x",
    "qa withdraw": "--check chats_are_linked",
    "exceptions unignore": "--file x",
    "exceptions ignore": "--file x --reason x",
    "override add": "--title Ana --contact 1 --reason x",
    "override remove": "1 --reason x",
    "webhook account add": "--phone-number-id 1",
    "webhook account disable": "--phone-number-id 1",
    "webhook replay": "--dead",
}


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every command that does something by itself, as a user types it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name))
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


@pytest.fixture(scope="module")
def unmigrated_url(admin_url: str) -> Iterator[str]:
    """A database with nothing in it, for all commands: none of them may write there."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, "template0")
    drop_database(admin_url, name)


@pytest.mark.parametrize("command", sorted(set(_commands(cli)) - set(_WITHOUT_TABLES)))
def test_every_command_says_that_the_database_is_not_migrated(
    command: str, unmigrated_url: str, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": unmigrated_url,
        "CONSOLE_LINK_KEYS": "k1:" + "s" * 40,
        "CHAT_ARCHIVE": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path),
    }
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    words = [*command.split(), *_ARGUMENTS.get(command, "").split()]
    result = CliRunner().invoke(cli, words, env=environment)
    assert result.exit_code == 1, result.output
    said = str(result.exception) if isinstance(result.exception, PipelineError) else result.output
    assert "run `whatsapp-pipeline migrate`" in said, (result.output, result.exception)
    assert "[y/N]" not in result.output  # nobody is asked anything before
    with connect(unmigrated_url) as conn:
        assert conn.execute("SELECT count(*) FROM pg_class WHERE relname = 'chat_files'").fetchone() == (0,)


@pytest.fixture(scope="module")
def other_code_url(admin_url: str) -> Iterator[str]:
    """A database that another version of the code migrated. No command may write there."""
    name = f"test_{uuid4().hex[:12]}"
    url = create_database(admin_url, name, "template0")
    migrate(url)
    with connect(url) as conn:
        deployed_code.record(conn, "0" * 40, "0.2.0")
    yield url
    drop_database(admin_url, name)


def _one_of_several_hosts(url: str, folder: Path) -> dict[str, str]:
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return {
        "DATABASE_URL": url,
        "CONSOLE_LINK_KEYS": "k1:" + "s" * 40,
        "CHAT_ARCHIVE": str(folder),
        "PIPELINE_LOCAL_DIR": str(folder),
        "DAGSTER_HOME": str(folder),
        "SEVERAL_HOSTS": "1",
        "PRIVACY_KEY": "k" * 32,
    }


@pytest.mark.parametrize("command", sorted({*_commands(cli)} - {*_WITHOUT_TABLES} | {"up"}))
def test_every_command_on_one_of_several_hosts_says_that_its_code_is_not_the_databases(
    command: str, other_code_url: str, tmp_path: Path
) -> None:
    words = [*command.split(), *_ARGUMENTS.get(command, "").split()]
    result = CliRunner().invoke(cli, words, env=_one_of_several_hosts(other_code_url, tmp_path))
    assert result.exit_code == 1, result.output
    assert "nothing was done: this process runs code " in str(result.exception), result.output
    assert "(version 0.2.0 of " in str(result.exception)
    assert "[y/N]" not in result.output
    with connect(other_code_url) as conn:
        assert [code.code_hash for code in deployed_code.history(conn)] == ["0" * 40]


def test_migrate_help_and_the_address_of_the_database_work_with_any_code(
    fresh_database_url: str, tmp_path: Path
) -> None:
    with connect(fresh_database_url) as conn:
        deployed_code.record(conn, "0" * 40, "0.2.0")
    environment = _one_of_several_hosts(fresh_database_url, tmp_path)
    for command in ("db url", "--help", "status --help", "webhook serve --help", "migrate", "status"):
        result = CliRunner().invoke(cli, command.split(), env=environment)
        assert result.exit_code == 0, (command, result.exception)


def test_the_commands_without_tables_are_commands() -> None:
    known = set(_commands(cli))
    assert known >= _WITHOUT_TABLES.keys()
    assert known >= _ARGUMENTS.keys()


def test_a_database_that_is_not_in_utf_8_is_refused_in_one_line(admin_url: str) -> None:
    name = f"latin_{uuid4().hex[:8]}"
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(PipelineError, match=r"encoded in LATIN1") as refused:
            migrate(make_conninfo(admin_url, dbname=name))
        assert "ENCODING 'UTF8'" in str(refused.value)
        assert "\n" not in str(refused.value)
    finally:
        drop_database(admin_url, name)


def test_a_role_that_may_not_create_databases_learns_what_dagster_needs(
    admin_url: str, empty_database_url: str
) -> None:
    role = f"loja_{uuid4().hex[:8]}"
    url = make_conninfo(empty_database_url, user=role)
    settings = from_mapping({"DATABASE_URL": url})
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        try:
            words = missing_dagster_database(settings)
            assert words is not None
            assert f"the role {role} may not create databases" in words
            statement = words[words.index("CREATE DATABASE") : words.index(";")]
            conn.execute(statement.encode())  # what it says is what helps
            assert missing_dagster_database(settings) is None
            conn.execute(statement.replace("CREATE", "DROP").split(" OWNER")[0].encode())
            conn.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(role)))
            assert missing_dagster_database(settings) is None
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_migrate_says_what_dagsters_database_needs(
    admin_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    role = f"loja_{uuid4().hex[:8]}"
    environment = {
        "DATABASE_URL": make_conninfo(empty_database_url, user=role),
        "PIPELINE_LOCAL_DIR": str(tmp_path),
    }
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        database = sql.Identifier(conn.info.dbname)
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(role)))
        try:
            result = CliRunner().invoke(cli, ["migrate"], env=environment)
            assert result.exit_code == 0, result.output
            assert f"warning: the role {role} may not create databases" in result.output
        finally:
            conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database))
            conn.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_without_an_erp_nothing_is_said_that_only_its_pass_could_meet(
    empty_database_url: str, tmp_path: Path
) -> None:
    with connect(empty_database_url) as conn:
        conn.execute("CREATE TABLE contatos (id integer, rg varchar(9), filial integer NOT NULL)")
        migrate(empty_database_url)
        problems = {finding.problem for finding in adoption.compare_user_tables(conn)}
        assert problems == {"no_unique_id", "narrow", "required"}
        assert {finding.problem for finding in adoption.compare_user_tables(conn, with_erp=False)} == {
            "no_unique_id"
        }
    environment = {"DATABASE_URL": empty_database_url, "PIPELINE_LOCAL_DIR": str(tmp_path)}
    said = CliRunner().invoke(cli, ["migrate"], env=environment).output
    assert said.count("warning: ") == 1


def _refusal(command: list[str], environment: dict[str, str | None]) -> str:
    result = CliRunner().invoke(cli, command, env=environment)
    assert isinstance(result.exception, PipelineError), (result.output, result.exception)
    return str(result.exception)


def test_a_schema_that_is_chosen_changed_or_left_out_after_the_first_migration_is_refused(
    empty_database_url: str, tmp_path: Path
) -> None:
    commands = (["migrate"], ["status"], ["backfill", "--dry-run"])
    environment: dict[str, str | None] = {
        "DATABASE_URL": empty_database_url,
        "CHAT_ARCHIVE": str(tmp_path),
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path),
    }
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with connect(empty_database_url) as conn:
        conn.execute("CREATE SCHEMA outro")
        migrate(empty_database_url)
        for schema, command in product(("whatsapp", "outro"), commands):  # absent, and there
            words = _refusal(command, {**environment, "PIPELINE_SCHEMA": schema})
            assert "tables are in the schema public" in words
            assert "leave PIPELINE_SCHEMA unset" in words
        conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        set_up = CliRunner().invoke(cli, ["migrate"], env={**environment, "PIPELINE_SCHEMA": "whatsapp"})
        assert set_up.exit_code == 0, set_up.output
        before = conn.execute(
            "SELECT relnamespace::regnamespace, relname FROM pg_class ORDER BY 1, 2"
        ).fetchall()
        for changed, command in product((None, "outro", "novo"), commands):
            words = _refusal(command, {**environment, "PIPELINE_SCHEMA": changed})
            assert "tables are in the schema whatsapp" in words
            assert "set PIPELINE_SCHEMA=whatsapp" in words
        after = conn.execute(
            "SELECT relnamespace::regnamespace, relname FROM pg_class ORDER BY 1, 2"
        ).fetchall()
        assert after == before
    again = CliRunner().invoke(cli, ["migrate"], env={**environment, "PIPELINE_SCHEMA": "whatsapp"})
    assert "0 migration(s) applied" in again.output


def test_a_schema_without_a_database_of_ones_own_is_refused(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": None, "PIPELINE_SCHEMA": "whatsapp", "PIPELINE_LOCAL_DIR": str(tmp_path)}
    assert "PIPELINE_SCHEMA=whatsapp needs DATABASE_URL" in _refusal(["status"], environment)

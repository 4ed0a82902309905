"""Checksums of migrations, and the last release's database brought forward with its data."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR, migrate, pending_migrations
from whatsapp_pipeline_tests.store.test_migrate import _migrate_through as migrate_through

# What the last release had filled: a small invented archive, webhooks, decisions and verdicts.
RELEASE_DATA = Path(__file__).with_name("release_0013.sql")
# Everything that a migration can make, as the server describes it.
_SCHEMA = """
    SELECT concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                     a.attidentity, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm')
    UNION ALL SELECT concat_ws(' ', 'view', viewname, definition) FROM pg_views WHERE schemaname = 'public'
    UNION ALL SELECT concat_ws(' ', 'table', oid::regclass, obj_description(oid, 'pg_class')) FROM pg_class
               WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
               WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
# Rows that a person gave or that nobody can read again: no migration may lose one.
_KEPT = (
    "contatos",
    "ordens_servico",
    "chat_files",
    "chat_messages",
    "chat_sessions",
    "link_overrides",
    "review_verdicts",
    "conversations",
    "conversation_messages",
    "conversation_identities",
    "leads",
    "webhook_inbox",
    "webhook_events",
    "assistant_replies",
    "contact_sources",
    "order_sources",
)


def _schema(conn: Connection) -> set[str]:
    return {row[0] for row in conn.execute(_SCHEMA)}


def test_the_last_release_with_data_gets_the_schema_of_a_fresh_database(
    empty_database_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate_through(empty_database_url, "0013", tmp_path / "migrations")
    with connect(empty_database_url) as conn, connect(database_url) as fresh:
        conn.execute("SET session_replication_role = replica")  # a dump's rows come in no order
        conn.execute(RELEASE_DATA.read_bytes())
        conn.execute("SET session_replication_role = origin")
        before = {table: conn.execute(f"SELECT count(*) FROM {table}").fetchone() for table in _KEPT}
        assert all(found != (0,) for found in before.values())
        migrate(empty_database_url)
        assert _schema(conn) == _schema(fresh)
        assert {t: conn.execute(f"SELECT count(*) FROM {t}").fetchone() for t in _KEPT} == before
        assert pending_migrations(empty_database_url) == []


@pytest.fixture
def own_migrations(tmp_path: Path) -> Path:
    """A copy of the migrations that a test may edit."""
    return Path(shutil.copytree(MIGRATIONS_DIR, tmp_path / "own"))


def test_each_applied_migration_has_its_checksum(conn: Connection) -> None:
    stored = conn.execute(
        "SELECT version || '_', file_name, length(checksum) FROM pipeline_migration_checksums"
    )
    found = stored.fetchall()
    assert {name for _, name, _ in found} == {path.name for path in MIGRATIONS_DIR.glob("*.sql")}
    assert all(name.startswith(version) and length == 64 for version, name, length in found)


def test_an_edited_migration_is_refused_before_anything_is_applied(
    fresh_database_url: str, own_migrations: Path
) -> None:
    edited = own_migrations / "0003_linking.sql"
    edited.write_bytes(edited.read_bytes().replace(b"\n", b"\r\n"))
    (own_migrations / "9000_next.sql").write_text(
        "-- migrate:up\nCREATE TABLE next_one ();\n-- migrate:down\n"
    )
    assert migrate(fresh_database_url, own_migrations) == ["9000_next.sql"]  # line ends alone are no edit
    edited.write_text(edited.read_text() + "-- one more line\n")
    (own_migrations / "9001_later.sql").write_text(
        "-- migrate:up\nCREATE TABLE later_one ();\n-- migrate:down\n"
    )
    with pytest.raises(PipelineError, match=r"0003_linking\.sql was edited after .* restore the file"):
        migrate(fresh_database_url, own_migrations)
    with connect(fresh_database_url) as conn:
        assert conn.execute("SELECT to_regclass('next_one'), to_regclass('later_one')").fetchone() == (
            "next_one",
            None,
        )
    with pytest.raises(
        PipelineError, match=r"has migration 9000_next\.sql, which this version .* does not have"
    ):
        pending_migrations(fresh_database_url)


def test_a_command_refuses_a_database_of_a_newer_version(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO pipeline_migrations VALUES ('9999')")
    for command in ("status", "migrate"):
        result = CliRunner().invoke(cli, [command])
        assert isinstance(result.exception, PipelineError)
        assert "Install that version, or restore an older backup" in str(result.exception)


def test_a_database_without_checksums_gets_those_of_the_files(
    empty_database_url: str, tmp_path: Path
) -> None:
    migrate_through(empty_database_url, "0013", tmp_path / "migrations")
    migrate(empty_database_url)
    with connect(empty_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM pipeline_migration_checksums").fetchone() == (
            len(list(MIGRATIONS_DIR.glob("*.sql"))),
        )


def test_two_that_migrate_at_once_store_each_checksum_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, [empty_database_url] * 3))
    with connect(empty_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM pipeline_migration_checksums").fetchone() == (
            len(list(MIGRATIONS_DIR.glob("*.sql"))),
        )

"""Backups on a real server: verified, pruned, restored, and refused where they must be."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps import progress
from whatsapp_pipeline.steps.operations import backup
from whatsapp_pipeline.steps.operations.backup import Backup, BackupOptions
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import dumps
from whatsapp_pipeline.store.pg_tools import environment, find_programs

LOG = logging.getLogger(__name__)


@pytest.fixture
def options(tmp_path: Path) -> BackupOptions:
    return BackupOptions(tmp_path / "backups")


@pytest.fixture
def filled(fresh_database_url: str) -> str:
    with connect(fresh_database_url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome) SELECT n, 'Fulano ' || n FROM generate_series(1, 500) n"
        )
        conn.execute('CREATE TABLE "Os Outros" (t text)')
        conn.execute("INSERT INTO \"Os Outros\" VALUES ('SET transaction_timeout = 0;')")
    return fresh_database_url


def test_a_backup_restores_into_an_empty_database(
    filled: str, empty_database_url: str, options: BackupOptions
) -> None:
    taken = backup.take(filled, options, reason="by hand", log=LOG)
    assert taken.verified == "restored"
    assert taken.tables["public.contatos"] == 500
    assert backup.kept_backups(options.folder) == [taken]
    rows = backup.restore(empty_database_url, taken, options, overwrite=False, log=LOG)
    assert rows == taken.tables
    with connect(filled) as before, connect(empty_database_url) as after:
        query = "SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM contatos c"
        assert before.execute(query).fetchone() == after.execute(query).fetchone()


def test_only_its_owner_can_read_a_backup(filled: str, options: BackupOptions) -> None:
    backup.take(filled, options, reason="by hand", log=LOG)
    assert {oct(path.stat().st_mode & 0o777) for path in options.folder.iterdir()} == {"0o600"}
    assert oct(options.folder.stat().st_mode & 0o777) == "0o700"


def test_no_scratch_database_is_left(filled: str, options: BackupOptions) -> None:
    backup.take(filled, options, reason="by hand", log=LOG)
    with connect(filled) as conn:
        left = conn.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'backup_check_%'").fetchone()
    assert left == (0,)


def test_a_database_with_tables_is_not_overwritten_unasked(filled: str, options: BackupOptions) -> None:
    taken = backup.take(filled, options, reason="by hand", log=LOG)
    with connect(filled) as conn:
        conn.execute("DELETE FROM contatos WHERE id > 10")
    with pytest.raises(PipelineError, match=r"not empty.*--overwrite"):
        backup.restore(filled, taken, options, overwrite=False, log=LOG)
    with connect(filled) as conn:
        assert conn.execute("SELECT count(*) FROM contatos").fetchone() == (10,)
    backup.restore(filled, taken, options, overwrite=True, log=LOG)
    with connect(filled) as conn:
        assert conn.execute("SELECT count(*) FROM contatos").fetchone() == (500,)


def test_a_restore_that_fails_changes_nothing(filled: str, options: BackupOptions) -> None:
    taken = backup.take(filled, options, reason="by hand", log=LOG)
    with connect(filled) as conn:
        conn.execute("DELETE FROM contatos WHERE id > 10")
        conn.execute("CREATE VIEW mine AS SELECT id FROM contatos")  # in the way of replacing the table
    with pytest.raises(PipelineError, match="changed nothing"):
        backup.restore(filled, taken, options, overwrite=True, log=LOG)
    with connect(filled) as conn:
        assert conn.execute("SELECT count(*) FROM contatos").fetchone() == (10,)


def test_long_dumps_and_restores_say_how_far_they_are(
    filled: str,
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with connect(filled) as conn:
        conn.execute("INSERT INTO contatos (id, nome) SELECT n, 'Ana' FROM generate_series(1001, 26000) n")
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0)
    caplog.set_level(logging.INFO)
    options = BackupOptions(tmp_path)
    taken = backup.take(filled, options, reason="by hand", log=LOG)
    backup.restore(empty_database_url, taken, options, overwrite=False, log=LOG)
    total = sum(taken.tables.values())
    said = [record.getMessage() for record in caplog.records]
    for what in ("backup", "backup, restored to verify it", f"restore {taken.file}"):
        state = rf"{re.escape(what)}: ([\d,]+) of {total:,} rows, about \d+ s left \([\d,.]+/\w+\)"
        done = [int(match[1].replace(",", "")) for line in said if (match := re.fullmatch(state, line))]
        assert done == sorted(done), what
        assert done[-1] == total, what
        if what != "backup":
            assert len({rows // 10_000 for rows in done}) >= 3, (
                "the rows of a large table are reported on the way"
            )


def test_a_full_disk_leaves_nothing_that_looks_like_a_backup(filled: str, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    # /dev/full behaves as a disk without space: every write to it fails.
    target = full / "whatsapp.dump"
    target.symlink_to("/dev/full")
    with connect(filled) as conn:
        programs = find_programs(conn.info.server_version // 10000)
    with pytest.raises(PipelineError, match=r"pg_dump of .* failed"):
        dumps.dump(filled, programs, target)


def test_a_folder_that_cannot_be_made_is_named(filled: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match="BACKUP_DIR"):
        backup.take(filled, BackupOptions(tmp_path / "file" / "inside"), reason="by hand", log=LOG)


def test_an_older_pg_dump_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for name in ("pg_dump", "pg_restore", "psql"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.2'\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(PipelineError, match=r"server is PostgreSQL 18, found pg_dump 14.*PG_BIN_DIR"):
        find_programs(18, tmp_path)


def test_a_role_without_createdb_has_its_backup_verified_elsewhere(
    filled: str, admin_url: str, options: BackupOptions
) -> None:
    with psycopg.connect(filled, autocommit=True) as conn:
        conn.execute("CREATE ROLE only_reads LOGIN PASSWORD 'r'")
        conn.execute("GRANT pg_read_all_data TO only_reads")
    as_reader = make_conninfo(filled, user="only_reads", password="r")
    try:
        assert backup.take(as_reader, options, reason="by hand", log=LOG).verified == "listed"
        elsewhere = BackupOptions(options.folder, scratch_url=lambda: admin_url)
        assert backup.take(as_reader, elsewhere, reason="by hand", log=LOG).verified == "restored"
    finally:
        with psycopg.connect(filled, autocommit=True) as conn:
            conn.execute("DROP OWNED BY only_reads")
            conn.execute("DROP ROLE only_reads")


@pytest.mark.parametrize("schema", ["whatsapp", "Zap da Loja"])
def test_a_backup_of_another_schema_is_verified_where_no_search_path_names_it(
    filled: str, admin_url: str, options: BackupOptions, schema: str
) -> None:
    """The trial restore gets the URL of another server, so it finds the tables in any schema."""
    with psycopg.connect(filled, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        conn.execute(sql.SQL("ALTER TABLE pipeline_erp_tokens SET SCHEMA {}").format(sql.Identifier(schema)))
        tokens = sql.Identifier(schema, "pipeline_erp_tokens")
        conn.execute(
            sql.SQL(
                "INSERT INTO {} (access_token, refresh_token, expires_at, saved_on) "
                "VALUES ('access-0', 'refresh-0', now(), 'a host')"
            ).format(tokens)
        )
        conn.execute("CREATE ROLE sees_schemas LOGIN PASSWORD 'r'")
        conn.execute("GRANT pg_read_all_data TO sees_schemas")
    path = f'-csearch_path="{schema}",public'.replace(" ", "\\ ")
    as_reader = make_conninfo(filled, user="sees_schemas", password="r", options=path)
    try:
        elsewhere = BackupOptions(options.folder, scratch_url=lambda: admin_url)
        taken = backup.take(as_reader, elsewhere, reason="by hand", log=LOG)
    finally:
        with psycopg.connect(filled, autocommit=True) as conn:
            conn.execute("DROP OWNED BY sees_schemas")
            conn.execute("DROP ROLE sees_schemas")
    assert taken.verified == "restored"
    assert not [name for name in taken.tables if "erp_tokens" in name]
    assert b"refresh-0" not in (options.folder / taken.file).read_bytes()
    backup.restore(filled, taken, options, overwrite=True, log=LOG)
    with psycopg.connect(filled) as conn:
        kept = conn.execute(sql.SQL("SELECT refresh_token FROM {}").format(tokens)).fetchall()
    assert kept == [("refresh-0",)]


def _backup(days_ago: int, hour: int = 1, reason: str = "daily") -> Backup:
    time = datetime(2026, 3, 20, hour, tzinfo=UTC) - timedelta(days=days_ago)
    return Backup(f"{time:%Y%m%dT%H}", "db", reason, time.isoformat(), 1.0, 1, 180000, "restored", {})


def test_days_and_months_keep_their_newest() -> None:
    everything = [_backup(days) for days in range(100)] + [_backup(0, hour=9)]
    gone = backup.backups_to_delete(everything, daily=3, monthly=2)
    left = [b.file for b in everything if b not in gone]
    assert sorted(left) == ["20260228T01", "20260318T01", "20260319T01", "20260320T01", "20260320T09"]


def test_the_backup_before_the_first_write_stays() -> None:
    first = _backup(400, reason=backup.FIRST_WRITE)
    assert first not in backup.backups_to_delete([first, _backup(0), _backup(1)], daily=1, monthly=1)


def test_an_adopted_database_is_backed_up_once_before_the_first_write(
    filled: str, options: BackupOptions
) -> None:
    first = backup.before_first_write(filled, options, log=LOG)
    assert first is not None
    assert first.tables["public.contatos"] == 500
    assert backup.before_first_write(filled, options, log=LOG) is None
    assert len(backup.kept_backups(options.folder)) == 1


def test_a_database_of_the_pipeline_s_own_needs_no_first_backup(
    conn: Connection, options: BackupOptions
) -> None:
    url = make_conninfo(conn.info.dsn, password=conn.info.password)
    assert backup.before_first_write(url, options, log=LOG) is None


def test_a_migration_of_an_empty_database_needs_none_and_an_adopted_one_does(
    empty_database_url: str, options: BackupOptions
) -> None:
    assert backup.before_migration(empty_database_url, options, log=LOG) is None
    with connect(empty_database_url) as conn:
        conn.execute("CREATE TABLE contatos (id bigint PRIMARY KEY, nome text)")
        conn.execute("INSERT INTO contatos VALUES (1, 'Fulano')")
    taken = backup.before_migration(empty_database_url, options, log=LOG)
    assert taken is not None
    assert taken.reason == backup.FIRST_WRITE


def test_the_url_never_reaches_a_process_list(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment("postgresql://u:secret@h:5433/d?sslmode=require")
    assert (found["PGPASSWORD"], found["PGHOST"], found["PGPORT"]) == ("secret", "h", "5433")
    assert found["PGSSLMODE"] == "require"
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert "PGSSLMODE" not in environment("postgresql://u@h/d")

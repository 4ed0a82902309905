"""Databases of early development versions are known by what is in them, and refused unchanged."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store import early_schema
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR, migrate, pending_migrations
from whatsapp_pipeline_tests.store.test_migrate import _migrate_through as migrate_through

# What another program has made: ids of text and of integer, no keys, other widths, a column of its own.
USERS_OWN = """
    CREATE TABLE contatos (id integer, nome varchar(80), celular text, loja text NOT NULL DEFAULT '');
    CREATE TABLE ordens_servico (id varchar(20) PRIMARY KEY, numero_ordem_servico text, id_contato integer);
"""


def _ranges(versions: Mapping[str, Mapping[str, str]]) -> list[early_schema.Known]:
    """Return the list for the fingerprints of each version, given in order of versions."""
    found: list[early_schema.Known] = []
    open_: dict[str, early_schema.Known] = {}
    for version, objects in versions.items():
        for name in sorted(open_.keys() | objects.keys()):
            before = open_.get(name)
            if before is not None and before.fingerprint == objects.get(name):
                open_[name] = before._replace(last=version)
                continue
            if before is not None:
                found.append(open_.pop(name))
            if name in objects:
                open_[name] = early_schema.Known(name, version, version, objects[name])
    return sorted([*found, *open_.values()])


@pytest.mark.slow
def test_the_list_is_what_the_migrations_make(empty_database_url: str, tmp_path: Path) -> None:
    """The list is frozen with the migrations that it is about: nobody ever has to change it."""
    versions = {}
    for path in sorted(MIGRATIONS_DIR.glob("*.sql")):
        if path.name[:4] <= early_schema.LAST_VERSION:
            shutil.copy(path, tmp_path)
            migrate(empty_database_url, tmp_path)
            with connect(empty_database_url) as conn:
                versions[path.name[:4]] = early_schema.fingerprints(conn)
    assert _ranges(versions) == list(early_schema.early_objects())


# Edits as they were made in place: file, what stood there before, what it says today, and what differs by it.
EDITS = {
    "a trigger": ("0004", "other_name", "conversations_link_lost", "function conversations_link_lost"),
    "a column": ("0002", "parse_options      json NOT", "parse_options      jsonb NOT", "table chat_files"),
    "a rule": ("0001", "'foreign', 'unknown_", "'foreign', 'lid', 'unknown_", "table contact_phones"),
    "a default": (
        "0002",
        "processing_status  text NOT NULL DEFAULT 'linked'",
        "processing_status  text NOT NULL DEFAULT 'pending'",
        "table chat_files",
    ),
    "a function": ("0003", "'no contact % in", "'there is no contact % in", "function link_overrides_guard"),
}


def _early(folder: Path, version: str, before: str, now: str) -> None:
    folder.mkdir()
    for path in MIGRATIONS_DIR.glob("*.sql"):
        if path.name[:4] <= "0006":
            text = path.read_text(encoding="utf-8")
            if path.name.startswith(version):
                assert now in text, f"{path.name} holds no {now!r}"
                text = text.replace(now, before)
            (folder / path.name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("edit", EDITS)
def test_an_early_schema_is_refused_unchanged(empty_database_url: str, tmp_path: Path, edit: str) -> None:
    version, before, now, differs = EDITS[edit]
    _early(tmp_path / "early", version, before, now)
    migrate(empty_database_url, tmp_path / "early")
    with connect(empty_database_url) as conn:
        there = early_schema.fingerprints(conn)
        words = (
            rf"development version .*: {differs}.* Create an empty database, copy contatos and ordens_servico"
        )
        with pytest.raises(PipelineError, match=words):
            migrate(empty_database_url)
        assert early_schema.fingerprints(conn) == there


@pytest.mark.parametrize("lacks", ["0003", "0005"])
def test_an_early_schema_that_lacks_a_migration_between_others_is_refused_unchanged(
    empty_database_url: str, tmp_path: Path, lacks: str
) -> None:
    """The first migrations were not added in the order of their numbers."""
    _early(tmp_path / "early", *EDITS["a trigger"][:3])
    for path in (tmp_path / "early").glob("*.sql"):
        if path.name[:4] == lacks:
            path.unlink()
    migrate(empty_database_url, tmp_path / "early")
    with connect(empty_database_url) as conn:
        there = early_schema.fingerprints(conn)
        with pytest.raises(PipelineError, match="a development version from before 2026-11-22 migrated"):
            migrate(empty_database_url)
        assert early_schema.fingerprints(conn) == there


def test_what_a_user_has_made_beside_ours_is_no_early_schema(empty_database_url: str, tmp_path: Path) -> None:
    with connect(empty_database_url) as conn:
        conn.execute(USERS_OWN)
        migrate_through(empty_database_url, "0013", tmp_path / "migrations")
        conn.execute("CREATE INDEX own_idx ON chat_messages (message_text)")
        conn.execute("CREATE VIEW own AS SELECT id FROM chat_files")
        conn.execute("CREATE TABLE own_table (id integer)")
        conn.execute("COMMENT ON COLUMN chat_files.month IS 'próprio'")
        assert early_schema.schema_differences(conn, "0013") == []
    migrate(empty_database_url)
    assert pending_migrations(empty_database_url) == []

"""The guide to the architecture: every layer, asset, table and key, and only what exists."""

from __future__ import annotations

import re
import tomllib
from typing import TypeAlias

from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.source_scan import PACKAGE

GUIDE = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TABLE = re.compile(r"`(\w+)` \(([\w, ]+)\)")
ARROW = re.compile(r"^(\w+) (◄──|◄┄┄) (.+)$", re.MULTILINE)
COLUMN = re.compile(r"(\w+) \((\w+)\)")
Arrow: TypeAlias = tuple[str, str, str]  # table, column, the table whose row it names


def _named() -> set[str]:
    """Names between backticks, or in a drawing."""
    return set(
        re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`|^```\n.*?^```", GUIDE, re.MULTILINE | re.DOTALL)))
    )


def _keys_of_the_guide() -> dict[str, set[str]]:
    subjects = re.search(r"^## Subjects$(.*?)^## ", GUIDE, re.MULTILINE | re.DOTALL)
    assert subjects
    return {table: set(columns.split(", ")) for table, columns in TABLE.findall(subjects[1])}


def _arrows_of_the_guide(kind: str) -> list[Arrow]:
    return [
        (table, column, parent)
        for parent, arrow, children in ARROW.findall(GUIDE)
        for table, column in COLUMN.findall(children)
        if arrow == kind
    ]


def test_every_table_is_drawn_with_its_key(conn: Connection) -> None:
    # A table without a primary key has a unique index; its columns may stand within an expression.
    rows = conn.execute(
        """
        SELECT DISTINCT ON (t.relname) t.relname, array_agg(a.attname::text) FILTER (WHERE a.attnum > 0)
          FROM pg_class t
          LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisunique AND i.indpred IS NULL
          LEFT JOIN pg_depend d ON d.objid = i.indexrelid AND d.refobjid = t.oid AND NOT i.indisprimary
          LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
                               AND (a.attnum = d.refobjsubid OR a.attnum = ANY (i.indkey))
         WHERE t.relkind IN ('r', 'p') AND t.relnamespace = 'public'::regnamespace
         GROUP BY t.relname, i.indexrelid, i.indisprimary
         ORDER BY t.relname, i.indisprimary DESC NULLS LAST
        """
    ).fetchall()
    assert {table: set(columns or ()) for table, columns in rows} == _keys_of_the_guide()


def test_every_foreign_key_is_drawn(conn: Connection) -> None:
    rows = conn.execute(
        """
        SELECT t.relname, a.attname, r.relname
          FROM pg_constraint k
          JOIN pg_class t ON t.oid = k.conrelid
          JOIN pg_class r ON r.oid = k.confrelid
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (k.conkey)
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
        """
    ).fetchall()
    drawn = _arrows_of_the_guide("◄──")
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == set(rows)


def test_every_other_arrow_is_a_column_without_a_foreign_key(conn: Connection) -> None:
    tables = set(_keys_of_the_guide())
    drawn = _arrows_of_the_guide("◄┄┄")
    assert len(drawn) > 15
    assert {parent for _, _, parent in drawn} <= tables
    rows = conn.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    ).fetchall()
    assert {(table, column) for table, column, _ in drawn} <= set(rows)
    assert not set(drawn) & set(_arrows_of_the_guide("◄──"))
    # A column named after a table's key is drawn, with or without a foreign key.
    named = {"id_contato": "contatos", "id_ordem_servico": "ordens_servico", "id_chat_file": "chat_files"}
    expected = {
        (table, column, named[column]) for table, column in rows if table in tables and column in named
    }
    assert expected - set(drawn) - set(_arrows_of_the_guide("◄──")) == set()


def test_every_asset_is_named() -> None:
    keys = build_defs(with_erp=True).resolve_asset_graph().get_all_asset_keys()
    assert {key.to_user_string() for key in keys} - _named() == set()


def test_every_layer_is_named() -> None:
    contracts = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]
    layers = " ".join(contracts["contracts"][0]["layers"])
    folders = {name for name in re.findall(r"\w+", layers) if (PACKAGE / name).is_dir()}
    assert folders - _named() == set()


def test_every_path_of_the_tables_exists() -> None:
    paths = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.(?:py|toml))`", GUIDE)
    assert len(paths) > 15
    absent = [path for path in paths if not (PACKAGE / path).exists() and not (PROJECT_ROOT / path).exists()]
    assert absent == []

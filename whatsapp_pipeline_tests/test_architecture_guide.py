"""The guide to the architecture names every layer, asset and table, and only paths that exist."""

from __future__ import annotations

import re
import tomllib

from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.source_scan import PACKAGE

GUIDE = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# Bookkeeping of the tools, and lists that only one statement reads.
NOT_NAMED = {
    "pipeline_migrations",
    "pipeline_migration_checksums",
    "erp_pass_items",
    "contact_phone_inputs",
    "webhook_events",
    "review_snoozes",
}


def _named() -> set[str]:
    """Names between backticks, or in a drawing."""
    return set(
        re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`|^```\n.*?^```", GUIDE, re.MULTILINE | re.DOTALL)))
    )


def test_every_table_is_named_and_exists(conn: Connection) -> None:
    rows = conn.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    ).fetchall()
    assert {str(row[0]) for row in rows} - _named() - NOT_NAMED == set()


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

"""The pytest plugin of a trial: one database server for all trials, and which tests come first.

What belongs here: a plugin for pytest, named with `-p`; it runs in the process of a trial. What does not:
drawing changes and starting trials.
"""

from __future__ import annotations

import importlib
import json
import os
from collections import defaultdict
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

SERVER, ORDER, QUERIES_SEEN = "MUTANTS_SERVER", "MUTANTS_ORDER", "MUTANTS_QUERIES"

_seen: dict[str, list[str]] = defaultdict(list)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that ran through the changed line before the change, in the order that was chosen.

    The others follow: what is computed once and kept runs in the first test only that needs it.
    """
    if order := os.environ.get(ORDER):
        chosen = json.loads(Path(order).read_text(encoding="utf-8"))
        places = {name: place for place, name in enumerate(chosen)}
        items.sort(key=lambda item: places.get(item.nodeid, len(places)))


def pytest_configure() -> None:
    """Use the server of all trials, and let a slow machine fail no test of properties.

    Such a failure would look like a change that was noticed.
    """
    conftest = importlib.import_module("whatsapp_pipeline_tests.conftest")
    create = conftest.create_database

    def create_once(admin_url: str, name: str, template: str) -> str:
        """Create a database; a migrated template of an earlier trial stays: no migration is changed."""
        with psycopg.connect(admin_url, autocommit=True) as conn:
            found = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        return make_conninfo(admin_url, dbname=name) if found else str(create(admin_url, name, template))

    conftest.__dict__.update(server_url=lambda *_: os.environ[SERVER], create_database=create_once)
    # It has taken the function over already where its tests are named on the command line.
    importlib.import_module("whatsapp_pipeline_tests.store.conftest").__dict__["create_database"] = (
        create_once
    )
    hypothesis.settings.register_profile(
        "mutants", deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
    )
    hypothesis.settings.load_profile("mutants")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note which statements each test asks for."""
    if QUERIES_SEEN not in os.environ:
        return
    from whatsapp_pipeline.store import queries

    load = queries.load

    def noted(name: str) -> str:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" (", 1)[0]
        if test and test not in _seen[name]:
            _seen[name].append(test)
        return load(name)

    queries.load = noted  # type: ignore[assignment]  # the cached function is replaced for this trial


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write which tests asked for which statement."""
    if path := os.environ.get(QUERIES_SEEN):
        Path(path).write_text(json.dumps(_seen), encoding="utf-8")


def drop_leftovers(server: str) -> None:
    """Drop the databases of a trial that was ended."""
    with psycopg.connect(server, autocommit=True) as conn:
        names = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'").fetchall()
        for (name,) in names:
            conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

"""One embedded server a session, a fresh migrated database a module."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.settings import Settings, file_variables, variable_of
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.fast_tests import pytest_runtest_setup, pytest_runtest_teardown

if TYPE_CHECKING:
    from whatsapp_pipeline_tests.prepared import Prepared

__all__ = ["pytest_runtest_setup", "pytest_runtest_teardown"]  # pytest finds the hooks here

# No test depends on the settings of the person who runs it, or writes to that person's `.local`. An empty
# variable counts as not set, and wins over `.env`.
_VARIABLES = (*(variable_of(field) for field in Settings.model_fields), *file_variables())
os.environ.update(dict.fromkeys(_VARIABLES, ""))
# A database is some 300 files, and many tests create one and drop it. A disk's file system is far slower
# at that than memory is, so the server's files lie in memory, unless there is little of it or TMPDIR is set.
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30


def _parent_of_servers() -> str | None:
    """Return the folder for the server's files; None stands for the usual folder of temporary files."""
    if os.environ.get("TMPDIR") or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    room = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return str(_MEMORY) if room >= _ROOM else None


def _remove_leftovers() -> None:
    """Give back the memory of runs that were killed: a folder has the process id of its run in its name."""
    for folder in _MEMORY.glob("wp-*-*"):
        process = folder.name.split("-")[1]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


_remove_leftovers()
# A short path: socket names have a length limit.
_LOCAL_DIR = Path(tempfile.mkdtemp(prefix=f"wp-{os.getpid()}-", dir=_parent_of_servers()))
atexit.register(shutil.rmtree, _LOCAL_DIR, ignore_errors=True)  # runs after the server's own exit handler
os.environ["PIPELINE_LOCAL_DIR"] = str(_LOCAL_DIR)
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
# A second thread of numpy's linear algebra waits for work in a loop, and takes the time from other tests.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What decides where a command reads and writes, as it is before the first test.
_SETTINGS = {name: os.environ.get(name) for name in (*_VARIABLES, "DAGSTER_HOME")}

# The files that take longest, longest first. They begin first, whatever the order of the others: a worker
# that began one of them last would work on alone when all else is done. pytest-randomly shuffles before the
# hook below. pytest-xdist would sort the files by their number of tests, so the Makefile passes
# --no-loadscope-reorder.
_LONGEST = (
    "test_cluster.py",
    "test_own_database.py",
    "test_browser.py",
    "test_simulation.py",
    "test_object_store.py",
    "test_shared_files.py",
    "test_pipeline.py",
    "test_docs.py",
    "test_no_personal_data.py",
    "test_extend.py",
    "test_ui_path.py",
    "test_up.py",
    "test_celery_workers.py",
    "test_serve.py",
    "test_launching.py",
    "test_erasure_is_complete.py",
    "test_api_document.py",
    "test_notebook.py",
    "test_supervisor.py",
    "test_browser_review.py",
    "test_browser_upkeep.py",
    "test_daemon_lock.py",
    "test_privacy_mentions.py",
    "test_backfill.py",
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that start the embedded server, before pytest selects tests by their markers."""
    if "admin_url" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.database)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and measure no coverage in slow tests.

    Measuring doubles the time of pure Python. The other tests reach the floor of coverage alone.
    """
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.no_cover)
    items.sort(
        key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST)
    )


@contextmanager
def _settings(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set the settings' variables inside the block, and restore them after it."""
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Set up what a session shares under the session's settings, not under those of the test that is first.

    The prepared database would otherwise know the people that a test had erased from its own.
    """
    if fixturedef.scope != "session":
        return (yield)
    with _settings(_SETTINGS):
        return (yield)


@pytest.fixture(autouse=True)
def settings_of_one_test() -> Iterator[None]:
    """Take back the settings that a test, or a command that it ran, left in the environment."""
    with _settings({name: os.environ.get(name) for name in _SETTINGS}):
        yield


@pytest.fixture(scope="session")
def embedded_admin_url() -> str:
    """A server of the session's own; durability is not what these tests measure."""
    url = server_url(_LOCAL_DIR, "postgres")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET fsync = off")
        conn.execute("ALTER SYSTEM SET synchronous_commit = off")
        conn.execute("ALTER SYSTEM SET max_wal_size = '128MB'")  # the files may lie in memory
        conn.execute("SELECT pg_reload_conf()")
    return url


@pytest.fixture(scope="session")
def admin_url(embedded_admin_url: str) -> str:
    """The server that databases are made on."""
    return embedded_admin_url


def create_database(admin_url: str, name: str, template: str) -> str:
    """Create a database from a template and return its URL."""
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return make_conninfo(admin_url, dbname=name)


def drop_database(admin_url: str, name: str) -> None:
    """Drop a database with whoever is still connected to it."""
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def migrated_template(admin_url: str) -> str:
    """Name of a migrated, empty database to copy from: a copy is faster than migrating again."""
    name = "template_migrated"
    migrate(create_database(admin_url, name, "template0"))
    return name


@pytest.fixture(scope="module")
def database_url(admin_url: str, migrated_template: str) -> Iterator[str]:
    """A fresh migrated database for the module."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, migrated_template)
    drop_database(admin_url, name)


@pytest.fixture(scope="session")
def prepared(admin_url: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The sample's months as the chain fills them, to copy from: fitting and loading are paid for once."""
    # After the environment was cleared above: the definitions read it when they are loaded.
    from whatsapp_pipeline_tests.prepared import prepare

    name = "template_prepared"
    url = create_database(admin_url, name, migrated_template)
    return prepare(url, name, tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def prepared_url(admin_url: str, prepared: Prepared) -> Iterator[str]:
    """A database of the module's own that the chain has filled from the sample."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, prepared.template)
    drop_database(admin_url, name)


@pytest.fixture
def fresh_database_url(admin_url: str, migrated_template: str) -> Iterator[str]:
    """A fresh migrated database for one test."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, migrated_template)
    drop_database(admin_url, name)


@pytest.fixture
def empty_database_url(admin_url: str) -> Iterator[str]:
    """A database with nothing in it, for one test."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, "template0")
    drop_database(admin_url, name)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """A connection to the module's database, in autocommit mode."""
    with connect(database_url) as connection:
        yield connection
